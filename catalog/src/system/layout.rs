//! Which columns does a system relation have?
//!
//! All of PostgreSQL 15's relations in `pg_catalog` and `information_schema`, with its column names, types and order,
//! from `static/relations.tsv`. Relations that nothing here fills are empty, not missing.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{Schema, SchemaRef};

use crate::types::PgType;

const RELATIONS: &str = include_str!("static/relations.tsv");

/// A relation of `pg_catalog` or `information_schema`.
#[derive(Debug)]
pub struct Layout {
    /// `pg_class.oid`
    pub oid: u32,
    /// `pg_catalog` or `information_schema`
    pub schema: &'static str,
    /// its name
    pub name: &'static str,
    /// `r` or `v`
    pub relkind: &'static str,
    /// OID of its row type
    pub row_type: u32,
    /// its columns, in order
    pub columns: Vec<ColumnLayout>,
    /// the same as an Arrow schema, logical types with PostgreSQL's type in the metadata
    pub arrow: SchemaRef,
}

/// A column of a system relation.
#[derive(Debug)]
pub struct ColumnLayout {
    /// its name
    pub name: &'static str,
    /// its type; a domain's base type, as RowDescription reports it
    pub pg_type: PgType,
    /// Is it declared NOT NULL?
    pub not_null: bool,
}

static LAYOUTS: LazyLock<Vec<Layout>> =
    LazyLock::new(|| RELATIONS.lines().filter_map(Layout::read).collect());

/// Every system relation.
pub fn layouts() -> &'static [Layout] {
    &LAYOUTS
}

/// The system relation of a name.
pub fn layout(schema: &str, name: &str) -> Option<&'static Layout> {
    LAYOUTS
        .iter()
        .find(|layout| layout.schema == schema && layout.name == name)
}

/// The system relation of an OID.
pub fn layout_of_oid(oid: u32) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| layout.oid == oid)
}

impl Layout {
    fn read(line: &'static str) -> Option<Layout> {
        let mut parts = line.split('\t');
        let oid = parts.next()?.parse().ok()?;
        let (schema, name, relkind) = (parts.next()?, parts.next()?, parts.next()?);
        let row_type = parts.next()?.parse().ok()?;
        let columns: Vec<ColumnLayout> = parts
            .next()?
            .split('|')
            .filter_map(ColumnLayout::read)
            .collect();
        let fields: Vec<_> = columns
            .iter()
            .map(|column| column.pg_type.field(column.name, !column.not_null))
            .collect();
        Some(Layout {
            oid,
            schema,
            name,
            relkind,
            row_type,
            columns,
            arrow: Arc::new(Schema::new(fields)),
        })
    }

    /// Position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }
}

impl ColumnLayout {
    fn read(text: &'static str) -> Option<ColumnLayout> {
        let (name, type_name) = text.split_once(' ')?;
        let not_null = type_name.ends_with('!');
        // Types that no client reads (pg_ndistinct, pg_mcv_list …) are carried as text.
        let pg_type = PgType::parse(type_name.trim_end_matches('!')).unwrap_or(PgType::TEXT);
        Some(ColumnLayout {
            name,
            pg_type,
            not_null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{RELATIONS, layout, layouts};
    use crate::types::PgType;

    #[test]
    fn every_line_is_read_with_every_column() {
        assert_eq!(layouts().len(), RELATIONS.lines().count());
        for (layout, line) in layouts().iter().zip(RELATIONS.lines()) {
            let columns = line.rsplit('\t').next().unwrap().split('|').count();
            assert_eq!(layout.columns.len(), columns, "{}", layout.name);
            for (column, field) in layout.columns.iter().zip(layout.arrow.fields()) {
                assert_eq!(
                    PgType::of_field(field),
                    column.pg_type,
                    "{}.{}",
                    layout.name,
                    column.name
                );
            }
        }
    }

    #[test]
    fn pg_class_has_the_columns_of_postgresql_15() {
        let pg_class = layout("pg_catalog", "pg_class").unwrap();
        assert_eq!(pg_class.oid, 1259);
        assert_eq!(pg_class.columns.len(), 33);
        assert_eq!(pg_class.columns[0].pg_type, PgType::OID);
        assert_eq!(pg_class.columns[1].pg_type, PgType::NAME);
        assert_eq!(pg_class.position("relkind"), Some(16));
        assert!(layout("information_schema", "columns").is_some());
        assert!(layout("public", "pg_class").is_none());
    }
}
