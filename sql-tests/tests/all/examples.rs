//! Do the examples run, in their order, as somebody who reads them would run them?

use std::process::Command;

use tarn_sql_tests::repository::{files, relative, root};
use tarn_sql_tests::server::Server;

#[test]
fn the_examples_run_in_their_order() {
    let server = Server::start();
    if server.is_oracle() {
        return;
    }
    let examples = files(&root().join("examples"), "sql");
    assert!(examples.len() >= 5, "where are the examples?");
    for example in examples {
        let output = Command::new("psql")
            .current_dir(root())
            .args([
                "-X",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "tarn",
                "-d",
                "tarn",
                "-h",
                "127.0.0.1",
            ])
            .args(["-p", &server.postgres.port().to_string(), "-f"])
            .arg(&example)
            .output()
            .expect("psql runs: ./test installs it");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{}:\n{text}\n{errors}",
            relative(&example)
        );
    }
}
