//! What is in the relations of `pg_catalog` and `information_schema`? A file per relation.

mod information_schema;
mod pg_attrdef;
mod pg_attribute;
mod pg_class;
mod pg_constraint;
mod pg_database;
mod pg_depend;
mod pg_description;
mod pg_index;
mod pg_namespace;
mod pg_proc;
mod pg_rewrite;
mod pg_roles;
mod pg_sequence;
mod pg_settings;
mod pg_stat;
mod pg_tables;
mod pg_timezone;
mod pg_type;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::builtin::built_in;
use super::layout::Layout;
use super::rows::Rows;
use super::session::SystemSession;
use super::snapshot::{Column, Relation, SystemSnapshot};

/// What the rows of a relation are made from.
#[derive(Debug)]
pub(super) struct Contents {
    /// what exists
    pub snapshot: Arc<SystemSnapshot>,
    /// who asks
    pub session: Arc<dyn SystemSession>,
    /// columns by relation OID, of those relations that the scan needs
    pub columns: BTreeMap<u32, Vec<Column>>,
}

impl Contents {
    /// Relations whose columns were loaded, with them.
    fn with_columns(&self) -> impl Iterator<Item = (&Relation, &Vec<Column>)> {
        self.snapshot
            .relations
            .iter()
            .filter_map(|relation| Some((relation, self.columns.get(&relation.oid)?)))
    }

    /// `attnum` of columns of a relation, as far as they were loaded.
    fn attnums(&self, relation_oid: u32, names: &[String]) -> Vec<i64> {
        let columns = self
            .columns
            .get(&relation_oid)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let attnum = |name: &String| columns.iter().position(|column| column.name == *name);
        names
            .iter()
            .filter_map(attnum)
            .map(|at| at as i64 + 1)
            .collect()
    }

    /// OID of an object's owner.
    fn owner(&self, name: &str) -> u32 {
        self.snapshot
            .role_oid(name)
            .unwrap_or(self.snapshot.bootstrap_role().0)
    }
}

/// Do a relation's rows depend on the columns of users' relations?
#[derive(Debug, Clone, Copy)]
pub(super) enum ColumnUse {
    /// No.
    Never,
    /// Yes, if one of `columns` (any if empty) is read; `key` holds the OID of the relation described.
    ByKey {
        key: &'static str,
        columns: &'static [&'static str],
    },
}

/// How a relation's rows are made.
#[derive(Debug)]
pub(super) struct Filler {
    schema: &'static str,
    name: &'static str,
    pub column_use: ColumnUse,
    pub rows: fn(&Contents, &mut Rows),
}

impl Filler {
    const fn new(name: &'static str, rows: fn(&Contents, &mut Rows)) -> Filler {
        Filler {
            schema: "pg_catalog",
            name,
            column_use: ColumnUse::Never,
            rows,
        }
    }

    const fn in_information_schema(name: &'static str, rows: fn(&Contents, &mut Rows)) -> Filler {
        Filler {
            schema: "information_schema",
            name,
            column_use: ColumnUse::Never,
            rows,
        }
    }

    const fn by_key(mut self, key: &'static str, columns: &'static [&'static str]) -> Filler {
        self.column_use = ColumnUse::ByKey { key, columns };
        self
    }
}

/// Every relation with rows of its own beside the built-in ones.
static FILLERS: LazyLock<Vec<Filler>> = LazyLock::new(|| {
    vec![
        pg_attrdef::FILLER,
        pg_attribute::FILLER,
        pg_class::FILLER,
        pg_constraint::FILLER,
        pg_database::FILLER,
        pg_depend::FILLER,
        pg_description::FILLER,
        pg_description::SHARED,
        pg_index::FILLER,
        pg_index::INDEXES,
        pg_namespace::FILLER,
        pg_proc::FILLER,
        pg_rewrite::FILLER,
        pg_roles::ROLES,
        pg_roles::AUTHID,
        pg_roles::USER,
        pg_roles::SETTINGS,
        pg_sequence::FILLER,
        pg_sequence::SEQUENCES,
        pg_settings::FILLER,
        pg_stat::ACTIVITY,
        pg_stat::ALL_TABLES,
        pg_stat::USER_TABLES,
        pg_stat::DATABASE,
        pg_tables::TABLES,
        pg_tables::VIEWS,
        pg_timezone::NAMES,
        pg_type::FILLER,
    ]
    .into_iter()
    .chain(information_schema::fillers())
    .collect()
});

/// How a relation's own rows are made; None if it has only built-in ones, or none.
pub(super) fn filler(layout: &Layout) -> Option<&'static Filler> {
    FILLERS
        .iter()
        .find(|filler| filler.schema == layout.schema && filler.name == layout.name)
}

static BUILT_IN: LazyLock<Mutex<HashMap<u32, RecordBatch>>> = LazyLock::new(Mutex::default);

/// The rows of a relation that are the same for every session, made once.
pub(super) fn built_in_batch(layout: &'static Layout) -> Result<Option<RecordBatch>> {
    let mut cache = BUILT_IN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(batch) = cache.get(&layout.oid) {
        return Ok(Some(batch.clone()));
    }
    let mut rows = Rows::new(layout);
    match (layout.schema, layout.name) {
        ("pg_catalog", "pg_class") => pg_class::built_in(&mut rows),
        ("pg_catalog", "pg_attribute") => pg_attribute::built_in(&mut rows),
        ("pg_catalog", name) => match built_in(name) {
            Some(table) => {
                table.add_to(&mut rows);
                if name == "pg_type" {
                    pg_type::built_in(&mut rows);
                }
            }
            None => return Ok(None),
        },
        _ => return Ok(None),
    }
    let batch = rows.finish()?;
    cache.insert(layout.oid, batch.clone());
    Ok(Some(batch))
}

#[cfg(test)]
mod tests {
    use super::{FILLERS, filler};
    use crate::system::layout::layout;

    #[test]
    fn every_filler_names_a_relation_of_postgresql_once() {
        for entry in FILLERS.iter() {
            let found = layout(entry.schema, entry.name)
                .unwrap_or_else(|| panic!("{} is no relation", entry.name));
            assert!(
                std::ptr::eq(filler(found).unwrap(), entry),
                "{} is filled twice",
                entry.name
            );
        }
    }
}
