//! `pg_namespace`: which schemas are there?

use super::{Contents, Filler};
use crate::system::oids;
use crate::system::rows::Rows;

pub(super) const FILLER: Filler = Filler::new("pg_namespace", rows);

fn rows(contents: &Contents, rows: &mut Rows) {
    let (bootstrap, _) = contents.snapshot.bootstrap_role();
    for (oid, name) in [
        (oids::PG_CATALOG, "pg_catalog"),
        (oids::INFORMATION_SCHEMA, "information_schema"),
        (oids::PG_TOAST, "pg_toast"),
    ] {
        rows.add([
            ("oid", oid.into()),
            ("nspname", name.into()),
            ("nspowner", bootstrap.into()),
        ]);
    }
    for schema in &contents.snapshot.schemas {
        rows.add([
            ("oid", schema.oid.into()),
            ("nspname", schema.name.as_str().into()),
            ("nspowner", contents.owner(&schema.owner).into()),
        ]);
    }
}
