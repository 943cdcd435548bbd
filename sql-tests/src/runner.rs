//! Does the server answer what a `.slt` file asks?
//!
//! Each file runs twice, once in each protocol, on a server of its own. With `TARN_SLT_COMPLETE=1` the
//! simple run writes the answers that it got into the file, to be read in review.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are told by the environment what to do"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::client::{Answer, Client, Reply};
use crate::repository::{read, relative};
use crate::script::{Action, Outcome, Record, Sort, load};
use crate::server::Server;

/// Which protocol carries the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One Query message each.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync each.
    Extended,
}

/// Runs one file, its path given from the repository's root.
///
/// # Panics
/// With every record that went wrong.
pub fn run(path: &str, protocol: Protocol) {
    let path = crate::repository::root().join(path);
    let complete = protocol == Protocol::Simple && std::env::var_os("TARN_SLT_COMPLETE").is_some();
    let mut run = Run {
        server: Some(Server::start()),
        clients: BTreeMap::new(),
        labels: BTreeMap::new(),
        protocol,
    };
    let mut failures = Vec::new();
    let mut rewrites = Vec::new();
    for record in load(&path) {
        if !run.applies(&record) {
            continue;
        }
        if record.action == Action::Halt {
            break;
        }
        let is_gap = record.gap.is_some() && !run.server().is_oracle();
        match run.record(&record) {
            Ok(()) if is_gap => failures.push(format!(
                "{}: the gap is closed; take its line out",
                place(&record)
            )),
            Err(_) if is_gap => {}
            Ok(()) => {}
            Err(Failure::Rows(rows))
                if complete && record.place.starts_with(&*path.to_string_lossy()) =>
            {
                rewrites.push((record.result_lines, rows));
            }
            Err(failure) => failures.push(format!("{}: {failure}", place(&record))),
        }
    }
    rewrite(&path, rewrites);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn place(record: &Record) -> String {
    relative(Path::new(&record.place))
}

fn rewrite(path: &Path, rewrites: Vec<(std::ops::Range<usize>, Vec<String>)>) {
    if rewrites.is_empty() {
        return;
    }
    let text = read(path);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (range, rows) in rewrites.into_iter().rev() {
        lines.splice(range, rows);
    }
    fs::write(path, lines.join("\n") + "\n").expect("the case can be rewritten");
}

struct Run {
    server: Option<Server>,
    clients: BTreeMap<String, Client>,
    labels: BTreeMap<String, Vec<String>>,
    protocol: Protocol,
}

enum Failure {
    /// The rows were these.
    Rows(Vec<String>),
    /// Something else went wrong.
    Other(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Rows(rows) => write!(out, "the rows are\n{}", rows.join("\n")),
            Failure::Other(reason) => out.write_str(reason),
        }
    }
}

impl Run {
    fn server(&self) -> &Server {
        self.server.as_ref().expect("a server runs")
    }

    fn applies(&self, record: &Record) -> bool {
        record.conditions.iter().all(|(wanted, word)| {
            let holds = match word.as_str() {
                "tarn" => !self.server().is_oracle(),
                "postgres" => self.server().is_oracle(),
                "simple" => self.protocol == Protocol::Simple,
                "extended" => self.protocol == Protocol::Extended,
                _ => panic!("{}: unknown condition {word:?}", record.place),
            };
            holds == *wanted
        })
    }

    fn send(&mut self, connection: &str, sql: &str) -> Reply {
        if !self.clients.contains_key(connection) {
            let client = self.server().connect();
            self.clients.insert(connection.to_owned(), client);
        }
        let client = self.clients.get_mut(connection).expect("it was just made");
        match self.protocol {
            Protocol::Simple => client.simple(sql),
            Protocol::Extended => client.extended(sql, &[]),
        }
    }

    fn record(&mut self, record: &Record) -> Result<(), Failure> {
        match &record.action {
            Action::Halt => Ok(()),
            Action::Restart => {
                self.clients.clear();
                let mut server = self.server.take().expect("a server runs");
                server.stop();
                self.server = Some(server.again());
                Ok(())
            }
            Action::Statement { sql, outcome } => {
                let reply = self.send(&record.connection, sql);
                check_outcome(&reply, outcome).map_err(Failure::Other)
            }
            Action::Query {
                sql,
                types,
                sort,
                label,
                rows,
            } => {
                let reply = self.send(&record.connection, sql);
                if let Some(error) = reply.error {
                    return Err(Failure::Other(error.to_string()));
                }
                let answer = reply.answers.last().cloned().unwrap_or_default();
                check_types(&answer, types).map_err(Failure::Other)?;
                let got = lines(&answer, *sort);
                if let Some(label) = label {
                    let first = self
                        .labels
                        .entry(label.clone())
                        .or_insert_with(|| got.clone());
                    if *first != got {
                        return Err(Failure::Other(format!("differs from the first {label:?}")));
                    }
                }
                let words = |row: &String| {
                    row.split_whitespace()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                };
                if got.iter().map(words).eq(rows.iter().map(words)) {
                    Ok(())
                } else {
                    Err(Failure::Rows(got))
                }
            }
        }
    }
}

fn check_outcome(reply: &Reply, outcome: &Outcome) -> Result<(), String> {
    if let Outcome::Error(code, message) = outcome {
        let error = reply.error.as_ref().ok_or("an error was expected")?;
        let known = error.code() == code && error.to_string().contains(message.as_str());
        return if known {
            Ok(())
        } else {
            Err(error.to_string())
        };
    }
    if let Some(error) = &reply.error {
        return Err(error.to_string());
    }
    let tag = reply
        .answers
        .last()
        .map_or("", |answer| answer.tag.as_str());
    match outcome {
        Outcome::Tag(wanted) => {
            let count = wanted.strip_prefix("* ");
            let same = count.map_or(tag == wanted, |count| tag.rsplit(' ').next() == Some(count));
            if same {
                Ok(())
            } else {
                Err(format!("the tag is {tag:?}"))
            }
        }
        Outcome::Notice(part) => {
            let found = reply
                .notices
                .iter()
                .any(|notice| notice.to_string().contains(part.as_str()));
            if found {
                Ok(())
            } else {
                Err(format!("the notices are {:?}", reply.notices))
            }
        }
        Outcome::Ok | Outcome::Error(..) => Ok(()),
    }
}

fn check_types(answer: &Answer, types: &str) -> Result<(), String> {
    let columns = answer.columns.as_deref().unwrap_or_default();
    let letters: String = columns
        .iter()
        .map(|column| type_letter(column.type_oid))
        .collect();
    if letters == types {
        Ok(())
    } else {
        let oids: Vec<u32> = columns.iter().map(|column| column.type_oid).collect();
        Err(format!("the column types are {letters} {oids:?}"))
    }
}

/// The letter of a type by PostgreSQL's OID.
fn type_letter(oid: u32) -> char {
    match oid {
        16 => 'B',
        20 | 21 | 23 | 26 => 'I',
        700 | 701 | 1700 => 'R',
        1082 | 1083 | 1114 | 1184 | 1186 | 1266 => 'D',
        _ => 'T',
    }
}

fn lines(answer: &Answer, sort: Sort) -> Vec<String> {
    let shown = |value: String| {
        if value.is_empty() {
            "(empty)".to_owned()
        } else {
            value.replace('\n', "\\n")
        }
    };
    let rows: Vec<Vec<String>> = answer
        .table()
        .into_iter()
        .map(|row| row.into_iter().map(shown).collect())
        .collect();
    match sort {
        Sort::No => rows.iter().map(|row| row.join(" ")).collect(),
        Sort::Rows => {
            let mut lines: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
            lines.sort();
            lines
        }
        Sort::Values => {
            let mut values: Vec<String> = rows.into_iter().flatten().collect();
            values.sort();
            values
        }
    }
}
