//! How does an object read as SQL?

use std::collections::HashSet;
use std::sync::LazyLock;

use super::snapshot::{Constraint, ConstraintKind, Relation};

/// `pg_get_keywords()`: word, category, is it a bare label, and both in words.
const KEYWORDS: &str = include_str!("static/keywords.tsv");

/// Every SQL keyword of PostgreSQL 15, with its category (`U`, `C`, `T` or `R`), whether it can be a label without
/// AS, and both in words.
pub fn keywords() -> impl Iterator<Item = [&'static str; 5]> {
    KEYWORDS
        .lines()
        .filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
}

static QUOTED_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    keywords()
        .filter(|keyword| keyword[1] != "U")
        .map(|keyword| keyword[0])
        .collect()
});

/// A name, in double quotes if it needs them.
pub fn quote_ident(name: &str) -> String {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let is_keyword = QUOTED_WORDS.contains(name);
    if starts_well && is_plain && !is_keyword {
        name.to_string()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Text as a literal.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn list(columns: &[String]) -> String {
    columns
        .iter()
        .map(|column| quote_ident(column))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A relation's name with its schema.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// CREATE INDEX of the index that PostgreSQL would have behind a key.
pub fn index_definition(relation: &Relation, constraint: &Constraint) -> String {
    format!(
        "CREATE UNIQUE INDEX {} ON {} USING btree ({})",
        quote_ident(&constraint.name),
        qualified(&relation.schema, &relation.name),
        list(constraint.index_columns().unwrap_or_default())
    )
}

/// A constraint as in CREATE TABLE. A foreign key's target is qualified unless `is_visible` says otherwise.
pub fn constraint_definition(
    constraint: &Constraint,
    is_visible: impl Fn(&str, &str) -> bool,
) -> String {
    match &constraint.kind {
        ConstraintKind::PrimaryKey { columns } => format!("PRIMARY KEY ({})", list(columns)),
        ConstraintKind::Unique { columns } => format!("UNIQUE ({})", list(columns)),
        ConstraintKind::Check { sql } => format!("CHECK ({sql})"),
        ConstraintKind::ForeignKey {
            columns,
            target_schema,
            target_table,
            target_columns,
        } => {
            let target = if is_visible(target_schema, target_table) {
                quote_ident(target_table)
            } else {
                qualified(target_schema, target_table)
            };
            format!(
                "FOREIGN KEY ({}) REFERENCES {target}({})",
                list(columns),
                list(target_columns)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{quote_ident, quote_literal};

    #[test]
    fn names_are_quoted_as_postgresql_does() {
        for (name, quoted) in [
            ("orders", "orders"),
            ("_x1", "_x1"),
            ("1x", "\"1x\""),
            ("Orders", "\"Orders\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("select", "\"select\""),
            ("name", "name"),
            ("", "\"\""),
        ] {
            assert_eq!(quote_ident(name), quoted);
        }
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), "E'a\\\\b'");
    }
}
