//! What does PostgreSQL say where the planner complains?
//!
//! DataFusion's planner says what is wrong in words of its own, with Arrow's names of types. Each complaint that a
//! user can cause is said here as PostgreSQL says it, with its SQLSTATE and hint and what in the statement it is about.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, SchemaError};
use tarn_catalog::types::PgType;

use crate::error::{Culprit, PgError};
use crate::sqlstate;
use tarn_udfs::suggest::edit_distance;

/// The hint about a function that does not take what it was given.
pub const NO_FUNCTION: &str = "No function matches the given name and argument types. You might need to add explicit type casts.";
const NO_OPERATOR: &str = "No operator matches the given name and argument types. You might need to add explicit type casts.";
/// A name further away than this is not what was meant.
const DISTANCE_MAX: usize = 3;

/// The error for a function that is not there; `arguments` are the names of their types.
pub fn missing_function(name: &str, arguments: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!("function {name}({arguments}) does not exist"),
    )
    .with_hint(NO_FUNCTION)
    .with_culprit(Culprit::Function(own_name(name)))
}

fn own_name(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_string()
}

/// A column that is not there, or that several tables have.
pub fn of_schema_error(error: &SchemaError) -> PgError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => missing_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => PgError::new(
            sqlstate::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => PgError::new(
            sqlstate::DUPLICATE_ALIAS,
            format!(
                "table name \"{}\" specified more than once",
                qualifier.table()
            ),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => PgError::new(
            sqlstate::AMBIGUOUS_COLUMN,
            format!("column \"{name}\" specified more than once"),
        ),
    }
}

fn missing_column(field: &Column, known: &[Column]) -> PgError {
    if let Some(relation) = &field.relation
        && !known.iter().any(|column| {
            column.relation.as_ref().map(|name| name.table()) == Some(relation.table())
        })
    {
        return PgError::new(
            sqlstate::UNDEFINED_TABLE,
            format!(
                "missing FROM-clause entry for table \"{}\"",
                relation.table()
            ),
        );
    }
    let shown = match &field.relation {
        Some(relation) => format!("{}.{}", relation.table(), field.name),
        None => format!("\"{}\"", field.name),
    };
    let failure = PgError::new(
        sqlstate::UNDEFINED_COLUMN,
        format!("column {shown} does not exist"),
    );
    match meant(field, known).as_slice() {
        [] => failure,
        [one] => failure.with_hint(format!(
            "Perhaps you meant to reference the column \"{one}\"."
        )),
        several => failure.with_hint(format!(
            "Perhaps you meant to reference the column \"{}\" or the column \"{}\".",
            several[0], several[1]
        )),
    }
}

/// The nearest columns, at most two: with three, none of them is likelier than the others.
fn meant(field: &Column, known: &[Column]) -> Vec<String> {
    let mut nearest = DISTANCE_MAX + 1;
    let mut found: Vec<String> = Vec::new();
    for column in known {
        let Some(relation) = &column.relation else {
            continue;
        };
        let table_distance = match &field.relation {
            Some(wanted) => edit_distance(wanted.table(), relation.table()),
            None => 0,
        };
        let column_distance = edit_distance(&column.name, &field.name);
        if column_distance > field.name.len() / 2 {
            continue;
        }
        let distance = table_distance + column_distance;
        if distance < nearest {
            nearest = distance;
            found.clear();
        }
        if distance == nearest && distance <= DISTANCE_MAX {
            found.push(format!("{}.{}", relation.table(), column.name));
        }
    }
    if found.len() > 2 { Vec::new() } else { found }
}

/// What is not built.
pub fn of_unsupported(text: &str) -> PgError {
    if let Some(name) = text.strip_prefix("Unsupported SQL type ") {
        let failure = match name.rsplit_once('.') {
            Some((schema, _)) => PgError::new(
                sqlstate::INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            ),
            None => PgError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("type \"{}\" does not exist", name.to_lowercase()),
            ),
        };
        return failure.with_culprit(Culprit::Text(own_name(name)));
    }
    if let Some((from, to)) = between(text, "Unsupported CAST from ", " to ", "") {
        return PgError::new(
            sqlstate::CANNOT_COERCE,
            format!("cannot cast type {from} to {to}"),
        )
        .with_culprit(Culprit::Operator("::".into()));
    }
    PgError::unsupported(text)
}

/// A text that Arrow could not read as another type.
pub fn of_cast(text: &str) -> PgError {
    let parts = text
        .strip_prefix("Cannot cast string '")
        .and_then(|rest| rest.rsplit_once("' to value of "))
        .and_then(|(value, rest)| Some((value, type_name(rest.strip_suffix(" type")?)?)));
    let message = match parts {
        Some((value, name)) => format!("invalid input syntax for type {name}: \"{value}\""),
        None => text.to_string(),
    };
    PgError::new(sqlstate::INVALID_TEXT_REPRESENTATION, message)
}

/// Says a complaint that is only a text.
pub fn of_text(text: &str) -> PgError {
    of_function(text)
        .or_else(|| of_operator(text))
        .or_else(|| of_clause(text))
        .unwrap_or_else(|| by_words(text))
}

fn of_function(text: &str) -> Option<PgError> {
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next()?;
        return Some(missing_function(name, ""));
    }
    let marker = "No function matches the given name and argument types '";
    if let Some((_, rest)) = text.split_once(marker) {
        let (call, _) = rest.split_once("'. You might")?;
        let (name, arguments) = call.strip_suffix(')')?.split_once('(')?;
        return Some(missing_function(name, &type_names(arguments)));
    }
    let rest = text.split_once("Function '")?.1;
    let (name, complaint) = rest.split_once('\'')?;
    if !complaint.contains("failed to match any signature") {
        return None;
    }
    let received = complaint
        .split_once("(DataType: ")
        .and_then(|(_, rest)| rest.split_once(")."))
        .map(|(name, _)| type_names(name));
    Some(missing_function(name, &received.unwrap_or_default()))
}

fn of_operator(text: &str) -> Option<PgError> {
    if let Some(operands) =
        text.strip_prefix("Cannot infer common argument type for logical boolean operation ")
    {
        let (left, symbol, right) = operation(operands)?;
        let wrong = if left == "boolean" { right } else { left };
        return Some(not_boolean(&symbol, &wrong));
    }
    if let Some((left, right)) = between(
        text,
        "There isn't a common type to coerce ",
        " and ",
        " in LIKE expression",
    ) {
        return Some(missing_operator(&left, "~~", &right, "LIKE"));
    }
    let operands = text
        .strip_prefix("Cannot coerce arithmetic expression ")
        .map(|rest| rest.trim_end_matches(" to valid types"))
        .or_else(|| {
            text.strip_prefix("Cannot infer common argument type for comparison operation ")
        })
        .or_else(|| {
            text.strip_prefix("Cannot infer common string type for string concat operation ")
        })?;
    let (left, symbol, right) = operation(operands)?;
    Some(missing_operator(&left, &symbol, &right, &symbol))
}

fn missing_operator(left: &str, symbol: &str, right: &str, written: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!("operator does not exist: {left} {symbol} {right}"),
    )
    .with_hint(NO_OPERATOR)
    .with_culprit(Culprit::Operator(written.to_string()))
}

fn not_boolean(place: &str, found: &str) -> PgError {
    PgError::new(
        sqlstate::DATATYPE_MISMATCH,
        format!("argument of {place} must be type boolean, not type {found}"),
    )
}

/// `Int64 + Utf8`: the types in PostgreSQL's words with the symbol between them.
fn operation(text: &str) -> Option<(String, String, String)> {
    const SYMBOLS: [&str; 18] = [
        "+",
        "-",
        "*",
        "/",
        "%",
        "=",
        "!=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "||",
        "AND",
        "OR",
        "&",
        "|",
        "IS DISTINCT FROM",
    ];
    SYMBOLS.iter().find_map(|symbol| {
        let (left, right) = text.split_once(&format!(" {symbol} "))?;
        let shown = if *symbol == "!=" { "<>" } else { symbol };
        Some((type_name(left)?, shown.to_string(), type_name(right)?))
    })
}

fn between(text: &str, before: &str, middle: &str, after: &str) -> Option<(String, String)> {
    let (left, right) = text
        .strip_prefix(before)?
        .trim_end_matches('.')
        .strip_suffix(after)?
        .split_once(middle)?;
    Some((type_name(left)?, type_name(right)?))
}

/// The names of types with commas between them.
fn type_names(list: &str) -> String {
    let mut names = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        // A type may have commas itself.
        let ends = rest
            .match_indices(", ")
            .map(|(at, _)| at)
            .chain([rest.len()]);
        let Some((end, name)) = ends
            .filter_map(|end| Some((end, type_name(&rest[..end])?)))
            .next()
        else {
            names.push("unknown".to_string());
            break;
        };
        names.push(name);
        rest = rest[end..].trim_start_matches(", ");
    }
    names.join(", ")
}

/// PostgreSQL's name of a type that Arrow prints.
fn type_name(text: &str) -> Option<String> {
    let text = text.trim();
    if text == "Null" {
        return Some("unknown".to_string());
    }
    if text.starts_with("Struct(") {
        return Some("record".to_string());
    }
    let data_type: DataType = text.parse().ok()?;
    let pg_type = PgType {
        typmod: -1,
        ..PgType::of_arrow(&data_type)
    };
    Some(pg_type.sql_name())
}

/// What a clause may not hold.
fn of_clause(text: &str) -> Option<PgError> {
    let grouping = |column: &str| {
        PgError::new(
            sqlstate::GROUPING_ERROR,
            format!(
                "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
            ),
        )
    };
    if text.contains("must appear in the GROUP BY clause or must be part of an aggregate function")
    {
        let column = text.split("column \"").nth(1)?.split('"').next()?;
        return Some(grouping(column));
    }
    if text.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        let message = "aggregate functions are not allowed in WHERE";
        return Some(PgError::new(sqlstate::GROUPING_ERROR, message));
    }
    if let Some(rest) = text.strip_prefix("Aggregate function calls cannot be nested: '") {
        let inner = rest.split('(').next()?.to_string();
        let message = "aggregate function calls cannot be nested";
        return Some(
            PgError::new(sqlstate::GROUPING_ERROR, message).with_culprit(Culprit::Function(inner)),
        );
    }
    if let Some(rest) = text.strip_prefix("The window ") {
        let name = rest.split(' ').next()?;
        let message = format!("window \"{name}\" does not exist");
        return Some(
            PgError::new(sqlstate::UNDEFINED_OBJECT, message)
                .with_culprit(Culprit::Text(name.to_string())),
        );
    }
    if let Some(rest) = text.strip_prefix("Cannot create filter with non-boolean predicate") {
        let found = type_name(rest.rsplit_once(" returning ")?.1)?;
        return Some(not_boolean("WHERE", &found));
    }
    if let Some(found) =
        text.strip_prefix("Unary operator 'NOT' requires a boolean expression, got ")
    {
        return Some(not_boolean("NOT", &type_name(found)?));
    }
    if let Some(name) = text.strip_prefix("Invalid qualifier ") {
        let message = format!("missing FROM-clause entry for table \"{name}\"");
        return Some(PgError::new(sqlstate::UNDEFINED_TABLE, message));
    }
    of_position(text).or_else(|| of_count(text))
}

/// `ORDER BY 2` over one column.
fn of_position(text: &str) -> Option<PgError> {
    let (clause, position) = if text.starts_with("Order by column out of bounds") {
        let rest = text.split_once("specified: ")?.1;
        ("ORDER BY", rest.split(',').next()?)
    } else if text.starts_with("Order by index starts at 1") {
        ("ORDER BY", "0")
    } else {
        let rest = text.strip_prefix("Cannot find column with position ")?;
        ("GROUP BY", rest.split(' ').next()?)
    };
    let message = format!("{clause} position {position} is not in select list");
    Some(
        PgError::new(sqlstate::INVALID_COLUMN_REFERENCE, message)
            .with_culprit(Culprit::Text(position.to_string())),
    )
}

fn of_count(text: &str) -> Option<PgError> {
    let (code, message) = if text.starts_with("LIMIT must be >= 0") {
        (
            sqlstate::INVALID_ROW_COUNT_IN_LIMIT,
            "LIMIT must not be negative",
        )
    } else if text.starts_with("OFFSET must be >=") {
        (
            sqlstate::INVALID_ROW_COUNT_IN_OFFSET,
            "OFFSET must not be negative",
        )
    } else if text.starts_with("Too many columns! The subquery") {
        (
            sqlstate::SYNTAX_ERROR,
            "subquery must return only one column",
        )
    } else if text.ends_with("queries have different number of columns") {
        let operator = text.split(' ').next()?;
        return Some(PgError::syntax(format!(
            "each {operator} query must have the same number of columns"
        )));
    } else if text.starts_with("For SELECT DISTINCT, ORDER BY expressions") {
        (
            sqlstate::INVALID_COLUMN_REFERENCE,
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        )
    } else if text.starts_with("SELECT DISTINCT ON expressions must match") {
        (
            sqlstate::INVALID_COLUMN_REFERENCE,
            "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
        )
    } else {
        return None;
    };
    Some(PgError::new(code, message))
}

/// The class of a complaint that is passed on as it is.
fn by_words(line: &str) -> PgError {
    let code = if line.contains("does not support")
        || line.contains("failed to satisfy")
        || line.contains("Failed to coerce arguments")
    {
        sqlstate::UNDEFINED_FUNCTION
    } else if line.contains("common type")
        || line.contains("Cannot coerce")
        || line.contains("Cannot infer common")
        || line.contains("ype mismatch")
    {
        sqlstate::DATATYPE_MISMATCH
    } else if line.contains("must appear in the GROUP BY")
        || line.contains("must be in GROUP BY")
        || line.contains("could not be resolved from available columns")
    {
        sqlstate::GROUPING_ERROR
    } else if line.contains("No field named") {
        sqlstate::UNDEFINED_COLUMN
    } else {
        sqlstate::SYNTAX_OR_ACCESS_RULE_VIOLATION
    };
    PgError::new(code, line)
}

#[cfg(test)]
mod tests {
    use datafusion::common::{Column, SchemaError};

    use super::{of_schema_error, of_text, of_unsupported};

    #[test]
    fn complaints_are_said_as_postgresql_says_them() {
        for (text, code, message) in [
            (
                "Cannot coerce arithmetic expression Timestamp(µs, \"UTC\") + Int64 to valid types",
                "42883",
                "operator does not exist: timestamp with time zone + bigint",
            ),
            (
                "Cannot infer common argument type for comparison operation Int32 = Boolean",
                "42883",
                "operator does not exist: integer = boolean",
            ),
            (
                "Cannot infer common argument type for logical boolean operation Boolean AND Int32",
                "42804",
                "argument of AND must be type boolean, not type integer",
            ),
            (
                "Function 'f' expects x. No function matches the given name and argument types 'f(Utf8, Decimal128(3, 1), List(Int32))'. You might need to add explicit type casts.",
                "42883",
                "function f(text, numeric, integer[]) does not exist",
            ),
            (
                "LIMIT must be >= 0, '-1' was provided",
                "2201W",
                "LIMIT must not be negative",
            ),
        ] {
            let error = of_text(text);
            assert_eq!((error.code.0, error.message.as_str()), (code, message));
        }
        let error = of_unsupported("Unsupported CAST from Boolean to Date32");
        assert_eq!(error.message, "cannot cast type boolean to date");
    }

    #[test]
    fn near_columns_are_suggested_as_postgresql_does() {
        let column = |table: &str, name: &str| Column::new(Some(table), name);
        let known = vec![
            column("t", "name"),
            column("t", "price"),
            column("u", "nome"),
        ];
        let hint = |field: Column| {
            of_schema_error(&SchemaError::FieldNotFound {
                field: Box::new(field),
                valid_fields: known.clone(),
            })
            .hint
        };
        let one = "Perhaps you meant to reference the column \"t.price\".";
        assert_eq!(hint(Column::from_name("pricy")).as_deref(), Some(one));
        let two = "Perhaps you meant to reference the column \"t.name\" or the column \"u.nome\".";
        assert_eq!(hint(Column::from_name("nime")).as_deref(), Some(two));
        assert_eq!(hint(Column::from_name("zzzz")), None);
    }
}
