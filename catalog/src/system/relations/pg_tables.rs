//! `pg_tables`, `pg_views`: the tables and views, by name.

use super::{Contents, Filler};
use crate::system::layout::layouts;
use crate::system::rows::Rows;
use crate::system::snapshot::RelationKind;

pub(super) const TABLES: Filler = Filler::new("pg_tables", tables);
pub(super) const VIEWS: Filler = Filler::new("pg_views", views);

fn tables(contents: &Contents, rows: &mut Rows) {
    for (relation, table) in contents.snapshot.tables() {
        let has_keys = table
            .constraints
            .iter()
            .any(|constraint| constraint.index_columns().is_some());
        rows.add([
            ("schemaname", relation.schema.as_str().into()),
            ("tablename", relation.name.as_str().into()),
            ("tableowner", relation.owner.as_str().into()),
            ("hasindexes", has_keys.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
    let (_, owner) = contents.snapshot.bootstrap_role();
    for layout in layouts().iter().filter(|layout| layout.relkind == "r") {
        rows.add([
            ("schemaname", layout.schema.into()),
            ("tablename", layout.name.into()),
            ("tableowner", owner.into()),
            ("hasindexes", false.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
}

fn views(contents: &Contents, rows: &mut Rows) {
    for relation in &contents.snapshot.relations {
        if let RelationKind::View { sql } = &relation.kind {
            rows.add([
                ("schemaname", relation.schema.as_str().into()),
                ("viewname", relation.name.as_str().into()),
                ("viewowner", relation.owner.as_str().into()),
                ("definition", sql.as_str().into()),
            ]);
        }
    }
    let (_, owner) = contents.snapshot.bootstrap_role();
    for layout in layouts().iter().filter(|layout| layout.relkind == "v") {
        rows.add([
            ("schemaname", layout.schema.into()),
            ("viewname", layout.name.into()),
            ("viewowner", owner.into()),
        ]);
    }
}
