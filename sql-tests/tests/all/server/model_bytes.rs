//! Do the same rows give the same model bytes on any number of threads, and when they do not fit in memory?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tarn_sql_tests::client::Client;
use tarn_sql_tests::server::Server;

/// Threads of queries and of training, and the memory budget.
const ROOMY: [[&str; 4]; 3] = [
    ["--threads", "1", "--memory-limit", "1GB"],
    ["--threads", "2", "--memory-limit", "1GB"],
    ["--threads", "16", "--memory-limit", "1GB"],
];

/// A server with a table of lessons, or None when the tests run against PostgreSQL.
fn open(arguments: &[&str], rows: u32, groups: u32) -> Option<(Server, Client)> {
    let server = Some(Server::start_with(arguments)).filter(|server| !server.is_oracle())?;
    let mut client = server.connect();
    client.run(&format!(
        "CREATE TABLE lessons AS SELECT i::bigint * 7919 % {groups} AS g, i::float8 / 7 AS a, (i * 31) % 97 AS b, \
         (i % 7)::text AS c, (i * 13) % 101 + (i % 7) AS y FROM generate_series(1, {rows}) AS s(i)"
    ));
    Some((server, client))
}

#[test]
fn training_functions_give_the_same_bytes_on_any_threads_and_from_spilled_rows() {
    let (rows, groups) = (200_000, 20_000);
    let query = "SELECT g, train_trees(y, a, b, c, rounds => 2, min_rows => 1) AS model FROM lessons GROUP BY g";
    let checksums = |client: &mut Client| {
        client.run(&format!("CREATE TABLE models AS {query}"));
        let mut models = client
            .run("SELECT g, md5(model::bytea) FROM models")
            .table();
        models.sort();
        models
    };
    let mut found = Vec::new();
    for arguments in ROOMY {
        let Some((_server, mut client)) = open(&arguments, rows, groups) else {
            return;
        };
        found.push(checksums(&mut client));
    }
    let small = ["--threads", "2", "--memory-limit", "24MB"];
    let Some((_server, mut client)) = open(&small, rows, groups) else {
        return;
    };
    found.push(checksums(&mut client));
    assert_eq!(found[0].len(), groups as usize);
    for other in &found[1..] {
        assert!(*other == found[0], "the models differ");
    }
    // The last ones did not fit, or this would compare nothing.
    let told = client.run(&format!("EXPLAIN ANALYZE {query}"));
    let told = told.table().concat().concat();
    assert!(told.contains("spill_count="), "{told}");
    let spilled = |part: &str| !part.starts_with('0');
    assert!(told.split("spill_count=").skip(1).any(spilled), "{told}");
}

#[test]
fn create_model_gives_the_same_bytes_on_any_threads_and_from_spilled_rows() {
    let (rows, groups) = (20_000, 200);
    let checksum = |client: &mut Client| {
        client.run("CREATE MODEL m TARGET y PARTITION BY (g) AS trees (rounds = 2) TABLE lessons");
        client.run("SELECT sha256 FROM ml.versions").value()
    };
    let mut found = Vec::new();
    for arguments in ROOMY {
        let Some((_server, mut client)) = open(&arguments, rows, groups) else {
            return;
        };
        found.push(checksum(&mut client));
    }
    let small = ["--threads", "2", "--memory-limit", "4MB"];
    let Some((server, mut client)) = open(&small, rows, groups) else {
        return;
    };
    let watch = Watch::begin(&server);
    found.push(checksum(&mut client));
    assert!(watch.end(), "nothing was spilled, so this compares nothing");
    assert_eq!(found, vec![found[0].clone(); 4]);
}

/// Looks for training rows among a server's temporary files.
struct Watch {
    stop: Arc<AtomicBool>,
    looking: std::thread::JoinHandle<bool>,
}

impl Watch {
    fn begin(server: &Server) -> Watch {
        let folder = server.folder().join("data/spill");
        let stop = Arc::new(AtomicBool::new(false));
        let looking = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut seen = false;
                while !seen && !stop.load(Ordering::Relaxed) {
                    seen = has_training_rows(&folder);
                    std::thread::sleep(Duration::from_millis(1));
                }
                seen
            }
        });
        Watch { stop, looking }
    }

    /// Whether there were any.
    fn end(self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().unwrap()
    }
}

/// Folders and files may go away while they are looked at.
fn has_training_rows(folder: &Path) -> bool {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut trainings =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("train-"));
    trainings.any(|training| {
        let files = training.path().read_dir().into_iter().flatten().flatten();
        files
            .filter_map(|file| file.metadata().ok())
            .any(|file| file.len() > 0)
    })
}
