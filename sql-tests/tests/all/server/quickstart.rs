//! Does the tour that the README promises take place?

use std::process::Command;

use tarn_sql_tests::server::{Folder, Server, binary};

#[test]
fn the_quickstart_trains_and_predicts_on_a_real_table() {
    if Server::start().is_oracle() {
        return;
    }
    let folder = Folder::new();
    let output = Command::new(binary())
        .args(["quickstart", "--exit"])
        .current_dir(folder.path())
        .output()
        .expect("the server's binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    for promised in ["CREATE MODEL", "predict(", "psql "] {
        assert!(text.contains(promised), "{promised} is missing:\n{text}");
    }
}
