//! What does a stranger see first?
//!
//! A server in a folder of its own, a real table, and the statements that load it, train on it, compare the
//! trials and predict: each shown as a person would type it, with its result.

mod table;
mod wine;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::config::Config;
use crate::error::PgError;
use crate::parser;
use crate::server::{self, Server};
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::session::{Peer, Session};

/// Where the tour keeps its data unless told otherwise.
const DATA_DIR: &str = "./tarn-quickstart";

/// The tour's steps: what is said, and what is typed.
const STEPS: [(&str, &str); 7] = [
    (
        "1,599 red wines, their chemistry and a quality from 3 to 8 that tasters gave. A CSV file becomes a table:",
        "CREATE TABLE IF NOT EXISTS wine AS\n  SELECT * FROM read_csv('wine.csv');",
    ),
    (
        "It is a Delta table, and SQL is PostgreSQL's:",
        "SELECT quality, count(*) AS wines, round(avg(alcohol)::numeric, 2) AS alcohol\n  FROM wine GROUP BY quality ORDER BY quality;",
    ),
    (
        "Which wines are good? One statement tries learners, keeps what does best and says how good it is on rows that it never saw:",
        "CREATE OR REPLACE MODEL good_wine TARGET good EXCLUDE (quality)\n  WITH (timeout = '15 s')\n  AS AUTOML SELECT *, quality >= 7 AS good FROM wine;",
    ),
    (
        "The leaderboard is a table:",
        "SELECT trial, algorithm, round(value::numeric, 4) AS log_loss, left(parameters, 72) AS parameters\n  FROM ml.trials WHERE model = 'good_wine' AND status = 'complete'\n   AND version = (SELECT max(version) FROM ml.versions WHERE model = 'good_wine')\n ORDER BY value LIMIT 5;",
    ),
    (
        "So is what the held-out rows say:",
        "SELECT metric, round(value::numeric, 4) AS value, rows FROM ml.metrics\n WHERE model = 'good_wine' AND split = 'report'\n   AND version = (SELECT max(version) FROM ml.versions WHERE model = 'good_wine');",
    ),
    (
        "Predictions are an expression; features are found by their names:",
        "SELECT alcohol, sulphates, volatile_acidity, quality,\n       predict('good_wine', w.*) AS good,\n       round(predict_proba('good_wine', w.*)::numeric, 3) AS probability\n  FROM wine w ORDER BY probability DESC LIMIT 5;",
    ),
    (
        "What if? One row by hand, changed:",
        "SELECT a AS alcohol, round(predict_proba('good_wine', w.*, alcohol => a)::numeric, 3) AS probability\n  FROM (SELECT * FROM wine ORDER BY quality DESC, alcohol DESC LIMIT 1) w,\n       (VALUES (9.0), (11.0), (13.0)) AS levels (a);",
    ),
];

/// `tarn quickstart [--exit] [options of serve]`
pub fn run(arguments: &[String]) -> Result<(), PgError> {
    let exits = arguments.iter().any(|argument| argument == "--exit");
    let rest: Vec<String> = arguments
        .iter()
        .filter(|argument| *argument != "--exit")
        .cloned()
        .collect();
    let folder = folder_of(&rest);
    let mut options = vec![
        format!("--data-dir={}", folder.join("data").display()),
        format!("--files-root={}", folder.display()),
        "--log=warn".to_string(),
    ];
    options.extend(
        rest.iter()
            .filter(|argument| !argument.starts_with("--data-dir"))
            .cloned(),
    );
    std::fs::create_dir_all(&folder)?;
    wine::write_csv(&folder.join("wine.csv"))?;
    let server = start(&options)?;
    server.block_on(tour(&server))?;
    say(&format!(
        "\nConnect and go on:\n\n    psql -h {} -p {} -U tarn tarn\n",
        server.postgres.ip(),
        server.postgres.port()
    ));
    if exits {
        server.stop();
        return Ok(());
    }
    say("The server runs until Ctrl-C.");
    server.wait()
}

fn folder_of(arguments: &[String]) -> PathBuf {
    arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--data-dir="))
        .map_or_else(|| PathBuf::from(DATA_DIR), PathBuf::from)
}

/// The usual ports, or free ones when somebody else has them.
fn start(options: &[String]) -> Result<Server, PgError> {
    match server::start(Config::read(options)?) {
        Err(error) if error.code == crate::sqlstate::OBJECT_IN_USE && !mentions_lock(&error) => {
            let mut free = options.to_vec();
            free.extend(["--listen=127.0.0.1:0".to_string(), "--http=off".to_string()]);
            server::start(Config::read(&free)?)
        }
        started => started,
    }
}

fn mentions_lock(error: &PgError) -> bool {
    error.message.contains("data directory")
}

async fn tour(server: &Server) -> Result<(), PgError> {
    let (sender, mut notices) = unbounded_channel();
    let here = server.postgres;
    let peer = Peer::Tcp(here, here);
    let user = crate::postgres::startup::USER.to_string();
    let mut session = Session::new(Arc::clone(&server.engine), user, peer, sender)?;
    session.apply_settings();
    for (remark, sql) in STEPS {
        say(&format!("\n-- {remark}\n"));
        say(&prompted(sql));
        step(&mut session, &mut notices, sql).await?;
    }
    Ok(())
}

/// The statement behind psql's prompts.
fn prompted(sql: &str) -> String {
    let mut lines = sql.lines();
    let first = lines.next().unwrap_or_default();
    let mut text = format!("tarn=> {first}");
    for line in lines {
        text.push_str(&format!("\ntarn-> {line}"));
    }
    text
}

async fn step(
    session: &mut Session,
    notices: &mut UnboundedReceiver<Notice>,
    sql: &str,
) -> Result<(), PgError> {
    let guard = session.begin_statement();
    for parsed in parser::parse(sql)? {
        let parameters = Parameters::default();
        let running = session.run(&parsed, &parameters);
        tokio::pin!(running);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(notice) = notices.recv() => say_notice(&notice),
                outcome = &mut running => break outcome?,
            }
        };
        while let Ok(notice) = notices.try_recv() {
            say_notice(&notice);
        }
        match outcome {
            Outcome::Command(tag) => say(&tag),
            Outcome::Rows(mut rows) => {
                let mut batches = Vec::new();
                while let Some(batch) = rows.batches.next().await {
                    batches.push(batch?);
                }
                say(&table::text(&rows.schema, &batches)?);
            }
            Outcome::CopyIn(_) | Outcome::CopyOut(_) => {}
        }
    }
    drop(guard);
    Ok(())
}

fn say_notice(notice: &Notice) {
    say(&format!("{}:  {}", notice.severity, notice.message));
}

fn say(text: &str) {
    // Nobody reads a closed pipe; the tour goes on for the server's sake.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes text to a file, replacing what was there.
fn write_file(path: &Path, text: &str) -> Result<(), PgError> {
    std::fs::write(path, text).map_err(PgError::from)
}
