//! `pg_database`: which databases are there? One.

use super::{Contents, Filler};
use crate::system::oids;
use crate::system::rows::Rows;

pub(super) const FILLER: Filler = Filler::new("pg_database", rows);

/// `pg_database.encoding` of UTF8
pub(crate) const ENCODING_UTF8: i32 = 6;

fn rows(contents: &Contents, rows: &mut Rows) {
    rows.add([
        ("oid", oids::DATABASE.into()),
        ("datname", contents.snapshot.database.as_str().into()),
        ("datdba", contents.snapshot.bootstrap_role().0.into()),
        ("encoding", ENCODING_UTF8.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("datfrozenxid", 1.into()),
        ("datminmxid", 1.into()),
        ("dattablespace", oids::PG_DEFAULT_TABLESPACE.into()),
        ("datcollate", "C.UTF-8".into()),
        ("datctype", "C.UTF-8".into()),
    ]);
}
