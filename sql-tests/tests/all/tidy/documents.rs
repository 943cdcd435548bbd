//! Do the documents point at things that exist?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use tarn_sql_tests::repository::{files, read, relative, root};
use tarn_sql_tests::server::{Folder, binary};

use super::assert_none;

#[test]
fn links_lead_somewhere() {
    let mut offences = Vec::new();
    for document in files(&root(), "md") {
        let text = read(&document);
        for target in links(&text) {
            if let Some(reason) = broken(&document, &target) {
                offences.push(format!("{}: {target}: {reason}", relative(&document)));
            }
        }
    }
    assert_none("mend these links", &offences);
}

/// The targets of `[text](target)`, without those that lead out of the repository.
fn links(text: &str) -> Vec<String> {
    let without_code: String = text.split("```").step_by(2).collect();
    without_code
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

fn broken(document: &Path, target: &str) -> Option<&'static str> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = document.parent().unwrap_or(Path::new("."));
    let file: PathBuf = if path.is_empty() {
        document.to_path_buf()
    } else {
        folder.join(path)
    };
    if !file.exists() {
        return Some("no such file");
    }
    if anchor.is_empty()
        || headings(&read(&file))
            .iter()
            .any(|heading| heading == anchor)
    {
        return None;
    }
    Some("no such heading")
}

/// The anchors of a document's headings, spelled as web views of Markdown spell them.
fn headings(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The map sends people to files, so every path in it must exist. A path is a code span with a
/// slash whose first part is one of our folders; `<name>` in it stands for any name.
#[test]
fn the_map_shows_rooms_that_exist() {
    let map = root().join("docs/ARCHITECTURE.md");
    let offences: Vec<String> = code_spans(&read(&map))
        .into_iter()
        .filter(|span| is_path(span) && !exists_with_placeholders(span))
        .collect();
    assert_none(
        "docs/ARCHITECTURE.md names paths that do not exist",
        &offences,
    );
}

fn code_spans(text: &str) -> Vec<String> {
    let without_blocks: String = text.split("```").step_by(2).collect();
    without_blocks
        .lines()
        .flat_map(|line| {
            line.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn is_path(span: &str) -> bool {
    let ours = [
        "engine/",
        "udfs/",
        "catalog/",
        "gpu/",
        "sql-tests/",
        "examples/",
        "docs/",
    ];
    ours.iter().any(|folder| span.starts_with(folder)) && !span.contains(' ')
}

fn exists_with_placeholders(span: &str) -> bool {
    let known = span
        .split("/")
        .take_while(|part| !part.contains('<') && !part.contains('*'));
    root().join(known.collect::<Vec<_>>().join("/")).exists()
}

/// The pages under `docs/sql` are written by the server from what stands beside each function and
/// statement.
#[test]
fn the_sql_reference_is_fresh() {
    let folder = Folder::new();
    let output = Command::new(binary())
        .args(["docs", "--out"])
        .arg(folder.path())
        .output();
    let output = output.expect("the server's binary runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let pages = |folder: &Path| -> BTreeMap<String, String> {
        let name = |path: &PathBuf| {
            path.strip_prefix(folder)
                .unwrap_or(path)
                .display()
                .to_string()
        };
        files(folder, "md")
            .iter()
            .map(|path| (name(path), read(path)))
            .collect()
    };
    let (written, committed) = (pages(folder.path()), pages(&root().join("docs/sql")));
    let names: BTreeSet<&String> = written.keys().chain(committed.keys()).collect();
    let differs = |name: &&&String| written.get(**name) != committed.get(**name);
    let stale: Vec<String> = names
        .iter()
        .filter(differs)
        .map(|name| (*name).clone())
        .collect();
    assert_none(
        "run `cargo run -p tarn-engine -- docs --out docs/sql`",
        &stale,
    );
    assert!(!written.is_empty(), "the reference has no page");
}

#[test]
fn the_link_reader_reads() {
    assert_eq!(
        links("see [a](b.md#c) and [w](https://x.y)\n```\n[no](code)\n```\n"),
        ["b.md#c"]
    );
    assert_eq!(
        headings("# One, two\n## Where do I change …?\n"),
        ["one-two", "where-do-i-change-"]
    );
    assert_eq!(code_spans("a `x/y` b `z`"), ["x/y", "z"]);
}
