//! Who may depend on whom, is every dependency used, and under which licences do we ship?

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tarn_sql_tests::repository::{files, read, relative, root};

use super::assert_none;

/// The only arrows between our crates.
const ARROWS: [(&str, &[&str]); 5] = [
    ("tarn-engine", &["tarn-udfs", "tarn-catalog", "tarn-gpu"]),
    ("tarn-udfs", &["tarn-gpu"]),
    ("tarn-catalog", &[]),
    ("tarn-gpu", &[]),
    ("tarn-sql-tests", &[]),
];

/// Crates that a crate of ours must not reach, directly or through others.
const WALLS: [(&str, &[&str]); 4] = [
    (
        "tarn-gpu",
        &[
            "arrow",
            "arrow-array",
            "datafusion",
            "deltalake-core",
            "sqlparser",
            "tokio",
        ],
    ),
    (
        "tarn-udfs",
        &["pgwire", "axum", "rusqlite", "deltalake-core"],
    ),
    ("tarn-catalog", &["pgwire", "axum"]),
    (
        "tarn-sql-tests",
        &["arrow", "datafusion", "tokio", "pgwire"],
    ),
];

/// Nothing in the product may reach these: they belong to no issue that has been built.
const BANNED: [&str; 7] = [
    "ort",
    "candle-core",
    "datafusion-distributed",
    "openssl-sys",
    "native-tls",
    "datafusion-postgres",
    "arrow-pg",
];

/// Licence expressions that we ship under, exactly as crates spell them.
const LICENCES: [&str; 35] = [
    "(Apache-2.0 OR MIT) AND BSD-3-Clause",
    "(MIT OR Apache-2.0) AND Unicode-3.0",
    "0BSD OR MIT OR Apache-2.0",
    "Apache-2.0",
    "Apache-2.0 / MIT",
    "Apache-2.0 AND ISC",
    "Apache-2.0 AND MIT",
    "Apache-2.0 OR BSL-1.0",
    "Apache-2.0 OR ISC OR MIT",
    "Apache-2.0 OR MIT",
    "Apache-2.0 WITH LLVM-exception",
    "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    "BSD-2-Clause OR Apache-2.0 OR MIT",
    "BSD-3-Clause",
    "BSD-3-Clause AND MIT",
    "BSD-3-Clause/MIT",
    "CC0-1.0",
    "CC0-1.0 OR Apache-2.0 OR Apache-2.0 WITH LLVM-exception",
    "CC0-1.0 OR MIT-0 OR Apache-2.0",
    "ISC",
    "ISC AND (Apache-2.0 OR ISC)",
    "ISC AND (Apache-2.0 OR ISC) AND Apache-2.0 AND MIT AND BSD-3-Clause AND (Apache-2.0 OR ISC OR MIT) AND (Apache-2.0 OR ISC OR MIT-0)",
    "MIT",
    "MIT AND BSD-3-Clause",
    "MIT OR Apache-2.0",
    "MIT OR Apache-2.0 OR Zlib",
    "MIT OR Zlib OR Apache-2.0",
    "MIT/Apache-2.0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense OR MIT",
    "Unlicense/MIT",
    "Zlib",
    "Zlib OR Apache-2.0 OR MIT",
    "bzip2-1.0.6",
];

/// What `cargo metadata` says of the workspace, and who reaches whom in a build of the product.
struct Workspace {
    packages: BTreeMap<String, Value>,
    arrows: BTreeMap<String, BTreeSet<String>>,
    members: BTreeSet<String>,
}

impl Workspace {
    fn load() -> Workspace {
        let metadata = metadata();
        let by_id: BTreeMap<&str, &Value> = array(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), package))
            .collect();
        let name = |id: &Value| text(&by_id[text(id)]["name"]).to_owned();
        let mut packages = BTreeMap::new();
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in array(&metadata["resolve"]["nodes"]) {
            let from = name(&node["id"]);
            packages.insert(from.clone(), by_id[text(&node["id"])].clone());
            let shipped = array(&node["deps"]).iter().filter(|dependency| {
                array(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"] != "dev")
            });
            arrows
                .entry(from)
                .or_default()
                .extend(shipped.map(|dependency| name(&dependency["pkg"])));
        }
        let members = array(&metadata["workspace_members"])
            .iter()
            .map(name)
            .collect();
        Workspace {
            packages,
            arrows,
            members,
        }
    }

    fn reaches(&self, from: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from.to_owned()];
        while let Some(name) = next.pop() {
            for target in self.arrows.get(&name).into_iter().flatten() {
                if seen.insert(target.clone()) {
                    next.push(target.clone());
                }
            }
        }
        seen
    }
}

fn metadata() -> Value {
    let rustc = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let rustc = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc has a host");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            host,
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn arrows_between_our_crates_are_the_drawn_ones() {
    let workspace = Workspace::load();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let members: BTreeSet<&str> = workspace.members.iter().map(String::as_str).collect();
    assert_eq!(
        members, drawn,
        "draw a new crate in docs/ARCHITECTURE.md and here"
    );
    let mut offences = Vec::new();
    for (from, allowed) in ARROWS {
        for target in workspace.arrows[from].intersection(&workspace.members) {
            if !allowed.contains(&target.as_str()) {
                offences.push(format!("{from} → {target}"));
            }
        }
    }
    assert_none("these arrows are forbidden", &offences);
}

#[test]
fn walls_hold() {
    let workspace = Workspace::load();
    let mut offences = Vec::new();
    for (from, forbidden) in WALLS {
        let reached = workspace.reaches(from);
        let through = forbidden.iter().filter(|name| reached.contains(**name));
        offences.extend(through.map(|name| format!("{from} must not know {name}")));
    }
    let product = workspace.reaches("tarn-engine");
    let banned = BANNED.iter().filter(|name| product.contains(**name));
    offences.extend(banned.map(|name| format!("the server must not carry {name}")));
    assert_none("see who pulls it with `cargo tree --invert`", &offences);
}

#[test]
fn licences_are_the_expected_ones() {
    let workspace = Workspace::load();
    let offences: Vec<String> = workspace
        .packages
        .iter()
        .filter(|(_, package)| !LICENCES.contains(&text(&package["license"])))
        .map(|(name, package)| format!("{name}: {}", text(&package["license"])))
        .collect();
    assert_none("read these licences before you list them", &offences);
}

#[test]
fn every_dependency_is_used() {
    let workspace = Workspace::load();
    let mut offences = Vec::new();
    for member in &workspace.members {
        let package = &workspace.packages[member];
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a manifest lies in a folder");
        let source: String = files(folder, "rs").iter().map(|path| read(path)).collect();
        for dependency in array(&package["dependencies"]) {
            let name = dependency["rename"]
                .as_str()
                .unwrap_or(text(&dependency["name"]));
            if !mentions(&source, &name.replace('-', "_")) {
                offences.push(format!("{member} does not use {name}"));
            }
        }
    }
    assert_none("take these out of Cargo.toml", &offences);
}

/// Whether a path starts with this crate somewhere.
fn mentions(source: &str, krate: &str) -> bool {
    source.match_indices(&format!("{krate}::")).any(|(at, _)| {
        !source[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

#[test]
fn versions_stand_in_the_workspace() {
    let mut offences = Vec::new();
    for manifest in files(&root(), "toml")
        .iter()
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        let mut in_dependencies = false;
        for line in read(manifest).lines() {
            if line.starts_with('[') {
                in_dependencies =
                    line.ends_with("dependencies]") && !line.starts_with("[workspace");
            } else if in_dependencies
                && line.contains('=')
                && !line.contains("workspace = true")
                && !line.contains(".workspace")
            {
                offences.push(format!("{}: {line}", relative(manifest)));
            }
        }
    }
    assert_none("write the version into [workspace.dependencies]", &offences);
    let manifests: String = files(&root(), "toml")
        .iter()
        .filter(|path| **path != root().join("Cargo.toml"))
        .map(|path| read(path))
        .collect();
    let shared = read(&root().join("Cargo.toml"));
    let names = shared
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap_or_default();
    let unused: Vec<String> = names
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| {
            line.split_once(" = ")
                .map(|(name, _)| name.trim().to_owned())
        })
        .filter(|name| !manifests.contains(name.as_str()))
        .collect();
    assert_none("nobody uses these of [workspace.dependencies]", &unused);
}

#[test]
fn a_mention_is_a_whole_name() {
    assert!(mentions("use serde::Serialize;", "serde"));
    assert!(!mentions("use my_serde::Serialize;", "serde"));
}
