//! Parser cases: text in, statement or error out.

use super::{CopyDirection, OptionValue, Statement, parse};

fn one(sql: &str) -> Statement {
    let mut parsed = parse(sql).unwrap();
    assert_eq!(parsed.len(), 1, "{sql}");
    parsed.remove(0).statement
}

fn error_of(sql: &str) -> crate::error::PgError {
    parse(sql).unwrap_err()
}

#[test]
fn a_model_has_all_its_clauses() {
    let sql = "CREATE OR REPLACE MODEL sales.Price TARGET price PARTITION BY (zipcode, \"Kind\")
        ORDER BY day EXCLUDE (id) WITH (timeout = '30 s', seed = 7, metric = rmse, explain = true)
        AS AUTOML (max_trials = 3) (SELECT * FROM t)";
    let Statement::CreateModel(model) = one(sql) else {
        panic!("not a model")
    };
    assert!(model.or_replace);
    assert_eq!(model.target, "price");
    assert_eq!(model.partition_by, ["zipcode", "Kind"]);
    assert_eq!(model.order_by.as_deref(), Some("day"));
    assert_eq!(model.exclude, ["id"]);
    assert_eq!(
        model.options[0],
        ("timeout".into(), OptionValue::Text("30 s".into()))
    );
    assert_eq!(
        model.options[1],
        ("seed".into(), OptionValue::Number("7".into()))
    );
    assert_eq!(
        model.options[2],
        ("metric".into(), OptionValue::Word("rmse".into()))
    );
    assert_eq!(
        model.options[3],
        ("explain".into(), OptionValue::Boolean(true))
    );
    assert_eq!(model.learner.name, "automl");
    assert_eq!(model.learner.parameters.len(), 1);
}

#[test]
fn every_form_of_the_query_is_read() {
    for query in [
        "SELECT * FROM t",
        "(SELECT * FROM t)",
        "TABLE t",
        "WITH c AS (SELECT 1) SELECT * FROM c",
    ] {
        let sql = format!("create model m target y as trees (rounds = 5) {query}");
        assert!(matches!(one(&sql), Statement::CreateModel(_)), "{sql}");
        let sql = format!("create model m target y as automl {query}");
        assert!(matches!(one(&sql), Statement::CreateModel(_)), "{sql}");
    }
}

#[test]
fn a_clause_is_given_once_and_later_clauses_are_refused_with_a_hint() {
    assert_eq!(
        error_of("CREATE MODEL m TARGET y TARGET z AS AUTOML TABLE t")
            .code
            .0,
        "42601"
    );
    let later = error_of("CREATE MODEL m TARGET y TRANSFORM (a) AS AUTOML TABLE t");
    assert_eq!(later.code.0, "0A000");
    assert!(later.hint.is_some());
    assert_eq!(error_of("CREATE MODEL m AS AUTOML TABLE t").code.0, "42601");
    assert_eq!(
        error_of("CREATE MODEL m TARGET y AS SELECT 1").code.0,
        "42601"
    );
}

#[test]
fn strings_are_split_on_semicolons_outside_quotes() {
    let parsed = parse("SELECT ';'; ; SELECT $$a;b$$; -- end").unwrap();
    assert_eq!(parsed.len(), 2);
    assert_eq!(parsed[0].text, "SELECT ';'");
    assert_eq!(parsed[1].text, "SELECT $$a;b$$");
}

#[test]
fn a_syntax_error_points_at_the_token() {
    let error = error_of("SELECT 1; SELEC 2");
    assert_eq!(error.code.0, "42601");
    assert_eq!(error.position, Some(11));
    let end = error_of("SELECT * FROM");
    assert_eq!(end.message, "syntax error at end of input");
}

#[test]
fn copy_is_read_in_both_styles() {
    let Statement::Copy(copy) = one("COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, NULL 'x')")
    else {
        panic!("not a copy")
    };
    assert_eq!(copy.direction, CopyDirection::FromClient);
    assert!(copy.options.header);
    assert_eq!(copy.options.null.as_deref(), Some("x"));
    let Statement::Copy(copy) = one("copy (select 1) to stdout csv header") else {
        panic!("not a copy")
    };
    assert_eq!(copy.direction, CopyDirection::ToClient);
    assert!(
        matches!(one("COPY t FROM STDIN WITH (CREATE, FORMAT csv, HEADER)"),
        Statement::Copy(copy) if copy.options.create)
    );
    assert_eq!(
        error_of("COPY t FROM STDIN WITH (colour red)").code.0,
        "42601"
    );
}

#[test]
fn settings_keep_their_values_as_text() {
    let Statement::Set(set) = one("SET search_path TO \"$user\", public") else {
        panic!("not a set")
    };
    assert_eq!(set.value.as_deref(), Some("$user, public"));
    let Statement::Set(set) = one("set time zone 'Europe/Berlin'") else {
        panic!("not a set")
    };
    assert_eq!(set.name, "timezone");
    assert!(
        matches!(one("SHOW transaction isolation level"), Statement::Show(Some(name)) if name == "transaction_isolation")
    );
}

#[test]
fn time_travel_is_read() {
    assert!(matches!(
        one("SELECT * FROM t VERSION AS OF 3"),
        Statement::Sql(_)
    ));
    assert!(matches!(
        one("SELECT * FROM t TIMESTAMP AS OF '2024-01-01'"),
        Statement::Sql(_)
    ));
}

#[test]
fn a_table_at_a_location_is_ours_and_other_tables_are_not() {
    assert!(matches!(
        one("CREATE TABLE t LOCATION '/x'"),
        Statement::CreateTableAt(_)
    ));
    assert!(matches!(one("CREATE TABLE t (a int)"), Statement::Sql(_)));
    assert!(matches!(
        one("CREATE TABLE t AS SELECT 1 AS a"),
        Statement::Sql(_)
    ));
}
