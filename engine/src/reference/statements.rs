//! How is each statement written, and what does it do?

use super::StatementPage;

const fn page(name: &'static str, syntax: &'static str, text: &'static str) -> StatementPage {
    StatementPage { name, syntax, text }
}

/// Every statement, in the order of the index.
pub const PAGES: &[StatementPage] = &[
    page(
        "SELECT",
        "SELECT … FROM … WHERE … GROUP BY … ORDER BY … LIMIT …\nTABLE t\nVALUES (…), (…)\nSELECT … FROM t VERSION AS OF 3\nSELECT … FROM t TIMESTAMP AS OF '2026-01-31 12:00:00'",
        "Queries in PostgreSQL's dialect: joins, subqueries, CTEs, window functions, set operations. `VERSION AS OF` and `TIMESTAMP AS OF` read an earlier state of a table.",
    ),
    page(
        "CREATE TABLE",
        "CREATE TABLE [IF NOT EXISTS] t (column type [NOT NULL] [DEFAULT …] [CHECK (…)] [PRIMARY KEY], …) [PARTITIONED BY (column, …)]\nCREATE TABLE [IF NOT EXISTS] t AS query\nCREATE TABLE [IF NOT EXISTS] t LOCATION 'path'",
        "Makes a Delta table; `AS` fills it in the same commit; `LOCATION` names one that exists. NOT NULL and CHECK are enforced. PRIMARY KEY, UNIQUE and FOREIGN KEY are informational. `serial`, `bigserial` and `GENERATED … AS IDENTITY` draw from a sequence.",
    ),
    page(
        "INSERT",
        "INSERT INTO t [(columns)] query\nINSERT INTO t [(columns)] VALUES (…), (…)\nINSERT INTO t DEFAULT VALUES",
        "Adds rows. All INSERTs of one transaction are one Delta commit per table.",
    ),
    page(
        "UPDATE",
        "UPDATE t [AS x] SET column = expression, … [WHERE condition]",
        "Changes rows by writing the files that hold them anew.",
    ),
    page(
        "DELETE",
        "DELETE FROM t [AS x] [WHERE condition]",
        "Removes rows by writing the files that hold them anew.",
    ),
    page("TRUNCATE", "TRUNCATE [TABLE] t [, …]", "Removes all rows."),
    page(
        "COPY",
        "COPY t [(columns)] FROM STDIN [WITH (FORMAT csv | text | binary, HEADER, DELIMITER ',', NULL '', …)]\nCOPY t FROM STDIN WITH (CREATE, FORMAT csv, HEADER)\nCOPY { t | (query) } TO STDOUT [WITH (…)]",
        "Moves rows between a client and a table, with psql's `\\copy` for files. `CREATE` makes the table and infers its types from the rows.",
    ),
    page(
        "CREATE VIEW",
        "CREATE [OR REPLACE] VIEW v [(columns)] AS query",
        "Stores a query. Unqualified names in it mean objects of the view's schema, then of `public`.",
    ),
    page(
        "CREATE SCHEMA",
        "CREATE SCHEMA [IF NOT EXISTS] s",
        "Makes a namespace of tables, views, sequences and models.",
    ),
    page(
        "CREATE SEQUENCE",
        "CREATE SEQUENCE [IF NOT EXISTS] s [INCREMENT BY n] [MINVALUE n] [MAXVALUE n] [START WITH n] [CACHE n] [CYCLE]",
        "Makes a source of numbers for `nextval`. Numbers are gone once taken, also after ROLLBACK.",
    ),
    page(
        "ALTER TABLE",
        "ALTER TABLE t RENAME TO u",
        "Renames a table.",
    ),
    page(
        "COMMENT",
        "COMMENT ON { TABLE | VIEW | SEQUENCE | SCHEMA | COLUMN } name IS 'text' | NULL",
        "Keeps a remark about an object.",
    ),
    page(
        "DROP",
        "DROP { TABLE | VIEW | SEQUENCE | SCHEMA } [IF EXISTS] name [, …] [CASCADE | RESTRICT]",
        "Removes objects. What others depend on stays unless CASCADE is said.",
    ),
    page(
        "DESCRIBE",
        "DESCRIBE t",
        "Shows the columns of a table or view.",
    ),
    page(
        "EXPLAIN",
        "EXPLAIN [ANALYZE] [VERBOSE] query",
        "Shows the plan of a query, a line per row; ANALYZE runs it.",
    ),
    page(
        "CREATE MODEL",
        "CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name\n    TARGET column\n    [PARTITION BY (column, …)]\n    [ORDER BY time_column]\n    [EXCLUDE (column, …)]\n    [WITH (option = value, …)]\nAS { AUTOML [(option = value, …)] | algorithm [(parameter = value, …)] }\n{ query | (query) | TABLE t }",
        "Trains a model on the rows of a query. AUTOML tries learners within `timeout` (default 60 s) or `max_trials`, judges them on rows that the search never sees and refits the best on all rows. `trees`, `linear`, `logistic` and `baseline` train one algorithm; `xgboost` and `lightgbm` are `trees` with their defaults. `PARTITION BY` trains one model per group, in one object; a group that cannot be trained never fails the statement. `ORDER BY` holds out the newest rows. With the same data, `max_trials` and `seed` the model has the same bytes; what a timeout made can be made again with the options that DESCRIBE MODEL shows as `replay`. [Options and parameters](../model-options.md).\n\nThe model is visible when the statement completes; OR REPLACE serves the old version until then. `ml.models`, `ml.versions`, `ml.trials`, `ml.groups`, `ml.metrics` and `ml.progress` tell about it.",
    ),
    page(
        "DROP MODEL",
        "DROP MODEL [IF EXISTS] name [, …] [CASCADE | RESTRICT]",
        "Removes models with all versions. Views that call a model keep it unless CASCADE is said.",
    ),
    page(
        "DESCRIBE MODEL",
        "DESCRIBE MODEL name",
        "Shows what a model predicts, from which columns, and how it was trained.",
    ),
    page(
        "SHOW MODELS",
        "SHOW MODELS [LIKE 'pattern']",
        "Lists the models.",
    ),
    page(
        "BEGIN",
        "BEGIN [ISOLATION LEVEL …] [READ ONLY | READ WRITE]",
        "Opens a transaction block. It reads one snapshot of each table and its own writes.",
    ),
    page(
        "COMMIT",
        "COMMIT [AND CHAIN]",
        "Publishes a transaction: one Delta commit per table, all or nothing. 40001 tells that another transaction changed the same rows first.",
    ),
    page(
        "ROLLBACK",
        "ROLLBACK [AND CHAIN]\nROLLBACK TO [SAVEPOINT] name",
        "Takes back a transaction, or what was done since a savepoint.",
    ),
    page(
        "SAVEPOINT",
        "SAVEPOINT name\nRELEASE [SAVEPOINT] name",
        "Marks a point to which a transaction can go back.",
    ),
    page(
        "PREPARE",
        "PREPARE name [(type, …)] AS statement",
        "Keeps a statement with parameters `$1`, `$2`, … under a name.",
    ),
    page(
        "EXECUTE",
        "EXECUTE name [(value, …)]",
        "Runs a prepared statement.",
    ),
    page(
        "DEALLOCATE",
        "DEALLOCATE { name | ALL }",
        "Forgets prepared statements.",
    ),
    page(
        "DECLARE",
        "DECLARE name CURSOR [WITH HOLD] FOR query",
        "Opens a cursor, which moves forward.",
    ),
    page(
        "FETCH",
        "FETCH [n | ALL | NEXT] [FROM] name\nMOVE [n | ALL] [FROM] name",
        "Reads, or skips, the next rows of a cursor.",
    ),
    page("CLOSE", "CLOSE { name | ALL }", "Ends cursors."),
    page(
        "SET",
        "SET [SESSION | LOCAL] name { = | TO } { value | DEFAULT }",
        "Changes a setting of this session, or of this transaction.",
    ),
    page("SHOW", "SHOW { name | ALL }", "Shows settings."),
    page("RESET", "RESET { name | ALL }", "Puts settings back."),
    page(
        "DISCARD",
        "DISCARD { ALL | PLANS | SEQUENCES | TEMP }",
        "Makes the session fresh.",
    ),
];
