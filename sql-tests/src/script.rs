//! What does a `.slt` file ask for?
//!
//! The format is sqllogictest's, with SQLSTATE for errors and command tags:
//!
//! ```text
//! statement ok
//! CREATE TABLE t (a int)
//!
//! statement tag INSERT 0 2
//! INSERT INTO t VALUES (1), (NULL)
//!
//! statement error 42703 column "b" does not exist
//! SELECT b FROM t
//!
//! statement notice will be created
//! CREATE TABLE u (id serial)
//!
//! query I rowsort
//! SELECT a FROM t
//! ----
//! 1
//! NULL
//! ```
//!
//! Column types are I (integers), R (other numbers), B (boolean), D (dates and times), T (all else).
//! Sort modes are `nosort`, `rowsort` and `valuesort`; a word after them is a label, and queries with
//! the same label must agree. A record may follow `onlyif WORD` or `skipif WORD` with the words
//! `tarn`, `postgres`, `simple`, `extended`. `connection NAME` sends the next record over another
//! connection, `gap WHY` says that the next record gives PostgreSQL's answer and that the server does not
//! give it yet: the record must go wrong, so that a gap that is closed is taken out of the file,
//! `include FILE` reads a file that starts with `_`, `restart` stops the server and starts
//! it again, `halt` leaves the rest of the file out.

use std::path::Path;

use crate::repository::read;

/// One thing to do, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `path:line`, for messages.
    pub place: String,
    /// The lines of the file that hold the expected result, counted from 0; empty outside `----`.
    pub result_lines: std::ops::Range<usize>,
    /// Which connection it uses; the first one is called "".
    pub connection: String,
    /// Why the server does not answer so yet.
    pub gap: Option<String>,
    /// Words that must hold (true) or must not (false).
    pub conditions: Vec<(bool, String)>,
    /// What to do.
    pub action: Action,
}

/// What a record asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run this and look at how it ends.
    Statement {
        /// The SQL.
        sql: String,
        /// How it must end.
        outcome: Outcome,
    },
    /// Run this and compare its rows.
    Query {
        /// The SQL.
        sql: String,
        /// A letter per column.
        types: String,
        /// How to sort the rows first.
        sort: Sort,
        /// Queries with the same label must have the same result.
        label: Option<String>,
        /// One line per row.
        rows: Vec<String>,
    },
    /// Stop the server and start it again.
    Restart,
    /// Leave the rest of the file out.
    Halt,
}

/// How a statement must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Without an error.
    Ok,
    /// With this command tag.
    Tag(String),
    /// With a notice that contains this text.
    Notice(String),
    /// With an error: its SQLSTATE and a part of its message.
    Error(String, String),
}

/// What happens to rows before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// They must come in this order.
    No,
    /// Rows are sorted.
    Rows,
    /// All values are sorted, one per line.
    Values,
}

/// Reads a file with what it includes.
///
/// # Panics
/// When the file is not written as the module describes; the message names the line.
pub fn load(path: &Path) -> Vec<Record> {
    let text = read(path);
    let lines: Vec<&str> = text.lines().collect();
    let mut records = Vec::new();
    let mut connection = String::new();
    let mut conditions = Vec::new();
    let mut gap = None;
    let mut next = 0;
    while next < lines.len() {
        let place = format!("{}:{}", path.display(), next + 1);
        let line = lines[next].trim();
        next += 1;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let action = match word {
            "" => continue,
            _ if line.starts_with('#') => continue,
            "onlyif" | "skipif" => {
                conditions.push((word == "onlyif", rest.to_owned()));
                continue;
            }
            "gap" => {
                assert!(!rest.is_empty(), "{place}: a gap needs a reason");
                gap = Some(rest.to_owned());
                continue;
            }
            "connection" => {
                rest.clone_into(&mut connection);
                continue;
            }
            "include" => {
                let folder = path.parent().expect("a file lies in a folder");
                records.extend(load(&folder.join(rest)));
                continue;
            }
            "restart" => Action::Restart,
            "halt" => Action::Halt,
            "statement" => {
                let sql = take_until(&lines, &mut next, |line| line.trim().is_empty());
                Action::Statement {
                    sql,
                    outcome: outcome(rest, &place),
                }
            }
            "query" => query(rest, &lines, &mut next, &place),
            _ => panic!("{place}: unknown record {word:?}"),
        };
        let result_lines = match &action {
            Action::Query { rows, .. } => next - rows.len()..next,
            _ => next..next,
        };
        records.push(Record {
            place,
            result_lines,
            gap: gap.take(),
            connection: std::mem::take(&mut connection),
            conditions: std::mem::take(&mut conditions),
            action,
        });
    }
    records
}

fn outcome(words: &str, place: &str) -> Outcome {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    match kind {
        "ok" => Outcome::Ok,
        "tag" => Outcome::Tag(rest.to_owned()),
        "count" => Outcome::Tag(format!("* {rest}")),
        "notice" => Outcome::Notice(rest.to_owned()),
        "error" => {
            let (code, message) = rest.split_once(' ').unwrap_or((rest, ""));
            assert!(
                code.len() == 5,
                "{place}: write `statement error SQLSTATE [part of the message]`"
            );
            Outcome::Error(code.to_owned(), message.to_owned())
        }
        _ => panic!("{place}: unknown statement {kind:?}"),
    }
}

fn query(words: &str, lines: &[&str], next: &mut usize, place: &str) -> Action {
    let mut words = words.split(' ');
    let types = words.next().unwrap_or_default().to_owned();
    let mut sort = Sort::No;
    let mut label = None;
    for word in words {
        match word {
            "nosort" => sort = Sort::No,
            "rowsort" => sort = Sort::Rows,
            "valuesort" => sort = Sort::Values,
            _ => label = Some(word.to_owned()),
        }
    }
    let sql = take_until(lines, next, |line| line == "----");
    assert!(
        lines.get(*next - 1) == Some(&"----"),
        "{place}: a query needs a line of ---- after it"
    );
    let end = lines[*next..].iter().position(|line| line.is_empty());
    let end = end.map_or(lines.len(), |length| *next + length);
    let rows = lines[*next..end]
        .iter()
        .map(|line| (*line).to_owned())
        .collect();
    *next = end;
    Action::Query {
        sql,
        types,
        sort,
        label,
        rows,
    }
}

/// The lines up to one that `ends`, which is passed over.
fn take_until(lines: &[&str], next: &mut usize, ends: impl Fn(&str) -> bool) -> String {
    let start = *next;
    let length = lines[start..].iter().position(|line| ends(line));
    let end = length.map_or(lines.len(), |length| start + length);
    *next = (end + 1).min(lines.len().max(1));
    lines[start..end].join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Action, Outcome, Sort, load};
    use crate::server::Folder;

    #[test]
    fn reads_each_kind_of_record() {
        let folder = Folder::new();
        let path = folder.path().join("a.slt");
        let text = "# why\nstatement error 42703 no column\nSELECT a\nFROM b\n\nonlyif tarn\n\
                    query IT rowsort same\nSELECT 1, 'x'\n----\n1 x\n2 (empty)\n\nrestart\n";
        std::fs::write(&path, text).unwrap();
        let records = load(&path);
        assert_eq!(records.len(), 3);
        assert_eq!(
            records[0].action,
            Action::Statement {
                sql: "SELECT a\nFROM b".to_owned(),
                outcome: Outcome::Error("42703".to_owned(), "no column".to_owned()),
            }
        );
        assert_eq!(
            records[1].action,
            Action::Query {
                sql: "SELECT 1, 'x'".to_owned(),
                types: "IT".to_owned(),
                sort: Sort::Rows,
                label: Some("same".to_owned()),
                rows: vec!["1 x".to_owned(), "2 (empty)".to_owned()],
            }
        );
        assert_eq!(records[1].conditions, [(true, "tarn".to_owned())]);
        assert_eq!(records[1].result_lines, 9..11);
        assert_eq!(records[2].action, Action::Restart);
    }
}
