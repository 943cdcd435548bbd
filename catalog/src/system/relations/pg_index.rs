//! `pg_index`, `pg_indexes`: which indexes would PostgreSQL have behind the keys of a table?

use super::{Contents, Filler};
use crate::system::builtin::built_in;
use crate::system::definitions::index_definition;
use crate::system::oids::BTREE;
use crate::system::rows::Rows;
use crate::system::snapshot::Column;
use crate::types::PgType;

pub(super) const FILLER: Filler =
    Filler::new("pg_index", rows).by_key("indrelid", &["indkey", "indcollation", "indclass"]);
pub(super) const INDEXES: Filler = Filler::new("pg_indexes", indexes);

fn rows(contents: &Contents, rows: &mut Rows) {
    for (relation, table) in contents.snapshot.tables() {
        let columns = contents
            .columns
            .get(&relation.oid)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for constraint in &table.constraints {
            let Some(keys) = constraint.index_columns() else {
                continue;
            };
            let attnums = contents.attnums(relation.oid, keys);
            let of_keys = |value: fn(&Column) -> i64| -> Vec<i64> {
                attnums
                    .iter()
                    .filter_map(|at| columns.get(*at as usize - 1))
                    .map(value)
                    .collect()
            };
            let count = keys.len() as i64;
            rows.add([
                ("indexrelid", relation.index_oid(constraint).into()),
                ("indrelid", relation.oid.into()),
                ("indnatts", count.into()),
                ("indnkeyatts", count.into()),
                ("indisunique", true.into()),
                ("indisprimary", (constraint.contype() == "p").into()),
                ("indimmediate", true.into()),
                ("indisvalid", true.into()),
                ("indisready", true.into()),
                ("indislive", true.into()),
                ("indcollation", of_keys(collation).into()),
                ("indclass", of_keys(operator_class).into()),
                ("indkey", attnums.into()),
                ("indoption", vec![0i64; keys.len()].into()),
            ]);
        }
    }
}

fn collation(column: &Column) -> i64 {
    crate::system::builtin::type_of_oid(column.pg_type.oid)
        .map_or(0, |known| known.collation.into())
}

/// The default btree operator class of a column's type.
fn operator_class(column: &Column) -> i64 {
    // varchar uses text's operator class.
    let wanted = if column.pg_type.oid == PgType::VARCHAR.oid {
        PgType::TEXT
    } else {
        column.pg_type
    };
    let classes = built_in("pg_opclass")
        .map(|table| table.values(["oid", "opcmethod", "opcintype", "opcdefault"]))
        .unwrap_or_default();
    let (method, wanted) = (BTREE.to_string(), wanted.oid.to_string());
    let found = classes
        .iter()
        .find(|class| class[1] == method && class[2] == wanted && class[3] == "t");
    found.and_then(|class| class[0].parse().ok()).unwrap_or(0)
}

fn indexes(contents: &Contents, rows: &mut Rows) {
    for (relation, table) in contents.snapshot.tables() {
        for constraint in table
            .constraints
            .iter()
            .filter(|constraint| constraint.index_columns().is_some())
        {
            rows.add([
                ("schemaname", relation.schema.as_str().into()),
                ("tablename", relation.name.as_str().into()),
                ("indexname", constraint.name.as_str().into()),
                ("indexdef", index_definition(relation, constraint).into()),
            ]);
        }
    }
}
