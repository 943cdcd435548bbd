//! How does INSERT put rows into a table?
//!
//! The source is planned against the target columns' types, missing columns get their DEFAULT, constraints are
//! checked while the rows flow, and the transaction stages the files.

use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::Spanned;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::assignment::{always_detail, default_of, is_assignable, is_default, type_mismatch};
use super::constraints::Constraints;
use super::returning::{self, Buffer, Layout};
use super::{Described, change_rows, on_conflict, query};
use crate::error::PgError;
use crate::parser::Overriding;
use crate::plan::names::qualified;
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;
use arrow::datatypes::{Field, FieldRef, Fields, SchemaRef};
use std::sync::Arc;
use tarn_catalog::state::{Identity, Relation, RelationKind, Table};

/// What stands before the number of rows in the command tag: once there were OIDs.
pub const INSERTED: &str = "INSERT 0";

/// A planned INSERT.
pub struct InsertPlan {
    /// The target.
    pub relation: Arc<Relation>,
    /// The target's columns.
    pub schema: SchemaRef,
    /// Rows with exactly the target's columns.
    pub source: LogicalPlan,
    /// The name by which the statement calls the target.
    pub qualifier: TableReference,
    /// The target's columns under that name.
    pub layout: Layout,
}

/// INSERT INTO t [(columns)] query | DEFAULT VALUES [RETURNING …]
pub async fn run(
    session: &mut Session,
    insert: &ast::Insert,
    overriding: Overriding,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("INSERT")?;
    let planned = plan(session, insert, overriding, &parameters.fields).await?;
    if let Some(on) = &insert.on {
        return on_conflict::run(session, insert, on, planned, parameters).await;
    }
    let source = parameters.fill(planned.source)?;
    let Some(items) = &insert.returning else {
        let rows = append(session, &planned.relation, &planned.schema, &source).await?;
        return Ok(Outcome::Command(format!("{INSERTED} {rows}")));
    };
    let buffer = Buffer::new(session, &planned.layout);
    let constraints = Constraints::new(session, &planned.relation, Arc::clone(&planned.schema))?;
    let checked = constraints.check(query::stream(session, &source).await?);
    let kept = buffer.keep(checked);
    session
        .transaction()?
        .append(&planned.relation, kept)
        .await?;
    returning::rows(session, items, buffer, parameters, INSERTED).await
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

/// The parameters and columns of an INSERT.
pub async fn describe(
    session: &mut Session,
    insert: &ast::Insert,
    overriding: Overriding,
    known: &[Option<FieldRef>],
) -> Result<Described, PgError> {
    let planned = plan(session, insert, overriding, known).await?;
    let described = match &insert.on {
        Some(on) => on_conflict::describe(session, on, &planned, known).await?,
        None => Described::of(planned.source),
    };
    match &insert.returning {
        Some(items) => {
            let (plan, columns) =
                returning::describe(session, items, &planned.layout, known).await?;
            Ok(described.with_rows(plan, columns))
        }
        None => Ok(described),
    }
}

/// The table of a name, which must be one.
pub fn target_table(session: &Session, name: &ast::ObjectName) -> Result<Arc<Relation>, PgError> {
    let relation = session
        .names()
        .alterable(&qualified(name)?)
        .map_err(|error| error.at(name))?;
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
    overriding: Overriding,
    known: &[Option<FieldRef>],
) -> Result<InsertPlan, PgError> {
    let ast::TableObject::TableName(name) = &insert.table else {
        return Err(PgError::unsupported(
            "INSERT into a function is not supported",
        ));
    };
    let relation = target_table(session, name)?;
    let schema = session.transaction()?.snapshot(&relation).await?.schema();
    let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
    let qualifier = change_rows::qualifier(name, alias)?;
    let layout = Layout::of_table(&qualifier, &schema);
    let target = TargetColumns {
        named: target_columns(insert, &schema, &relation)?,
        table: table_of(&relation)?,
        schema: &schema,
        overriding,
    };
    let source = match &insert.source {
        Some(source) => plan_rows(session, insert, (**source).clone(), &target, known).await?,
        None => project(
            session,
            LogicalPlanBuilder::empty(true).build()?,
            &[],
            &target,
        )?,
    };
    Ok(InsertPlan {
        source,
        schema,
        relation,
        qualifier,
        layout,
    })
}

/// What the rows of a source are fitted to.
struct TargetColumns<'a> {
    /// Indices of the columns that the statement names, or all.
    named: Vec<usize>,
    table: &'a Table,
    schema: &'a SchemaRef,
    overriding: Overriding,
}

impl TargetColumns<'_> {
    /// Are given values of a column thrown away?
    fn is_overridden(&self, column: usize) -> bool {
        self.overriding == Overriding::User
            && self
                .table
                .generated
                .contains_key(self.schema.field(column).name())
    }

    /// 428C9 for a value given to a column that generates its own.
    fn check_given(&self, column: usize) -> Result<(), PgError> {
        let name = self.schema.field(column).name();
        let is_always = self.table.generated.get(name) == Some(&Identity::Always);
        if !is_always || self.overriding != Overriding::Nothing {
            return Ok(());
        }
        let error = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
        Err(PgError::new(sqlstate::GENERATED_ALWAYS, error)
            .with_detail(always_detail(name))
            .with_hint("Use OVERRIDING SYSTEM VALUE to override."))
    }
}

/// Plans VALUES or a query as rows of the table.
async fn plan_rows(
    session: &mut Session,
    insert: &ast::Insert,
    mut source: ast::Query,
    target: &TargetColumns<'_>,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    check_counts(insert, &source, target.named.len())?;
    fill_defaults(&mut source, target)?;
    let expected = expected_columns(&source, target)?;
    let known = typed_parameters(&source, &expected, known);
    let is_values = matches!(source.body.as_ref(), ast::SetExpr::Values(_));
    let mut planner = session.planner()?;
    let rows = match is_values {
        true => planner.query_for_columns(source, &known, expected).await?,
        false => planner.query(source, &known).await?,
    };
    let given = rows.schema().fields().len();
    let named = fit_count(insert, target.named.clone(), given)?;
    if !is_values {
        for (position, column) in named.iter().enumerate() {
            target.check_given(*column)?;
            check_type(&rows, position, target.schema.field(*column))?;
        }
    }
    project(session, rows, &named, target)
}

/// 42804 for a computed column of a type that is not assigned to the target's.
fn check_type(rows: &LogicalPlan, position: usize, column: &Field) -> Result<(), PgError> {
    let LogicalPlan::Projection(projection) = rows else {
        return Ok(());
    };
    let is_literal = projection.expr.get(position).is_none_or(|expr| {
        matches!(
            expr.clone().unalias(),
            Expr::Literal(..) | Expr::Placeholder(_)
        )
    });
    let given = rows.schema().field(position);
    if is_literal || is_assignable(given.data_type(), column.data_type()) {
        return Ok(());
    }
    Err(type_mismatch(given, column))
}

/// The target columns that the source's rows fill, all nullable: NOT NULL is checked later, with better words.
fn expected_columns(source: &ast::Query, target: &TargetColumns<'_>) -> Result<DFSchema, PgError> {
    let given = match source.body.as_ref() {
        ast::SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.content.len()),
        _ => target.named.len(),
    };
    let fields: Fields = target
        .named
        .iter()
        .take(given)
        .map(|i| Arc::new(target.schema.field(*i).clone().with_nullable(true)))
        .collect();
    Ok(DFSchema::from_unqualified_fields(
        fields,
        std::collections::HashMap::new(),
    )?)
}

/// Counts the expressions before anything is planned, and points at the first that is too many or too few.
fn check_counts(insert: &ast::Insert, source: &ast::Query, columns: usize) -> Result<(), PgError> {
    let given: Vec<Span> = match source.body.as_ref() {
        ast::SetExpr::Values(values) => {
            let lengths = values.rows.first().map_or(0, |row| row.content.len());
            let odd = values.rows.iter().find(|row| row.content.len() != lengths);
            if let Some(row) = odd {
                let error = PgError::syntax("VALUES lists must all be the same length");
                return Err(match row.content.first() {
                    Some(expr) => error.at(expr),
                    None => error,
                });
            }
            let first = values.rows.first();
            first.map_or_else(Vec::new, |row| {
                row.content.iter().map(Spanned::span).collect()
            })
        }
        ast::SetExpr::Select(select) => {
            let is_wildcard = |item: &ast::SelectItem| {
                matches!(
                    item,
                    ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..)
                )
            };
            if select.projection.iter().any(is_wildcard) {
                return Ok(());
            }
            select.projection.iter().map(Spanned::span).collect()
        }
        _ => return Ok(()),
    };
    if let Some(extra) = given.get(columns) {
        return Err(too_many(Some(*extra)));
    }
    if let Some(name) = insert.columns.get(given.len()) {
        return Err(too_few(name));
    }
    Ok(())
}

fn too_many(extra: Option<Span>) -> PgError {
    let error = PgError::syntax("INSERT has more expressions than target columns");
    PgError {
        location: extra.map(|span| span.start).filter(|start| start.line > 0),
        ..error
    }
}

fn too_few(name: &ast::ObjectName) -> PgError {
    PgError::syntax("INSERT has more target columns than expressions").at(name)
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
        let index = column_index(schema, &name, relation).map_err(|error| error.at(column))?;
        if targets.contains(&index) {
            return Err(PgError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            )
            .at(column));
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
        match tarn_udfs::suggest::nearest(name, names) {
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
        return Err(too_many(None));
    }
    if let Some(name) = insert.columns.get(given) {
        return Err(too_few(name));
    }
    targets.truncate(given);
    Ok(targets)
}

/// Replaces DEFAULT in VALUES rows by the column's default, and refuses what identity columns do not take.
fn fill_defaults(source: &mut ast::Query, target: &TargetColumns<'_>) -> Result<(), PgError> {
    let ast::SetExpr::Values(values) = source.body.as_mut() else {
        return Ok(());
    };
    for row in &mut values.rows {
        for (expr, column) in row.content.iter_mut().zip(&target.named) {
            let is_default = is_default(expr);
            if !is_default {
                target.check_given(*column)?;
            }
            if target.is_overridden(*column) {
                // Its number comes from the sequence when the row is made.
                *expr = ast::Expr::Value(ast::Value::Null.into());
            } else if is_default {
                *expr = default_of(target.table, target.schema.field(*column).name())?;
            }
        }
    }
    Ok(())
}

/// One expression per table column: the source's value, the default or NULL, cast to the column's type.
fn project(
    session: &mut Session,
    rows: LogicalPlan,
    named: &[usize],
    target: &TargetColumns<'_>,
) -> Result<LogicalPlan, PgError> {
    let planner = session.planner()?;
    let nothing = DFSchema::empty();
    let mut expressions = Vec::with_capacity(target.schema.fields().len());
    for (index, field) in target.schema.fields().iter().enumerate() {
        let given = named.iter().position(|column| *column == index);
        let value = match given.filter(|_| !target.is_overridden(index)) {
            Some(position) => {
                let column = Column::from(rows.schema().qualified_field(position));
                Expr::Column(column).cast_to(field.data_type(), rows.schema())?
            }
            None => match target.table.defaults.get(field.name()) {
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
