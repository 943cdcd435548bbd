//! Which command was typed?

use std::process::ExitCode;

use tarn_engine::config::Config;
use tarn_engine::error::PgError;
use tarn_engine::server;

const HELP: &str = "\
tarn: SQL over Delta tables, with training and prediction inside

  tarn serve [options]             serve until Ctrl-C
  tarn quickstart [--exit]         load, train, compare and predict on a real table
  tarn config                      print a commented configuration file
  tarn backup --data-dir DIR --to DIR
  tarn restore --from DIR --data-dir DIR
  tarn docs --out DIR              write the SQL reference
  tarn version

Options of serve (also TARN_… variables and keys of --config FILE):
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = arguments.first().map(String::as_str).unwrap_or("help");
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match command {
        "serve" => serve(rest),
        #[cfg(feature = "quickstart")]
        "quickstart" => tarn_engine::quickstart::run(rest),
        "backup" => copy_data("data-dir", "to", rest, Copying::Backup),
        "restore" => copy_data("from", "data-dir", rest, Copying::Restore),
        "docs" => flag("out", rest)
            .and_then(|folder| tarn_engine::reference::write(std::path::Path::new(&folder))),
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

enum Copying {
    Backup,
    Restore,
}

/// Copies a data directory that no server has open.
fn copy_data(from: &str, to: &str, arguments: &[String], what: Copying) -> Result<(), PgError> {
    let (from, to) = (flag(from, arguments)?, flag(to, arguments)?);
    let (from, to) = (std::path::Path::new(&from), std::path::Path::new(&to));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let list = match what {
        Copying::Backup => runtime.block_on(tarn_catalog::backup::backup_closed(from, to)),
        Copying::Restore => runtime.block_on(tarn_catalog::backup::restore(from, to)),
    }?;
    println!("{} copied to {}", from.display(), to.display());
    for table in &list.external_tables {
        println!("not copied, because it lies elsewhere: {table}");
    }
    Ok(())
}

/// `--name value` or `--name=value`
fn flag(name: &str, arguments: &[String]) -> Result<String, PgError> {
    let spaced = arguments
        .iter()
        .position(|argument| argument == &format!("--{name}"));
    let value = spaced
        .and_then(|index| arguments.get(index + 1))
        .cloned()
        .or_else(|| {
            let prefix = format!("--{name}=");
            arguments
                .iter()
                .find_map(|argument| argument.strip_prefix(&prefix).map(String::from))
        });
    value.ok_or_else(|| {
        PgError::syntax(format!("--{name} is missing")).with_hint("tarn help lists the options.")
    })
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
