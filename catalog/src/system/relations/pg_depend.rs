//! `pg_depend`: what goes when another object goes? The sequences that belong to columns, and a view's rule.

use super::{Contents, Filler};
use crate::system::oids::{self, Derived, derived};
use crate::system::rows::Rows;
use crate::system::snapshot::RelationKind;

pub(super) const FILLER: Filler =
    Filler::new("pg_depend", rows).by_key("refobjid", &["refobjsubid"]);

fn rows(contents: &Contents, rows: &mut Rows) {
    for (relation, table) in contents.snapshot.tables() {
        for (column, sequence) in &table.sequences {
            let attnum = contents.attnums(relation.oid, std::slice::from_ref(column));
            // An identity's sequence is internal to its column; that of a serial goes with it automatically.
            let kind = if table.identity.contains_key(column) {
                "i"
            } else {
                "a"
            };
            rows.add([
                ("classid", oids::PG_CLASS.into()),
                ("objid", (*sequence).into()),
                ("refclassid", oids::PG_CLASS.into()),
                ("refobjid", relation.oid.into()),
                ("refobjsubid", attnum.first().copied().unwrap_or(0).into()),
                ("deptype", kind.into()),
            ]);
        }
        for constraint in table
            .constraints
            .iter()
            .filter(|constraint| constraint.index_columns().is_some())
        {
            rows.add([
                ("classid", oids::PG_CLASS.into()),
                ("objid", relation.index_oid(constraint).into()),
                ("refclassid", oids::PG_CONSTRAINT.into()),
                ("refobjid", relation.constraint_oid(constraint).into()),
                ("deptype", "i".into()),
            ]);
        }
    }
    for relation in &contents.snapshot.relations {
        if matches!(relation.kind, RelationKind::View { .. }) {
            rows.add([
                ("classid", oids::PG_REWRITE.into()),
                ("objid", derived(Derived::Rule, relation.oid, "").into()),
                ("refclassid", oids::PG_CLASS.into()),
                ("refobjid", relation.oid.into()),
                ("deptype", "i".into()),
            ]);
        }
    }
}
