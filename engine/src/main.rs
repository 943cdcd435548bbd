//! Which command was typed?

use std::process::ExitCode;

use tarn_engine::config::Config;
use tarn_engine::error::PgError;
use tarn_engine::server;

const HELP: &str = "\
tarn: SQL over Delta tables, with training and prediction inside

  tarn serve [options]             serve until Ctrl-C
  tarn config                      print a commented configuration file
  tarn backup --data-dir DIR --to DIR
  tarn restore --from DIR --data-dir DIR
  tarn version

Options of serve (also TARN_… variables and keys of --config FILE):
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = arguments.first().map(String::as_str).unwrap_or("help");
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match command {
        "serve" => serve(rest),
        "config" => {
            print!("{}", Config::sample_toml());
            Ok(())
        }
        "version" | "--version" | "-V" => {
            println!("tarn {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        "help" | "--help" | "-h" => {
            print_help();
            Ok(())
        }
        other => Err(PgError::syntax(format!("unknown command \"{other}\""))
            .with_hint("tarn help lists the commands.")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    print!("{HELP}");
    for key in tarn_engine::config::KEYS {
        let flag = format!("--{}", key.name.replace('_', "-"));
        println!("  {flag:<20} {} [{}]", key.description, key.default);
    }
}

fn print_error(error: &PgError) {
    eprintln!("tarn: {}", error.message);
    if let Some(detail) = &error.detail {
        eprintln!("  {detail}");
    }
    if let Some(hint) = &error.hint {
        eprintln!("  hint: {hint}");
    }
}

fn serve(arguments: &[String]) -> Result<(), PgError> {
    let config = Config::read(arguments)?;
    start_logging(&config)?;
    let server = server::start(config)?;
    println!("{}", server.ready_line());
    server.wait()
}

fn start_logging(config: &Config) -> Result<(), PgError> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log).map_err(|error| {
        PgError::new(
            tarn_engine::sqlstate::INVALID_PARAMETER_VALUE,
            format!("log is no filter: {error}"),
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if config.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
    Ok(())
}
