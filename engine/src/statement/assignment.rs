//! What does `SET column = value` assign, and may it?
//!
//! DEFAULT is the column's default, a row of columns takes a row of values or a subquery, and identity columns
//! that are always generated take nothing else.

use std::sync::Arc;
use tarn_catalog::syntax_walk::each_expression;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::Spanned;
use tarn_catalog::state::{Identity, Relation, Table};
use tarn_catalog::types::PgType;

use super::insert::{column_index, table_of};
use crate::error::PgError;
use crate::plan::names::{fold, qualified};
use crate::sqlstate;

/// The table whose columns are assigned.
pub struct Target<'a> {
    /// The table.
    pub relation: &'a Arc<Relation>,
    /// Its columns.
    pub schema: &'a SchemaRef,
}

/// A new value of one column.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Index in the table.
    pub column: usize,
    /// What is assigned; DEFAULT is resolved already.
    pub value: ast::Expr,
    /// A literal takes the type of its column.
    is_literal: bool,
}

impl Assignment {
    /// 42804 for a value of a type that is not assigned to the column's.
    pub fn check_type(&self, given: &Field, column: &Field) -> Result<(), PgError> {
        if self.is_literal || is_assignable(given.data_type(), column.data_type()) {
            return Ok(());
        }
        Err(type_mismatch(given, column).at(&self.value))
    }
}

/// Reads the list behind SET.
pub fn read_assignments(
    target: &Target<'_>,
    written: &[ast::Assignment],
) -> Result<Vec<Assignment>, PgError> {
    let mut read: Vec<Assignment> = Vec::with_capacity(written.len());
    for assignment in written {
        for (name, value) in pairs(assignment)? {
            let column = column_index(target.schema, &qualified(name)?.name, target.relation)
                .map_err(|error| error.at(name))?;
            let shown = target.schema.field(column).name();
            if read.iter().any(|earlier| earlier.column == column) {
                let error = format!("multiple assignments to same column \"{shown}\"");
                return Err(PgError::syntax(error).at(name));
            }
            read.push(assign(target, column, value)?);
        }
    }
    Ok(read)
}

/// Columns with their values: `a = 1` is one pair, `(a, b) = (1, 2)` are two.
fn pairs(assignment: &ast::Assignment) -> Result<Vec<(&ast::ObjectName, ast::Expr)>, PgError> {
    let names = match &assignment.target {
        ast::AssignmentTarget::ColumnName(name) => {
            return Ok(vec![(name, assignment.value.clone())]);
        }
        ast::AssignmentTarget::Tuple(names) => names,
    };
    let values = match &assignment.value {
        ast::Expr::Tuple(values) => values.clone(),
        ast::Expr::Function(call) if is_row(call) => row_values(call),
        ast::Expr::Subquery(query) => columns_of(query, names.len())?,
        value => {
            let error =
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
            return Err(PgError::unsupported(error).at(value));
        }
    };
    if values.len() != names.len() {
        let error = "number of columns does not match number of values";
        return Err(PgError::syntax(error).at(&assignment.value));
    }
    Ok(names.iter().zip(values).collect())
}

fn is_row(call: &ast::Function) -> bool {
    matches!(call.name.0.as_slice(), [ast::ObjectNamePart::Identifier(name)] if fold(name) == "row")
}

fn row_values(call: &ast::Function) -> Vec<ast::Expr> {
    let ast::FunctionArguments::List(list) = &call.args else {
        return Vec::new();
    };
    let values = list.args.iter().filter_map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    values.collect()
}

/// A subquery of several columns as one subquery for each.
fn columns_of(query: &ast::Query, count: usize) -> Result<Vec<ast::Expr>, PgError> {
    let ast::SetExpr::Select(select) = query.body.as_ref() else {
        return Err(PgError::unsupported(
            "SET (a, b) = (…) takes a plain SELECT or a row of values",
        ));
    };
    if select.projection.len() != count || select.distinct.is_some() {
        let error = "number of columns does not match number of values";
        return Err(PgError::syntax(error).at(query));
    }
    let mut is_computed = false;
    for item in &select.projection {
        let _ = each_expression(item, |expr| {
            is_computed |= matches!(expr, ast::Expr::Function(_));
            std::ops::ControlFlow::<()>::Continue(())
        });
    }
    (0..count)
        .map(|index| match is_computed {
            true => column_of_derived(query, index),
            false => Ok(column_alone(query, index)),
        })
        .collect()
}

/// `(SELECT b FROM …)` of `(SELECT a, b FROM …)`.
fn column_alone(query: &ast::Query, index: usize) -> ast::Expr {
    let mut query = query.clone();
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![select.projection[index].clone()];
    }
    ast::Expr::Subquery(Box::new(query))
}

/// `(SELECT c1 FROM (SELECT a, max(b) FROM …) AS d (c0, c1))`: all columns together decide what is aggregated.
fn column_of_derived(query: &ast::Query, index: usize) -> Result<ast::Expr, PgError> {
    let mut inner = query.clone();
    if let ast::SetExpr::Select(select) = inner.body.as_mut() {
        for (number, item) in select.projection.iter_mut().enumerate() {
            let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) =
                &*item
            else {
                return Err(PgError::unsupported("SET (a, b) = (SELECT * …)")
                    .with_hint("Name the columns."));
            };
            *item = ast::SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: ast::Ident::new(format!("c{number}")),
            };
        }
    }
    let mut outer = crate::parser::parse_query(&format!("SELECT c{index} FROM (SELECT 1) AS d"))?;
    if let ast::SetExpr::Select(select) = outer.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let ast::TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        **subquery = inner;
    }
    Ok(ast::Expr::Subquery(Box::new(outer)))
}

fn assign(target: &Target<'_>, column: usize, value: ast::Expr) -> Result<Assignment, PgError> {
    let table = table_of(target.relation)?;
    let field = &target.schema.fields()[column];
    if is_default(&value) {
        return Ok(Assignment {
            column,
            value: default_of(table, field.name())?,
            is_literal: true,
        });
    }
    if table.generated.get(field.name()) == Some(&Identity::Always) {
        let error = format!("column \"{}\" can only be updated to DEFAULT", field.name());
        return Err(PgError::new(sqlstate::GENERATED_ALWAYS, error)
            .with_detail(always_detail(field.name())));
    }
    let is_literal = is_text_literal(&value);
    Ok(Assignment {
        column,
        value: typed_literal(value, field)?,
        is_literal,
    })
}

/// What an identity column says about itself when it refuses a value.
pub fn always_detail(column: &str) -> String {
    format!("Column \"{column}\" is an identity column defined as GENERATED ALWAYS.")
}

/// Is it the word DEFAULT?
pub fn is_default(value: &ast::Expr) -> bool {
    matches!(value, ast::Expr::Identifier(ident)
        if ident.quote_style.is_none() && fold(ident) == "default")
}

/// The default of a column as an expression; NULL when it has none.
pub fn default_of(table: &Table, column: &str) -> Result<ast::Expr, PgError> {
    match table.defaults.get(column) {
        Some(sql) => crate::parser::parse_expression(sql),
        None => Ok(ast::Expr::Value(ast::Value::Null.into())),
    }
}

fn is_text_literal(value: &ast::Expr) -> bool {
    matches!(value, ast::Expr::Value(literal)
        if matches!(literal.value, ast::Value::SingleQuotedString(_) | ast::Value::Null
            | ast::Value::Placeholder(_)))
}

/// A quoted literal is read as its column's type, in Postgres' way and with Postgres' errors.
pub fn typed_literal(value: ast::Expr, field: &FieldRef) -> Result<ast::Expr, PgError> {
    let is_quoted = matches!(&value, ast::Expr::Value(literal)
        if matches!(literal.value, ast::Value::SingleQuotedString(_)));
    if !is_quoted || field.data_type() == &DataType::Utf8 {
        return Ok(value);
    }
    let pg_type = PgType::of_field(field);
    let mut cast = crate::parser::parse_expression(&format!("NULL::{}", pg_type.sql_name()))?;
    if let ast::Expr::Cast { expr, .. } = &mut cast {
        **expr = value;
    }
    Ok(cast)
}

/// 42804 in Postgres' words.
pub fn type_mismatch(given: &Field, column: &Field) -> PgError {
    PgError::new(
        sqlstate::DATATYPE_MISMATCH,
        format!(
            "column \"{}\" is of type {} but expression is of type {}",
            column.name(),
            PgType::of_field(column).sql_name(),
            PgType::of_field(given).sql_name()
        ),
    )
    .with_hint("You will need to rewrite or cast the expression.")
}

/// May a value of this type be stored in a column of that one without a cast? Told by what holds the values, since
/// expressions lose the names of types like `uuid`.
pub fn is_assignable(given: &DataType, column: &DataType) -> bool {
    use DataType::{Binary, Boolean, Interval, Null, Utf8, Utf8View};
    let is_text = |data_type: &DataType| matches!(data_type, Utf8 | Utf8View | DataType::LargeUtf8);
    let is_calendar = |data_type: &DataType| data_type.is_temporal() && !is_interval(data_type);
    match (given, column) {
        (Null, _) => true,
        (DataType::Dictionary(_, values), _) => is_assignable(values, column),
        (_, column) if is_text(column) => true,
        (given, _) if is_text(given) => false,
        (Boolean, _) | (_, Boolean) => given == column,
        (given, column) if given.is_numeric() || column.is_numeric() => {
            given.is_numeric() && column.is_numeric()
        }
        (Interval(_), DataType::Time64(_)) | (DataType::Time64(_), Interval(_)) => true,
        (given, column) if is_interval(given) || is_interval(column) => {
            is_interval(given) && is_interval(column)
        }
        (given, column) if is_calendar(given) || is_calendar(column) => {
            is_calendar(given) && is_calendar(column)
        }
        (Binary, _) | (_, Binary) => given.is_binary() && column.is_binary(),
        _ => true,
    }
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

impl PgError {
    /// Points the error at a piece of the statement.
    pub fn at(self, piece: &impl Spanned) -> PgError {
        let start = piece.span().start;
        PgError {
            location: self.location.or((start.line > 0).then_some(start)),
            ..self
        }
    }
}
