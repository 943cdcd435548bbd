//! psql: its backslash commands, its scripts, `\copy`, Ctrl-C and the socket.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tarn_sql_tests::server::{Folder, Server};

fn command(server: &Server) -> Command {
    let mut command = Command::new("psql");
    command
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-P",
            "footer=off",
            "-U",
            "tarn",
        ])
        .args([
            "-h",
            &server.postgres.ip().to_string(),
            "-p",
            &server.postgres.port().to_string(),
        ])
        .args(["-d", server.database()])
        .env_remove("PGOPTIONS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn feed(mut command: Command, script: &str) -> Output {
    let mut child = command.spawn().expect("psql runs: ./test installs it");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// What psql prints for a script, unaligned; any error fails the test.
fn psql(server: &Server, script: &str) -> String {
    let mut command = command(server);
    command.arg("-A");
    let output = feed(command, script);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && !errors.contains("ERROR"),
        "{script}\n{text}{errors}"
    );
    text
}

const TABLES: &str = "
    CREATE TABLE t (a int NOT NULL, b varchar(20), c numeric(10,2) DEFAULT 1.5, d timestamptz);
    CREATE SCHEMA s; CREATE TABLE s.u (x int);
    CREATE VIEW v AS SELECT a, b FROM t;
    COMMENT ON TABLE t IS 'rows';
";

#[test]
fn relations_are_listed() {
    let server = Server::start();
    psql(&server, TABLES);
    let listed = |command: &str| {
        let text = psql(&server, command);
        text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed("\\d"), ["public|t|table|tarn", "public|v|view|tarn"]);
    assert_eq!(listed("\\dt"), ["public|t|table|tarn"]);
    assert_eq!(listed("\\dv"), ["public|v|view|tarn"]);
    assert_eq!(listed("\\dt s.*"), ["s|u|table|tarn"]);
    assert_eq!(listed("\\dt *.u"), ["s|u|table|tarn"]);
    let more = listed("\\dt+");
    assert!(more.len() == 1 && more[0].ends_with("|rows"), "{more:?}");
    assert!(listed("\\dn").contains(&"s|tarn".to_owned()));
    let roles = listed("\\du").join("\n");
    assert!(roles.contains("tarn|Superuser"), "{roles}");
    let databases = listed("\\l").join("\n");
    assert!(
        databases.contains(&format!("{}|tarn|UTF8", server.database())),
        "{databases}"
    );
    assert!(listed("\\dT numeric").join("\n").contains("numeric"));
}

#[test]
fn functions_are_listed_with_their_types() {
    let server = Server::start();
    let listed = |command: &str| {
        let text = psql(&server, &format!("\\t\n{command}"));
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let abs = listed("\\df abs");
    assert_eq!(abs.len(), 6, "{abs:?}");
    for row in [
        "pg_catalog|abs|integer|integer|func",
        "pg_catalog|abs|numeric|numeric|func",
    ] {
        assert!(abs.contains(&row.to_owned()), "{abs:?}");
    }
    let round = listed("\\df round");
    let expected = "pg_catalog|round|numeric|numeric, integer|func".to_owned();
    assert!(round.contains(&expected), "{round:?}");
    let sum = listed("\\df sum");
    assert!(
        sum.contains(&"pg_catalog|sum|bigint|integer|agg".to_owned()),
        "{sum:?}"
    );
    let window = listed("\\df row_number");
    assert_eq!(window, ["pg_catalog|row_number|bigint||window"]);
    let series = listed("\\df generate_series");
    let expected = "pg_catalog|generate_series|SETOF integer|integer, integer|func".to_owned();
    assert!(series.contains(&expected), "{series:?}");
    assert!(listed("\\df *.*").len() > 1000);
    if server.is_oracle() {
        return;
    }
    let predict = listed("\\df predict*");
    let expected =
        "pg_catalog|predict_proba|double precision|text, VARIADIC \"any\"|func".to_owned();
    assert!(predict.contains(&expected), "{predict:?}");
    assert_eq!(predict.len(), 3, "{predict:?}");
    let readers = listed("\\df read_*");
    assert_eq!(readers.len(), 4, "{readers:?}");
}

#[test]
fn models_are_seen_through_views() {
    let server = Server::start();
    if server.is_oracle() {
        return;
    }
    let views = psql(&server, "\\t\n\\dv ml.*");
    for name in ["aliases", "models", "progress", "versions"] {
        assert!(views.contains(&format!("ml|{name}|view|tarn")), "{views}");
    }
    let described = psql(&server, "\\d ml.models");
    assert!(
        described.contains("default_version|integer|||\n"),
        "{described}"
    );
    let columns = "SELECT column_name, data_type FROM information_schema.columns \
                   WHERE table_schema = 'ml' AND table_name = 'aliases' ORDER BY ordinal_position;";
    let columns = psql(&server, &format!("\\t\n{columns}"));
    assert_eq!(
        columns,
        "schema|text\nmodel|text\nalias|text\nversion|integer\n"
    );
    let types = "SELECT table_type FROM information_schema.tables WHERE table_name = 'versions';";
    assert_eq!(psql(&server, &format!("\\t\n{types}")), "VIEW\n");
}

#[test]
fn extended_statistics_are_listed() {
    let server = Server::start();
    let listed = psql(&server, "\\dX");
    assert!(
        listed.starts_with("List of extended statistics"),
        "{listed}"
    );
}

#[test]
fn a_table_and_a_view_are_described() {
    let server = Server::start();
    psql(&server, TABLES);
    let table = psql(&server, "\\d t");
    let expected = "Table \"public.t\"\nColumn|Type|Collation|Nullable|Default\n\
                    a|integer||not null|\nb|character varying(20)|||\nc|numeric(10,2)|||1.5\n\
                    d|timestamp with time zone|||\n";
    assert_eq!(table, expected);
    let view = psql(&server, "\\d+ v");
    let expected = "View \"public.v\"\nColumn|Type|Collation|Nullable|Default|Storage|Description\n\
                    a|integer||||plain|\nb|character varying(20)||||extended|\nView definition:\n";
    assert!(view.starts_with(expected), "{view}");
    assert!(view.contains("FROM t"), "{view}");
    let source = psql(&server, "\\sv v");
    assert!(
        source.starts_with("CREATE OR REPLACE VIEW public.v AS"),
        "{source}"
    );
}

#[test]
fn keys_and_checks_are_described() {
    let server = Server::start();
    psql(
        &server,
        "CREATE TABLE k (a int PRIMARY KEY, b text UNIQUE, CHECK (a > 0));",
    );
    let table = psql(&server, "\\d k");
    assert!(table.contains("\"k_pkey\" PRIMARY KEY"), "{table}");
    assert!(table.contains("\"k_a_check\" CHECK (a > 0)"), "{table}");
}

/// The commands of psql's help page that look into the catalog.
const LISTINGS: [&str; 48] = [
    "d", "dA", "da", "db", "dC", "dc", "dconfig", "dD", "dd", "ddp", "dE", "des", "det", "deu",
    "dew", "dF", "dFd", "dFp", "dFt", "df", "dfanptw", "dg", "di", "dL", "dl", "dm", "dn", "dO",
    "do", "dP", "dp", "drds", "dRp", "dRs", "ds", "dt", "dT", "du", "dv", "dx", "dy", "l", "z",
    "dX", "dAc", "dAf", "dAo", "dAp",
];

#[test]
fn no_backslash_command_fails() {
    let server = Server::start();
    psql(&server, TABLES);
    let mut script = String::new();
    for listing in LISTINGS {
        // Patterns that match nothing, something, and with a schema.
        for tail in ["", " nosuch", " t*", " public.t"] {
            script.push_str(&format!("\\{listing}{tail}\n"));
        }
        if !["ddp", "drds", "l", "z", "dp"].contains(&listing) {
            script.push_str(&format!("\\{listing}+\n\\{listing}+ a*\n"));
        }
    }
    for command in [
        "\\dS",
        "\\dS+ pg_cl*",
        "\\dtS",
        "\\dvS+",
        "\\diS",
        "\\dfS",
        "\\daS",
        "\\doS",
        "\\dTS+",
        "\\dnS+",
        "\\duS+",
        "\\dgS",
        "\\dcS",
        "\\dCS",
        "\\dOS",
        "\\l+",
        "\\d+ t",
        "\\d s.u",
        "\\d pg_class",
        "\\d+ pg_catalog.pg_tables",
        "\\d information_schema.columns",
        "\\d *.*",
        "\\dt+ *.*",
        "\\df *.*",
        "\\df+ abs",
        "\\df abs integer",
        "\\do + integer integer",
        "\\sv v",
        "\\sv+ v",
        "\\sf abs(integer)",
        "\\conninfo",
        "\\encoding",
        "\\timing",
        "\\timing",
        "\\errverbose",
        "\\copyright",
        "\\h SELECT",
        "\\?",
        "\\set",
    ] {
        script.push_str(command);
        script.push('\n');
    }
    let mut command = command(&server);
    // psql counts a pattern without a match as an error.
    command.args(["-v", "ON_ERROR_STOP=0", "-a"]);
    let output = feed(command, &script);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !errors.contains("ERROR") && !errors.contains("invalid"),
        "{errors}"
    );
}

#[test]
fn scripts_run_as_psql_runs_them() {
    let server = Server::start();
    let text = psql(
        &server,
        "SELECT 1 AS a; SELECT 2 AS b\\; SELECT 3 AS c;\nSELECT 7 AS seven \\gset\nSELECT :seven + 1 AS eight;\n\
         SELECT 'SELECT ' || n AS q FROM generate_series(1, 2) AS g(n) \\gexec\nSELECT 1::numeric(5,2) AS n, now() AS t \\gdesc\n",
    );
    let expected = "a\n1\nb\n2\nc\n3\neight\n8\n?column?\n1\n?column?\n2\nColumn|Type\nn|numeric(5,2)\nt|timestamp with time zone\n";
    assert_eq!(text, expected);
}

#[test]
fn one_transaction_for_a_script() {
    let server = Server::start();
    let mut single = command(&server);
    single.arg("-1");
    let output = feed(
        single,
        "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nSELECT nope;\n",
    );
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        errors.contains(
            "ERROR:  column \"nope\" does not exist\nLINE 1: SELECT nope;\n               ^"
        ),
        "{errors}"
    );
    let output = feed(command(&server), "SELECT * FROM t;");
    assert!(String::from_utf8_lossy(&output.stderr).contains("relation \"t\" does not exist"));
}

#[test]
fn copy_reads_and_writes_files() {
    let server = Server::start();
    let folder = Folder::new();
    let (csv, out) = (folder.path().join("in.csv"), folder.path().join("out.csv"));
    std::fs::write(&csv, "a,b\n1,one\n2,\"two, three\"\n3,\n").unwrap();
    let (csv, out) = (csv.display(), out.display());
    psql(
        &server,
        &format!(
            "CREATE TABLE t (a int, b text);\n\\copy t from '{csv}' with (format csv, header)\n\
             \\copy (SELECT * FROM t ORDER BY a DESC) to '{out}' with (format csv, header)\n"
        ),
    );
    let written = std::fs::read_to_string(out.to_string()).unwrap();
    assert_eq!(written, "a,b\n3,\n2,\"two, three\"\n1,one\n");
}

#[test]
fn copy_makes_a_table_whose_types_it_infers() {
    let server = Server::start();
    if server.is_oracle() {
        return;
    }
    let folder = Folder::new();
    let csv = folder.path().join("in.csv");
    std::fs::write(
        &csv,
        "id,price,day,at,ok,name\n1,1.5,2024-01-01,2024-01-01 10:00:00,true,x\n2,,,,,\n",
    )
    .unwrap();
    let script = format!(
        "\\copy fresh from '{}' with (format csv, header, create)\n\\d fresh\n",
        csv.display()
    );
    let text = psql(&server, &script);
    let expected = "id|bigint|||\nprice|double precision|||\nday|date|||\n\
                    at|timestamp without time zone|||\nok|boolean|||\nname|text|||\n";
    assert!(text.ends_with(expected), "{text}");
    assert_eq!(
        psql(&server, "SELECT count(*) AS n, sum(price) AS s FROM fresh;"),
        "n|s\n2|1.5\n"
    );
}

#[test]
fn ctrl_c_cancels_within_a_second() {
    let server = Server::start();
    let mut command = command(&server);
    command
        .arg("-c")
        .arg("SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b");
    let child = command.spawn().expect("psql runs");
    std::thread::sleep(Duration::from_millis(700));
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        errors.contains("canceling statement due to user request"),
        "{errors}"
    );
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn the_socket_lets_its_owner_in() {
    let server = Server::start();
    if server.is_oracle() {
        return;
    }
    let output = Command::new("psql")
        .args([
            "-X",
            "-A",
            "-t",
            "-U",
            "tarn",
            "-d",
            "tarn",
            "-c",
            "SELECT current_user",
        ])
        .args(["-p", &server.postgres.port().to_string(), "-h"])
        .arg(server.folder())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        text,
        "tarn\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_model_is_trained_shown_and_used() {
    let server = Server::start();
    if server.is_oracle() {
        return;
    }
    psql(
        &server,
        "CREATE TABLE customers AS SELECT CAST(20 + g * 7 % 50 AS int) AS age, \
         CASE g % 3 WHEN 0 THEN 'free' ELSE 'pro' END AS plan, g % 3 = 0 AS churned \
         FROM generate_series(1, 400) AS s(g);",
    );
    let output = feed(
        command(&server),
        "CREATE MODEL churn TARGET churned WITH (max_trials = 2, timeout = '30 s') AS AUTOML TABLE customers;",
    );
    let notices = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && notices.contains("NOTICE:"),
        "{notices}"
    );
    assert!(psql(&server, "SHOW MODELS;").contains("churn"));
    assert!(psql(&server, "DESCRIBE MODEL churn;").contains("churned"));
    let right = "SELECT count(*) AS n FROM customers c WHERE predict('churn', c.*) = churned;";
    assert_eq!(psql(&server, right), "n\n400\n");
}
