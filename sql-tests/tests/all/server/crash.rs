//! Does a killed server come back with everything that it acknowledged and nothing in part?

use std::process::Command;

use tarn_sql_tests::repository::root;
use tarn_sql_tests::server::{Server, binary, python};

#[test]
fn kills_lose_nothing_and_leave_nothing_half() {
    if Server::start().is_oracle() {
        return;
    }
    let output = Command::new(python())
        .arg("-B")
        .arg(root().join("sql-tests/benches/crash/run.py"))
        .arg("--tarn")
        .arg(binary())
        .args(["--rounds", "8", "--seconds-max", "1.5"])
        .output()
        .expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("8 kills, 0 offences"),
        "{text}{errors}"
    );
}
