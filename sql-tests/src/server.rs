//! A server of its own for each test, or a PostgreSQL to hold the tests against.
//!
//! With `TARN_TEST_DSN=127.0.0.1:5432` in the environment the same tests run against that PostgreSQL,
//! as its role `tarn`, in a database made for each test. What PostgreSQL cannot do is marked in the
//! tests by [`Server::is_oracle`].
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are told by the environment what to test"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;

/// How long a server may take until it listens, on a machine that runs other tests too.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running server that ends with this value.
pub struct Server {
    /// Where it speaks Postgres.
    pub postgres: SocketAddr,
    database: String,
    process: Option<Process>,
}

/// What only a server that we started has.
struct Process {
    child: Child,
    folder: Folder,
    http: SocketAddr,
    arguments: Vec<String>,
}

/// A temporary folder that goes away with this value.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder that nobody else has.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Folder {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tarn-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder(path)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover folder is untidy, not wrong.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The built server: `TARN_BIN`, or the `tarn` that lies beside the test binaries.
///
/// # Panics
/// When there is none: `./test` builds it, and so does `cargo build`.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TARN_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test has a path");
    let built = test
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("tarn"))
        .find(|path| path.is_file());
    built.expect("build the server first: cargo build --workspace --lib --bins --tests")
}

/// The Python that has the drivers.
///
/// # Panics
/// When `./test` did not tell.
pub fn python() -> PathBuf {
    let told = std::env::var_os("TARN_TEST_PYTHON").map(PathBuf::from);
    told.or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache =
            cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("tarn-test-venv/bin/python")).filter(|path| path.exists())
    })
    .expect("run ./test once: it makes the Python environment of the client tests")
}

impl Server {
    /// Starts a server on an empty data directory.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// [`Server::start`] with more command-line arguments.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start_with(arguments: &[&str]) -> Server {
        if let Some(address) = std::env::var_os("TARN_TEST_DSN") {
            let address = address.to_string_lossy().into_owned();
            return Server::oracle(address.parse().expect("TARN_TEST_DSN is ADDRESS:PORT"));
        }
        let arguments = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        Server::launch(Folder::new(), arguments)
    }

    /// Starts a server on the data directory `data` of a folder; None when the tests run against PostgreSQL.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start_over(folder: Folder) -> Option<Server> {
        match std::env::var_os("TARN_TEST_DSN") {
            Some(_) => None,
            None => Some(Server::launch(folder, Vec::new())),
        }
    }

    fn oracle(postgres: SocketAddr) -> Server {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("tarn_test_{}_{number}", std::process::id());
        let template = Server {
            postgres,
            database: "tarn".to_owned(),
            process: None,
        };
        template
            .connect()
            .run(&format!("CREATE DATABASE {database} TEMPLATE template0"));
        Server {
            postgres,
            database,
            process: None,
        }
    }

    fn launch(folder: Folder, arguments: Vec<String>) -> Server {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path().join("log"));
        let mut child = Command::new(binary())
            .arg("serve")
            .args([
                "--listen",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(folder.path().join("data"))
            .arg("--socket")
            .arg(folder.path())
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("the log can be written"))
            .spawn()
            .expect("the server starts");
        let started = Instant::now();
        let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
        let line = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.starts_with("listening on "));
        let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let line =
            line.unwrap_or_else(|| panic!("the server ended before it listened:\n{}", log()));
        assert!(
            started.elapsed() < START_TIMEOUT,
            "the server started too slowly:\n{}",
            log()
        );
        // Somebody has to empty the pipe, or a chatty server would stop.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |label: &str| {
            let value = line.split(' ').find_map(|word| word.strip_prefix(label));
            value
                .and_then(|value| value.parse().ok())
                .unwrap_or_else(|| panic!("{label} in: {line}"))
        };
        let (postgres, http) = (address("postgres="), address("http="));
        let process = Some(Process {
            child,
            folder,
            http,
            arguments,
        });
        Server {
            postgres,
            database: "tarn".to_owned(),
            process,
        }
    }

    fn process(&self) -> &Process {
        self.process
            .as_ref()
            .expect("this test is about a server that we started")
    }

    /// Whether this is PostgreSQL and not our server.
    pub fn is_oracle(&self) -> bool {
        self.process.is_none()
    }

    /// The name of the database to connect to.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where it serves HTTP.
    pub fn http(&self) -> SocketAddr {
        self.process().http
    }

    /// The number of its process.
    pub fn process_id(&self) -> u32 {
        self.process().child.id()
    }

    /// The folder that holds its data directory (`data`), its socket and its log (`log`).
    pub fn folder(&self) -> &Path {
        self.process().folder.path()
    }

    /// A new connection as `tarn`.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn connect(&self) -> Client {
        let parameters = [("user", "tarn"), ("database", self.database.as_str())];
        Client::connect(self.postgres, &parameters).expect("the server takes a connection")
    }

    /// Sends a signal by its name, for example `TERM`.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.process_id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "the server is gone already");
    }

    /// Stops the server by SIGTERM and tells how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for the end of a server that was told to stop.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let process = self
            .process
            .as_mut()
            .expect("this test is about a server that we started");
        let asked = Instant::now();
        loop {
            if let Some(status) = process.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(asked.elapsed() < STOP_TIMEOUT, "the server did not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the server without a warning, as a crash would.
    pub fn kill(&mut self) {
        let process = self
            .process
            .as_mut()
            .expect("this test is about a server that we started");
        process.child.kill().expect("the server was running");
        process.child.wait().expect("a child can be waited for");
    }

    /// Starts a server that has ended again, on the same data.
    pub fn again(mut self) -> Server {
        let process = self
            .process
            .take()
            .expect("this test is about a server that we started");
        Server::launch(process.folder, process.arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else {
            if self.database != "tarn" {
                let admin = Server {
                    postgres: self.postgres,
                    database: "tarn".into(),
                    process: None,
                };
                admin
                    .connect()
                    .simple(&format!("DROP DATABASE {} WITH (FORCE)", self.database));
            }
            return;
        };
        // Errors mean that it has ended already.
        drop(process.child.kill());
        drop(process.child.wait());
        if std::thread::panicking() {
            let log = fs::read_to_string(process.folder.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the server's last words:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}
