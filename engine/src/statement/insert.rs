//! How does INSERT put rows into a table?
//!
//! The source is planned against the target columns' types, missing columns get their DEFAULT, constraints are
//! checked while the rows flow, and the transaction stages the files.

use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;

use super::constraints::Constraints;
use super::query;
use crate::error::PgError;
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;
use arrow::datatypes::{FieldRef, Fields, SchemaRef};
use std::sync::Arc;
use tarn_catalog::state::{Relation, RelationKind, Table};

/// A planned INSERT.
pub struct InsertPlan {
    /// The target.
    pub relation: Arc<Relation>,
    /// The target's columns.
    pub schema: SchemaRef,
    /// Rows with exactly the target's columns.
    pub source: LogicalPlan,
}

/// INSERT INTO t [(columns)] query | DEFAULT VALUES
pub async fn run(
    session: &mut Session,
    insert: &ast::Insert,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("INSERT")?;
    let planned = plan(session, insert, &parameters.fields).await?;
    let source = parameters.fill(planned.source)?;
    let rows = append(session, &planned.relation, &planned.schema, &source).await?;
    Ok(Outcome::Command(format!("INSERT 0 {rows}")))
}

/// Checks the rows of a plan and stages them.
pub async fn append(
    session: &mut Session,
    relation: &Relation,
    schema: &SchemaRef,
    source: &LogicalPlan,
) -> Result<u64, PgError> {
    let constraints = Constraints::new(session, relation, Arc::clone(schema))?;
    let stream = query::stream(session, source).await?;
    let checked = constraints.check(stream);
    Ok(session.transaction()?.append(relation, checked).await?)
}

/// The table of a name, which must be one.
pub fn target_table(session: &Session, name: &ast::ObjectName) -> Result<Arc<Relation>, PgError> {
    let relation = session.names().relation(&qualified(name)?)?;
    table_of(&relation)?;
    Ok(relation)
}

/// The table behind a relation, or 42809.
pub fn table_of(relation: &Relation) -> Result<&Table, PgError> {
    match &relation.kind {
        RelationKind::Table(table) => Ok(table),
        _ => Err(PgError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a table", relation.name),
        )
        .with_detail(format!("It is a {}.", relation.object_kind()))),
    }
}

/// Plans the source and fits it to the table.
pub async fn plan(
    session: &mut Session,
    insert: &ast::Insert,
    known: &[Option<FieldRef>],
) -> Result<InsertPlan, PgError> {
    refuse_extras(insert)?;
    let ast::TableObject::TableName(name) = &insert.table else {
        return Err(PgError::unsupported(
            "INSERT into a function is not supported",
        ));
    };
    let relation = target_table(session, name)?;
    let table = table_of(&relation)?.clone();
    let schema = session.transaction()?.snapshot(&relation).await?.schema();
    let targets = target_columns(insert, &schema, &relation)?;
    let Some(source) = &insert.source else {
        let source = defaults_only(session, &table, &schema)?;
        return Ok(InsertPlan {
            relation,
            schema,
            source,
        });
    };
    let mut source = (**source).clone();
    fill_defaults(&mut source, &targets, &schema, &table)?;
    let expected = expected_columns(&source, &targets, &schema)?;
    let known = typed_parameters(&source, &expected, known);
    let rows = session
        .planner()?
        .query_for_columns(source, &known, expected)
        .await?;
    let given = rows.schema().fields().len();
    let targets = fit_count(insert, targets, given)?;
    let source = project(session, rows, &targets, &schema, &table)?;
    Ok(InsertPlan {
        relation,
        schema,
        source,
    })
}

/// The target columns that the source's rows fill, all nullable: NOT NULL is checked later, with better words.
fn expected_columns(
    source: &ast::Query,
    targets: &[usize],
    schema: &SchemaRef,
) -> Result<DFSchema, PgError> {
    let given = match source.body.as_ref() {
        ast::SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.content.len()),
        _ => targets.len(),
    };
    let fields: Fields = targets
        .iter()
        .take(given)
        .map(|i| Arc::new(schema.field(*i).clone().with_nullable(true)))
        .collect();
    if given > targets.len() {
        return Err(PgError::syntax(
            "INSERT has more expressions than target columns",
        ));
    }
    Ok(DFSchema::from_unqualified_fields(
        fields,
        std::collections::HashMap::new(),
    )?)
}

/// A parameter that stands alone in a row has its column's type.
fn typed_parameters(
    source: &ast::Query,
    expected: &DFSchema,
    known: &[Option<FieldRef>],
) -> Vec<Option<FieldRef>> {
    let mut typed = known.to_vec();
    let mut note = |expr: &ast::Expr, column: usize| {
        if let Some(number) = placeholder_number(expr)
            && let Some(field) = expected.fields().get(column)
        {
            note_parameter(&mut typed, number, field);
        }
    };
    match source.body.as_ref() {
        ast::SetExpr::Values(values) => {
            for row in &values.rows {
                row.content
                    .iter()
                    .enumerate()
                    .for_each(|(i, expr)| note(expr, i));
            }
        }
        ast::SetExpr::Select(select) => {
            for (i, item) in select.projection.iter().enumerate() {
                if let ast::SelectItem::UnnamedExpr(expr) = item {
                    note(expr, i);
                }
            }
        }
        _ => {}
    }
    typed
}

/// The number of a bare `$n`.
pub fn placeholder_number(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(ast::ValueWithSpan {
            value: ast::Value::Placeholder(name),
            ..
        }) => name.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

/// Gives `$number` a type if nobody has.
pub fn note_parameter(typed: &mut Vec<Option<FieldRef>>, number: usize, field: &FieldRef) {
    if number == 0 {
        return;
    }
    if typed.len() < number {
        typed.resize(number, None);
    }
    typed[number - 1].get_or_insert_with(|| Arc::clone(field));
}

fn refuse_extras(insert: &ast::Insert) -> Result<(), PgError> {
    if insert.on.is_some() {
        return Err(
            PgError::unsupported("INSERT … ON CONFLICT is not supported").with_hint(
                "Keys are informational; delete the old rows first, in the same transaction.",
            ),
        );
    }
    if insert.returning.is_some() {
        return Err(PgError::unsupported("INSERT … RETURNING is not supported"));
    }
    Ok(())
}

/// Indices of the target columns in the table.
fn target_columns(
    insert: &ast::Insert,
    schema: &SchemaRef,
    relation: &Relation,
) -> Result<Vec<usize>, PgError> {
    if insert.columns.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let mut targets = Vec::with_capacity(insert.columns.len());
    for column in &insert.columns {
        let name = qualified(column)?.name;
        let index = column_index(schema, &name, relation)?;
        if targets.contains(&index) {
            return Err(PgError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        targets.push(index);
    }
    Ok(targets)
}

/// The index of a column, or 42703 with a suggestion.
pub fn column_index(schema: &SchemaRef, name: &str, relation: &Relation) -> Result<usize, PgError> {
    schema.index_of(name).map_err(|_| {
        let failure = PgError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                relation.name
            ),
        );
        let names = schema.fields().iter().map(|field| field.name().as_str());
        match crate::suggest::nearest(name, names) {
            Some(near) => failure.with_hint(format!("Perhaps you meant \"{near}\".")),
            None => failure,
        }
    })
}

/// Fewer values than columns are fine without a column list.
fn fit_count(
    insert: &ast::Insert,
    mut targets: Vec<usize>,
    given: usize,
) -> Result<Vec<usize>, PgError> {
    if given > targets.len() {
        return Err(PgError::syntax(
            "INSERT has more expressions than target columns",
        ));
    }
    if given < targets.len() {
        if !insert.columns.is_empty() {
            return Err(PgError::syntax(
                "INSERT has more target columns than expressions",
            ));
        }
        targets.truncate(given);
    }
    Ok(targets)
}

/// Replaces DEFAULT in VALUES rows by the column's default.
fn fill_defaults(
    source: &mut ast::Query,
    targets: &[usize],
    schema: &SchemaRef,
    table: &Table,
) -> Result<(), PgError> {
    let ast::SetExpr::Values(values) = source.body.as_mut() else {
        return Ok(());
    };
    for row in &mut values.rows {
        for (expr, target) in row.content.iter_mut().zip(targets) {
            let is_default = matches!(expr, ast::Expr::Identifier(ident)
                if ident.quote_style.is_none() && fold(ident) == "default");
            if is_default {
                *expr = match table.defaults.get(schema.field(*target).name()) {
                    Some(sql) => crate::parser::parse_expression(sql)?,
                    None => ast::Expr::Value(ast::Value::Null.into()),
                };
            }
        }
    }
    Ok(())
}

fn defaults_only(
    session: &mut Session,
    table: &Table,
    schema: &SchemaRef,
) -> Result<LogicalPlan, PgError> {
    let row = LogicalPlanBuilder::empty(true).build()?;
    project(session, row, &[], schema, table)
}

/// One expression per table column: the source's value, the default or NULL, cast to the column's type.
fn project(
    session: &mut Session,
    rows: LogicalPlan,
    targets: &[usize],
    schema: &SchemaRef,
    table: &Table,
) -> Result<LogicalPlan, PgError> {
    let planner = session.planner()?;
    let nothing = DFSchema::empty();
    let mut expressions = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let value = match targets.iter().position(|target| *target == index) {
            Some(position) => {
                let column = Column::from(rows.schema().qualified_field(position));
                Expr::Column(column).cast_to(field.data_type(), rows.schema())?
            }
            None => match table.defaults.get(field.name()) {
                Some(sql) => planner
                    .expression(crate::parser::parse_expression(sql)?, &nothing)?
                    .cast_to(field.data_type(), &nothing)?,
                None => Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
            },
        };
        expressions.push(value.alias(field.name()));
    }
    Ok(LogicalPlanBuilder::from(rows)
        .project(expressions)?
        .build()?)
}

/// Does the expression call a function whose value changes from row to row?
pub fn is_volatile(plan: &LogicalPlan) -> bool {
    use datafusion::common::tree_node::TreeNodeRecursion;
    let mut volatile = false;
    let walked = plan.apply_with_subqueries(|node| {
        volatile |= node.expressions().iter().any(Expr::is_volatile);
        Ok(if volatile {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    walked.is_err() || volatile
}
