//! Which settings does the server have, where do they come from, and what do they default to?
//!
//! One table ([`KEYS`]) names every setting. Its value is taken from the command line, else from the
//! environment (`TARN_…`), else from the TOML file, else from the default. This is the only module that reads
//! the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::error::PgError;
use crate::session::settings::milliseconds;
use crate::sqlstate;
use tarn_udfs::suggest;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name in the TOML file; `--data-dir` on the command line, `TARN_DATA_DIR` in the environment.
    pub name: &'static str,
    /// The value when nobody says anything, in words.
    pub default: &'static str,
    /// What it does.
    pub description: &'static str,
}

/// Every setting.
pub const KEYS: &[Key] = &[
    Key {
        name: "data_dir",
        default: "./tarn-data",
        description: "Folder of the catalog, the tables and the models.",
    },
    Key {
        name: "listen",
        default: "127.0.0.1:6880",
        description: "Address of the Postgres door. Only loopback until SCRAM and TLS exist.",
    },
    Key {
        name: "http",
        default: "127.0.0.1:6881",
        description: "Address of /health and /metrics; off to close it.",
    },
    Key {
        name: "socket",
        default: "the data dir",
        description: "Folder of the Unix socket; off for none.",
    },
    Key {
        name: "files_root",
        default: "the working directory",
        description: "Files that SQL may read over TCP lie below this folder.",
    },
    Key {
        name: "memory_limit",
        default: "60 % of the memory",
        description: "Budget of queries, training and caches, such as 8GB.",
    },
    Key {
        name: "spill_limit",
        default: "64GB",
        description: "Most bytes of temporary files.",
    },
    Key {
        name: "threads",
        default: "all cores",
        description: "Threads of queries and of training.",
    },
    Key {
        name: "connections_max",
        default: "200",
        description: "Clients at a time.",
    },
    Key {
        name: "message_limit",
        default: "256MB",
        description: "Longest message of a client: a statement, its values or a piece of COPY data.",
    },
    Key {
        name: "startup_timeout",
        default: "60s",
        description: "A client that has not said who it is by then is hung up on.",
    },
    Key {
        name: "slow_statement",
        default: "1s",
        description: "Statements that run longer are logged; 0 logs none.",
    },
    Key {
        name: "log",
        default: "info",
        description: "Log filter: error, warn, info, debug, or target=level pairs.",
    },
    Key {
        name: "log_format",
        default: "text",
        description: "text or json.",
    },
];

/// The protocol counts a message's bytes with its length in 31 bits.
const MESSAGE_BYTES_MAX: u64 = (1 << 31) - 5;

/// The settings, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the catalog, the tables and the models.
    pub data_dir: PathBuf,
    /// Address of the Postgres door.
    pub listen: SocketAddr,
    /// Address of the HTTP door, None when closed.
    pub http: Option<SocketAddr>,
    /// Folder of the Unix socket, None for none.
    pub socket_dir: Option<PathBuf>,
    /// Files that SQL may touch over TCP lie below.
    pub files_root: PathBuf,
    /// Budget of queries, training and caches.
    pub memory_limit_bytes: usize,
    /// Most bytes of temporary files.
    pub spill_limit_bytes: u64,
    /// Threads of queries and of training.
    pub threads: usize,
    /// Clients at a time.
    pub connections_max: usize,
    /// Longest message of a client.
    pub message_limit_bytes: usize,
    /// Time until a client has said who it is.
    pub startup_timeout_ms: u64,
    /// Statements that run longer are logged; 0 logs none.
    pub slow_statement_ms: u64,
    /// Log filter.
    pub log: String,
    /// JSON logs instead of text.
    pub log_json: bool,
}

impl Config {
    /// Reads `--name value` and `--name=value` pairs, the environment and the TOML file.
    pub fn read(arguments: &[String]) -> Result<Config, PgError> {
        let mut flags = flags(arguments)?;
        let file = flags.remove("config").or_else(|| environment("config"));
        let mut values = match file {
            Some(path) => toml_values(Path::new(&path))?,
            None => BTreeMap::new(),
        };
        for key in KEYS {
            if let Some(value) = flags.remove(key.name).or_else(|| environment(key.name)) {
                values.insert(key.name.to_string(), value);
            }
        }
        Config::from_values(&values)
    }

    fn from_values(values: &BTreeMap<String, String>) -> Result<Config, PgError> {
        let get = |name: &str| values.get(name).map(String::as_str);
        let data_dir = PathBuf::from(get("data_dir").unwrap_or("./tarn-data"));
        let listen = address("listen", get("listen").unwrap_or("127.0.0.1:6880"))?;
        if !listen.ip().is_loopback() {
            return Err(PgError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("listen address {listen} is refused: it is reachable from other machines"),
            )
            .with_detail("There is no password and no encryption on the Postgres door yet.")
            .with_hint("Listen on 127.0.0.1 or [::1]."));
        }
        let http = match get("http").unwrap_or("127.0.0.1:6881") {
            "off" => None,
            text => Some(address("http", text)?),
        };
        let socket_dir = match get("socket") {
            Some("off") => None,
            Some(path) => Some(PathBuf::from(path)),
            None => Some(data_dir.clone()),
        };
        Ok(Config {
            listen,
            http,
            socket_dir,
            files_root: get("files_root").map_or_else(|| PathBuf::from("."), PathBuf::from),
            memory_limit_bytes: match get("memory_limit") {
                Some(text) => bytes("memory_limit", text)? as usize,
                None => memory_of_machine_bytes() / 10 * 6,
            },
            spill_limit_bytes: bytes("spill_limit", get("spill_limit").unwrap_or("64GB"))?,
            threads: match get("threads") {
                Some(text) => positive("threads", text)?,
                None => std::thread::available_parallelism().map_or(2, usize::from),
            },
            connections_max: positive("connections_max", get("connections_max").unwrap_or("200"))?,
            message_limit_bytes: bytes("message_limit", get("message_limit").unwrap_or("256MB"))?
                .min(MESSAGE_BYTES_MAX) as usize,
            startup_timeout_ms: milliseconds(get("startup_timeout").unwrap_or("60s"))
                .filter(|timeout| *timeout > 0)
                .ok_or_else(|| bad("startup_timeout", "a duration such as 500ms or 60s"))?,
            slow_statement_ms: milliseconds(get("slow_statement").unwrap_or("1s"))
                .ok_or_else(|| bad("slow_statement", "a duration such as 500ms or 2s"))?,
            log: get("log").unwrap_or("info").to_string(),
            log_json: match get("log_format").unwrap_or("text") {
                "text" => false,
                "json" => true,
                _ => return Err(bad("log_format", "text or json")),
            },
            data_dir,
        })
    }

    /// A commented TOML file with every setting at its default.
    pub fn sample_toml() -> String {
        let mut text = String::from(
            "# Settings of tarn serve. Flags and TARN_… variables win over this file.\n",
        );
        for key in KEYS {
            text.push_str(&format!(
                "\n# {}\n# Default: {}\n# {} = \"…\"\n",
                key.description, key.default, key.name
            ));
        }
        text
    }
}

fn flags(arguments: &[String]) -> Result<BTreeMap<String, String>, PgError> {
    let mut flags = BTreeMap::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix("--") else {
            return Err(usage(format!("unexpected argument \"{argument}\"")));
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name.to_string(), Some(value.to_string())),
            None => (flag.to_string(), rest.next().cloned()),
        };
        let name = name.replace('-', "_");
        if name != "config" && !KEYS.iter().any(|key| key.name == name) {
            let failure = usage(format!("unknown option --{}", name.replace('_', "-")));
            return Err(
                match suggest::nearest(&name, KEYS.iter().map(|key| key.name)) {
                    Some(near) => {
                        failure.with_hint(format!("Perhaps --{}.", near.replace('_', "-")))
                    }
                    None => failure,
                },
            );
        }
        let value = value.ok_or_else(|| usage(format!("--{flag} needs a value")))?;
        flags.insert(name, value);
    }
    Ok(flags)
}

fn usage(message: String) -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
        .with_hint("tarn help lists commands and options.")
}

fn bad(name: &str, expected: &str) -> PgError {
    PgError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("{name} must be {expected}"),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(format!("TARN_{}", name.to_uppercase()))
        .ok()
        .filter(|value| !value.is_empty())
}

fn toml_values(path: &Path) -> Result<BTreeMap<String, String>, PgError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        PgError::new(
            sqlstate::UNDEFINED_FILE,
            format!(
                "could not read the configuration file {}: {error}",
                path.display()
            ),
        )
    })?;
    let table: toml::Table = text.parse().map_err(|error| {
        PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("{} is not TOML: {error}", path.display()),
        )
    })?;
    let mut values = BTreeMap::new();
    for (name, value) in table {
        if !KEYS.iter().any(|key| key.name == name) {
            let failure = PgError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("unknown setting \"{name}\" in {}", path.display()),
            );
            return Err(
                match suggest::nearest(&name, KEYS.iter().map(|key| key.name)) {
                    Some(near) => failure.with_hint(format!("Perhaps you meant \"{near}\".")),
                    None => failure,
                },
            );
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            other => return Err(bad(&name, &format!("a string or a number, not {other}"))),
        };
        values.insert(name, text);
    }
    Ok(values)
}

fn address(name: &str, text: &str) -> Result<SocketAddr, PgError> {
    let text = text.replace("localhost", "127.0.0.1");
    text.parse()
        .map_err(|_| bad(name, "ADDRESS:PORT, such as 127.0.0.1:6880"))
}

fn positive(name: &str, text: &str) -> Result<usize, PgError> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(bad(name, "a whole number above 0")),
    }
}

/// `8GB`, `512MB`, `1024kB`, `4096`; powers of 1024 as in Postgres.
fn bytes(name: &str, text: &str) -> Result<u64, PgError> {
    let text = text.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let factor: u64 = match text[split..].trim().to_lowercase().as_str() {
        "" | "b" => 1,
        "kb" | "kib" => 1 << 10,
        "mb" | "mib" => 1 << 20,
        "gb" | "gib" => 1 << 30,
        "tb" | "tib" => 1 << 40,
        _ => return Err(bad(name, "a size such as 512MB or 8GB")),
    };
    match text[..split].parse::<f64>() {
        Ok(number) if number > 0.0 => Ok((number * factor as f64) as u64),
        _ => Err(bad(name, "a size such as 512MB or 8GB")),
    }
}

/// The control group's limit if there is one, else the machine's memory, else 4 GiB.
fn memory_of_machine_bytes() -> usize {
    const UNKNOWN_BYTES: usize = 4 << 30;
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kib << 10)
        })
        .unwrap_or(UNKNOWN_BYTES);
    [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .filter_map(|path| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<usize>()
            .ok()
    })
    .fold(machine, usize::min)
}

#[cfg(test)]
mod tests {
    use super::{Config, bytes, flags};

    fn read(arguments: &[&str]) -> Result<Config, crate::error::PgError> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Config::from_values(&flags(&arguments)?)
    }

    #[test]
    fn only_loopback_is_listened_on() {
        assert!(read(&["--listen", "127.0.0.1:0"]).is_ok());
        assert!(read(&["--listen", "[::1]:0"]).is_ok());
        assert_eq!(
            read(&["--listen", "0.0.0.0:6880"]).unwrap_err().code.0,
            "22023"
        );
    }

    #[test]
    fn unknown_options_get_a_suggestion() {
        let error = read(&["--data-dri", "x"]).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("Perhaps --data-dir."));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("x", "1.5GB").unwrap(), 3 << 29);
        assert_eq!(bytes("x", "64").unwrap(), 64);
        assert!(bytes("x", "8 parsecs").is_err());
    }

    #[test]
    fn the_sample_file_is_toml_and_names_every_key() {
        let sample = Config::sample_toml();
        assert!(sample.parse::<toml::Table>().is_ok());
        for key in super::KEYS {
            assert!(sample.contains(key.name), "{}", key.name);
        }
    }
}
