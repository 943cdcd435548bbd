//! `pg_type`: which types are there? The built-in ones, and a row type with its array for each relation.

use super::{Contents, Filler};
use crate::system::layout::layouts;
use crate::system::oids;
use crate::system::rows::{Rows, Value};

pub(super) const FILLER: Filler = Filler::new("pg_type", rows);

/// Functions that read and write composite values and arrays, as `pg_proc` numbers them.
const RECORD_IO: [(&str, u32); 4] = [
    ("typinput", 2290),
    ("typoutput", 2291),
    ("typreceive", 2402),
    ("typsend", 2403),
];
const ARRAY_IO: [(&str, u32); 6] = [
    ("typinput", 750),
    ("typoutput", 751),
    ("typreceive", 2400),
    ("typsend", 2401),
    ("typanalyze", 3816),
    ("typsubscript", 6179),
];

fn rows(contents: &Contents, rows: &mut Rows) {
    for relation in &contents.snapshot.relations {
        let row_type = relation.row_type_oid();
        if row_type == 0 {
            continue;
        }
        let namespace = contents.snapshot.schema_oid(&relation.schema).unwrap_or(0);
        let owner = contents.owner(&relation.owner);
        add_row_type(
            rows,
            &relation.name,
            namespace,
            owner,
            [row_type, relation.oid, relation.row_array_oid()],
        );
        rows.add_all(
            [
                ("oid", Value::from(relation.row_array_oid())),
                ("typname", format!("_{}", relation.name).into()),
                ("typnamespace", namespace.into()),
                ("typowner", owner.into()),
                ("typlen", (-1).into()),
                ("typtype", "b".into()),
                ("typcategory", "A".into()),
                ("typisdefined", true.into()),
                ("typdelim", ",".into()),
                ("typelem", row_type.into()),
                ("typalign", "d".into()),
                ("typstorage", "x".into()),
                ("typtypmod", (-1).into()),
            ]
            .into_iter()
            .chain(ARRAY_IO.map(|(name, oid)| (name, oid.into()))),
        );
    }
}

/// `oids`: of the type, its relation, its array type.
fn add_row_type(rows: &mut Rows, name: &str, namespace: u32, owner: u32, oids: [u32; 3]) {
    let [oid, relation, array] = oids;
    rows.add_all(
        [
            ("oid", Value::from(oid)),
            ("typname", name.into()),
            ("typnamespace", namespace.into()),
            ("typowner", owner.into()),
            ("typlen", (-1).into()),
            ("typtype", "c".into()),
            ("typcategory", "C".into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typrelid", relation.into()),
            ("typarray", array.into()),
            ("typalign", "d".into()),
            ("typstorage", "x".into()),
            ("typtypmod", (-1).into()),
        ]
        .into_iter()
        .chain(RECORD_IO.map(|(name, oid)| (name, oid.into()))),
    );
}

/// Row types of the system relations; their array types are left out.
pub(super) fn built_in(rows: &mut Rows) {
    for layout in layouts() {
        let namespace = if layout.schema == "pg_catalog" {
            oids::PG_CATALOG
        } else {
            oids::INFORMATION_SCHEMA
        };
        add_row_type(
            rows,
            layout.name,
            namespace,
            oids::BOOTSTRAP_ROLE,
            [layout.row_type, layout.oid, 0],
        );
    }
}
