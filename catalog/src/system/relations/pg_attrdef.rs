//! `pg_attrdef`: what does a column get that an INSERT leaves out? `adbin` holds the expression as text.

use super::{Contents, Filler};
use crate::system::oids::{Derived, derived};
use crate::system::rows::Rows;

pub(super) const FILLER: Filler = Filler::new("pg_attrdef", rows).by_key("adrelid", &[]);

fn rows(contents: &Contents, rows: &mut Rows) {
    for (relation, columns) in contents.with_columns() {
        let Some(table) = relation.table() else {
            continue;
        };
        for (at, column) in columns.iter().enumerate() {
            // The default of an identity column is its sequence, not an expression.
            if let Some(expression) = table.defaults.get(&column.name)
                && !table.identity.contains_key(&column.name)
            {
                rows.add([
                    (
                        "oid",
                        derived(Derived::Default, relation.oid, &column.name).into(),
                    ),
                    ("adrelid", relation.oid.into()),
                    ("adnum", (at as i64 + 1).into()),
                    ("adbin", expression.as_str().into()),
                ]);
            }
        }
    }
}
