//! Do the queries that clients send to the system catalog give PostgreSQL 15's rows?
//!
//! `clients/*.txt` holds what psql, SQLAlchemy, psycopg, asyncpg and pgjdbc sent to a real server and what it
//! answered (`scripts/record-client-queries` makes the files); here the same queries run over the same objects.

mod mirror;
mod rendered;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use mirror::Mirror;
use tarn_catalog::system::{self, SystemError, SystemSchema, SystemSession, query_rewrite};

/// A query that was recorded.
struct Recorded {
    title: String,
    sql: String,
    names: Vec<String>,
    rows: Vec<String>,
}

fn recorded(text: &str) -> Vec<Recorded> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let blocks = text.split("\n### ").map(|block| {
        let block = block.trim_start_matches("### ");
        let (title, rest) = block.split_once('\n').expect("a block has a title");
        let (sql, answer) = rest.split_once("\n----\t").expect("a query has an answer");
        let (names, rows) = answer.split_once('\n').expect("an answer has names");
        Recorded {
            title: title.to_string(),
            sql: sql.to_string(),
            names: names.split('\t').map(str::to_string).collect(),
            rows: rows.split_terminator('\n').map(str::to_string).collect(),
        }
    });
    blocks.collect()
}

fn context() -> SessionContext {
    context_of(Arc::new(Mirror::new()))
}

fn context_of(mirror: Arc<Mirror>) -> SessionContext {
    let session: Arc<dyn SystemSession> = mirror;
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema("tarn", "public")
        .with_create_default_catalog_and_schema(false)
        .with_target_partitions(4);
    config.options_mut().sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    // As the server does: the sides of a UNION may differ in what can be NULL.
    config
        .options_mut()
        .execution
        .skip_physical_aggregate_schema_check = true;
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_type_planner(Arc::new(query_rewrite::SystemTypes))
        .build();
    let context = SessionContext::new_with_state(state);
    let catalog = MemoryCatalogProvider::new();
    let schemas = [
        ("pg_catalog", SystemSchema::pg_catalog(session.clone())),
        (
            "information_schema",
            SystemSchema::information_schema(session.clone()),
        ),
    ];
    for (name, schema) in schemas {
        catalog
            .register_schema(name, Arc::new(schema))
            .expect("the catalog takes schemas");
    }
    catalog
        .register_schema("public", Arc::new(MemorySchemaProvider::new()))
        .expect("the catalog takes schemas");
    context.register_catalog("tarn", Arc::new(catalog));
    system::register(&context, &session);
    context
}

/// Column names and rows, in COPY's text format.
async fn run(context: &SessionContext, sql: &str) -> Result<(Vec<String>, Vec<String>)> {
    let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql)?.remove(0);
    assert!(
        query_rewrite::is_catalog_query(&statement),
        "no catalog query: {sql}"
    );
    let names = query_rewrite::rewrite_statement(&mut statement);
    let state = context.state();
    let plan = state
        .statement_to_plan(ParsedStatement::Statement(Box::new(statement)))
        .await?;
    let plan = query_rewrite::rewrite_plan(plan, &state)?;
    let physical = state.create_physical_plan(&plan).await?;
    let schema = physical.schema();
    let batches = datafusion::physical_plan::collect(physical, context.task_ctx()).await?;
    let rows = batches
        .iter()
        .flat_map(|batch| rendered::rows(batch, &schema))
        .collect();
    let own: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    Ok((if names.is_empty() { own } else { names }, rows))
}

/// `{pg_class shop.orders}` and the OID it stands for here.
async fn labels(context: &SessionContext) -> BTreeMap<String, String> {
    let queries = [
        "SELECT c.oid, 'pg_class ' || n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
        "SELECT oid, 'pg_namespace ' || nspname FROM pg_namespace",
        "SELECT t.oid, 'pg_type ' || n.nspname || '.' || t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace",
        "SELECT oid, 'pg_constraint ' || conname FROM pg_constraint",
        "SELECT oid, 'pg_database ' || datname FROM pg_database",
    ];
    let mut labels = BTreeMap::new();
    for query in queries {
        let (_, rows) = run(context, query).await.expect("labels are read");
        for row in rows {
            let (oid, label) = row.split_once('\t').expect("two columns");
            labels.insert(format!("{{{label}}}"), oid.to_string());
        }
    }
    labels
}

/// Queries whose answer differs for a reason: (start of the title, words of the query, the reason).
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "psql \\dT text",
        "pg_type",
        "built-in objects have no descriptions",
    ),
    ("psql \\dn+", "nspacl", "no privileges are kept yet"),
    (
        "psql \\l",
        "datacl",
        "there is one database, and its size is that of its tables",
    ),
    ("psql \\dx", "pg_extension", "there is no PL/pgSQL"),
    ("psql \\dL", "pg_language", "there is no PL/pgSQL"),
    (
        "psql \\d pg_am",
        "relhasindex",
        "system relations have no indexes",
    ),
    (
        "psql \\d pg_am",
        "indisprimary",
        "system relations have no indexes",
    ),
    (
        "sqlalchemy connect",
        "version()",
        "the banner names this server",
    ),
    (
        "sqlalchemy get_view_definition",
        "pg_get_viewdef",
        "a view keeps the text that defined it",
    ),
];

/// Clients whose ORDER BY leaves ties.
const TIES: &[&str] = &["asyncpg"];

/// Does the query say in which order its rows come?
fn is_ordered(sql: &str) -> bool {
    match Parser::parse_sql(&PostgreSqlDialect {}, sql).map(|mut parsed| parsed.remove(0)) {
        Ok(Statement::Query(query)) => query.order_by.is_some(),
        _ => false,
    }
}

#[derive(Default)]
struct Tally {
    failures: Vec<String>,
    equal: usize,
    long: usize,
}

async fn check(file: &str) {
    let context = context();
    let labels = labels(&context).await;
    let mut tally = Tally::default();
    let only = option_env!("ONLY");
    for query in recorded(file) {
        if only.is_some_and(|only| !query.title.contains(only)) {
            continue;
        }
        let fill = |text: &str| {
            labels.iter().fold(text.to_string(), |text, (label, oid)| {
                text.replace(label.as_str(), oid)
            })
        };
        let sql = fill(&query.sql);
        let started = std::time::Instant::now();
        let answer = run(&context, &sql).await;
        let elapsed = started.elapsed();
        if elapsed.as_millis() > 1500 {
            println!("{} took {elapsed:?}", query.title);
        }
        if DIFFERENCES
            .iter()
            .any(|(title, words, _)| query.title.starts_with(title) && query.sql.contains(words))
        {
            continue;
        }
        match answer {
            Err(error) => tally
                .failures
                .push(format!("### {}\n{sql}\n{error}\n", query.title)),
            Ok((names, rows)) => tally.compare(&query, names, rows, fill),
        }
    }
    println!("{} equal, {} long ones ran", tally.equal, tally.long);
    assert!(
        tally.failures.is_empty(),
        "{} differ:\n{}",
        tally.failures.len(),
        tally.failures.join("\n")
    );
}

impl Tally {
    fn compare(
        &mut self,
        query: &Recorded,
        names: Vec<String>,
        rows: Vec<String>,
        fill: impl Fn(&str) -> String,
    ) {
        if query.rows.len() == 1 && query.rows[0].ends_with(" rows)") {
            self.long += 1;
            return;
        }
        let mut expected: Vec<String> = query.rows.iter().map(|row| fill(row)).collect();
        let mut found = rows;
        if !is_ordered(&query.sql) || TIES.iter().any(|client| query.title.starts_with(client)) {
            expected.sort();
            found.sort();
        }
        if names == query.names && found == expected {
            self.equal += 1;
        } else {
            self.failures.push(format!(
                "### {}\n{}\nexpected {:?}\n  {}\nfound    {names:?}\n  {}\n",
                query.title,
                query.sql,
                query.names,
                expected.join("\n  "),
                found.join("\n  ")
            ));
        }
    }
}

#[tokio::test]
async fn psql() {
    check(include_str!("clients/psql.txt")).await;
}

#[tokio::test]
async fn sqlalchemy() {
    check(include_str!("clients/sqlalchemy.txt")).await;
}

#[tokio::test]
async fn psycopg() {
    check(include_str!("clients/psycopg.txt")).await;
}

#[tokio::test]
async fn asyncpg() {
    check(include_str!("clients/asyncpg.txt")).await;
}

#[tokio::test]
async fn pgjdbc() {
    check(include_str!("clients/pgjdbc.txt")).await;
}

#[tokio::test]
async fn rules() {
    check(include_str!("clients/rules.txt")).await;
}

fn parsed(sql: &str) -> Statement {
    Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .expect("SQL")
        .remove(0)
}

#[test]
fn only_queries_over_the_catalog_alone_are_rewritten() {
    for sql in [
        "SELECT * FROM pg_class",
        "SELECT 1 FROM pg_catalog.pg_class c, information_schema.tables t",
        "WITH own AS (SELECT oid FROM pg_class) SELECT * FROM own",
        "SELECT pg_catalog.version()",
        "SELECT 'a'::regclass",
        "SELECT (SELECT count(*) FROM pg_index)",
    ] {
        assert!(query_rewrite::is_catalog_query(&parsed(sql)), "{sql}");
    }
    for sql in [
        "SELECT 1",
        "SELECT * FROM orders",
        "SELECT * FROM shop.pg_class",
        "SELECT relname, (SELECT count(*) FROM orders) FROM pg_class",
        "SELECT * FROM orders WHERE id IN (SELECT oid::int8 FROM pg_class)",
        "SELECT * FROM read_csv('a.csv')",
        "INSERT INTO t SELECT oid FROM pg_class",
        "DELETE FROM pg_class",
    ] {
        assert!(!query_rewrite::is_catalog_query(&parsed(sql)), "{sql}");
    }
}

#[tokio::test]
async fn errors_are_those_of_postgresql() {
    let context = context();
    for (sql, expected) in [
        (
            "SELECT 'nothing'::regclass",
            SystemError::UndefinedRelation("nothing".to_string()),
        ),
        (
            "SELECT 'no.thing'::regtype",
            SystemError::UndefinedType("no.thing".to_string()),
        ),
        (
            "SELECT 'nobody'::regrole",
            SystemError::UndefinedObject("role", "nobody".to_string()),
        ),
        (
            "SELECT current_setting('nothing')",
            SystemError::UndefinedSetting("nothing".to_string()),
        ),
        (
            "SELECT has_table_privilege('wine', 'EAT')",
            SystemError::UnknownPrivilege("EAT".to_string()),
        ),
        (
            "SELECT (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) FROM pg_class c",
            SystemError::SeveralRows,
        ),
    ] {
        let error = run(&context, sql).await.expect_err(sql);
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        let found = std::iter::from_fn(|| {
            let current = source?;
            source = current.source();
            Some(current)
        })
        .find_map(|error| error.downcast_ref::<SystemError>());
        assert_eq!(found, Some(&expected), "{sql}: {error}");
    }
}

#[tokio::test]
async fn parameters_reach_subqueries_that_run_row_by_row() {
    let context = context();
    let state = context.state();
    let mut statement = parsed(
        "SELECT c.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = $1) \
         FROM pg_class c WHERE c.relname = $2 ORDER BY 1",
    );
    query_rewrite::rewrite_statement(&mut statement);
    let plan = state
        .statement_to_plan(ParsedStatement::Statement(Box::new(statement)))
        .await
        .unwrap();
    let plan = query_rewrite::rewrite_plan(plan, &state).unwrap();
    for (attnum, expected) in [
        (2i16, "wine\tcolor"),
        (3, "wine\tquality"),
        (4, "wine\t\\N"),
    ] {
        let values = vec![ScalarValue::from(attnum), ScalarValue::from("wine")];
        let bound = plan.clone().with_param_values(values).unwrap();
        let physical = state.create_physical_plan(&bound).await.unwrap();
        let schema = physical.schema();
        let batches = datafusion::physical_plan::collect(physical, context.task_ctx())
            .await
            .unwrap();
        let rows: Vec<String> = batches
            .iter()
            .flat_map(|batch| rendered::rows(batch, &schema))
            .collect();
        assert_eq!(rows, [expected]);
    }
}

#[tokio::test]
async fn only_the_tables_that_a_query_describes_are_opened() {
    let mirror = Arc::new(Mirror::new());
    let context = context_of(mirror.clone());
    for (sql, opened) in [
        ("SELECT relname, relkind FROM pg_class", vec![]),
        (
            "SELECT attname FROM pg_attribute WHERE attrelid = '16401' AND attnum > 0",
            vec![16401],
        ),
        (
            "SELECT conname FROM pg_constraint WHERE conrelid = '16402'",
            vec![],
        ),
        (
            "SELECT conname, conkey FROM pg_constraint WHERE conrelid = '16402'",
            vec![16402],
        ),
        (
            "SELECT a.attname, (SELECT d.adbin FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) \
             FROM pg_attribute a WHERE a.attrelid = 'shop.orders'::regclass",
            vec![16401, 16401],
        ),
    ] {
        run(&context, sql).await.unwrap();
        assert_eq!(mirror.take_opened(), opened, "{sql}");
    }
}

#[tokio::test]
async fn every_system_relation_can_be_read() {
    let context = context();
    let (_, names) = run(
        &context,
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname IN ('pg_catalog', 'information_schema')",
    )
    .await
    .unwrap();
    assert_eq!(names.len(), 208);
    for name in names {
        let (_, count) = run(&context, &format!("SELECT count(*) FROM {name}"))
            .await
            .unwrap();
        let (_, rows) = run(&context, &format!("SELECT * FROM {name}"))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(count, [rows.len().to_string()], "{name}");
    }
}
