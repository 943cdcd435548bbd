//! `pg_rewrite`: which rules are there? One `_RETURN` per view, as dbt and others look for.

use super::{Contents, Filler};
use crate::system::oids::{Derived, derived};
use crate::system::rows::Rows;
use crate::system::snapshot::RelationKind;

pub(super) const FILLER: Filler = Filler::new("pg_rewrite", rows);

fn rows(contents: &Contents, rows: &mut Rows) {
    for relation in &contents.snapshot.relations {
        if let RelationKind::View { sql } = &relation.kind {
            rows.add([
                ("oid", derived(Derived::Rule, relation.oid, "").into()),
                ("rulename", "_RETURN".into()),
                ("ev_class", relation.oid.into()),
                ("ev_type", "1".into()),
                ("ev_enabled", "O".into()),
                ("is_instead", true.into()),
                ("ev_action", sql.as_str().into()),
            ]);
        }
    }
}
