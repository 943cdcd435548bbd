//! Which test functions do the `.slt` files make? Two for each file, one per protocol, so that a
//! failing file fails under its own name.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells build scripts by the environment"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=cases");
    let mut files = Vec::new();
    collect(Path::new("cases"), &mut files);
    files.sort();
    let mut source = String::new();
    for file in &files {
        let path = file.display().to_string();
        let name: String = path
            .trim_start_matches("cases/")
            .trim_end_matches(".slt")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        for protocol in ["Simple", "Extended"] {
            let function = format!("{name}_{}", protocol.to_lowercase());
            writeln!(
                source,
                "#[test]\nfn {function}() {{\n    run(\"sql-tests/{path}\", Protocol::{protocol});\n}}"
            )
            .expect("a string takes text");
        }
    }
    let folder = std::env::var_os("OUT_DIR").expect("cargo names a folder");
    fs::write(PathBuf::from(folder).join("cases.rs"), source).expect("the tests can be written");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the cases can be listed") {
        let path = entry.expect("a listed entry can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            collect(&path, files);
        } else if name.ends_with(".slt") && !name.starts_with('_') {
            files.push(path);
        }
    }
}
