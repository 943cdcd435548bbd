//! Does the SQL do what the files under `sql-tests/cases` say, in both protocols?

use tarn_sql_tests::runner::{Protocol, run};

include!(concat!(env!("OUT_DIR"), "/cases.rs"));
