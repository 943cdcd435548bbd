//! How does INSERT … ON CONFLICT meet rows that are there already?
//!
//! Keys are declared but not enforced, so the conflicts are found by a join of the proposed rows with the
//! transaction's snapshot. What is updated and what is new is one commit, and no other commit may come between the
//! look and the write.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::TableReference;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, TryStreamExt, stream};
use tarn_catalog::state::{ConstraintKind, Relation};

use super::assignment::{Target, read_assignments};
use super::change_rows::{Change, Kind, plan_change, plan_found, qualified_column};
use super::constraints::Constraints;
use super::insert::{INSERTED, InsertPlan, column_index, table_of};
use super::returning::{self, Buffer, Layout};
use super::row_changes::{Changes, find, with_kept_rows};
use super::{Described, query};
use crate::error::PgError;
use crate::plan::given::select_from;
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// The name that stands for the proposed rows.
const EXCLUDED_MARKER: &str = "excluded\u{1f}w\u{1f}0";

/// The column that numbers the proposed rows.
const NUMBER: &str = "excluded\u{1f}number";

/// INSERT … ON CONFLICT … DO NOTHING | DO UPDATE
pub async fn run(
    session: &mut Session,
    insert: &ast::Insert,
    on: &ast::OnInsert,
    planned: InsertPlan,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let on = read(on)?;
    let keys = keys(on, &planned)?;
    let relation = Arc::clone(&planned.relation);
    let proposed = Proposed::take(session, planned, parameters).await?;
    session.transaction()?.bind_to_read(&relation).await?;
    let mut is_new = vec![true; proposed.rows];
    for key in &keys {
        proposed.check_repeats(key, on, &mut is_new)?;
    }
    for key in &keys {
        for number in proposed.conflicts(session, key, parameters).await? {
            if let Some(flag) = is_new.get_mut(number) {
                *flag = false;
            }
        }
    }
    let inserted = proposed.chosen(&is_new)?;
    let count: usize = inserted.iter().map(RecordBatch::num_rows).sum();
    let mut change = proposed.change(session, insert.returning.clone()).await?;
    if let ast::OnConflictAction::DoUpdate(update) = &on.action {
        let Some(key) = keys.first() else {
            return Err(no_matching_key());
        };
        complete(&mut change, key, update)?;
        return merge(session, &change, inserted, parameters).await;
    }
    let buffer = Buffer::new(session, &proposed.layout);
    for batch in &inserted {
        buffer.push(batch.columns().to_vec(), batch.num_rows())?;
    }
    let rows = query::of_batches(&proposed.schema, inserted);
    session.transaction()?.append(&relation, rows).await?;
    match &insert.returning {
        Some(items) => returning::rows(session, items, buffer, parameters, INSERTED).await,
        None => Ok(Outcome::Command(format!("{INSERTED} {count}"))),
    }
}

/// Updates the rows that conflict, and writes the new ones behind them.
async fn merge(
    session: &mut Session,
    change: &Change,
    inserted: Vec<RecordBatch>,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let Changes {
        places,
        buffer,
        rows,
    } = find(session, change, parameters).await?;
    let count: usize = inserted.iter().map(RecordBatch::num_rows).sum();
    if let Some(buffer) = &buffer {
        for batch in &inserted {
            buffer.push(batch.columns().to_vec(), batch.num_rows())?;
        }
    }
    let all = rows.chain(stream::iter(inserted.into_iter().map(Ok)));
    let rows = with_kept_rows(session, &change.snapshot, &places, all);
    let removed = places.clone();
    session
        .transaction()?
        .rewrite(&change.relation, rows, || removed.files(), "MERGE")
        .await?;
    let written = places.rows() + count as u64;
    match (&change.returning, buffer) {
        (Some(items), Some(buffer)) => {
            returning::rows(session, items, buffer, parameters, INSERTED).await
        }
        _ => Ok(Outcome::Command(format!("{INSERTED} {written}"))),
    }
}

/// The plans that have the parameters.
pub async fn describe(
    session: &mut Session,
    on: &ast::OnInsert,
    planned: &InsertPlan,
    known: &[Option<FieldRef>],
) -> Result<Described, PgError> {
    let on = read(on)?;
    let keys = keys(on, planned)?;
    let mut described = Described::of(planned.source.clone());
    if let (ast::OnConflictAction::DoUpdate(update), Some(key)) = (&on.action, keys.first()) {
        let excluded = excluded_layout(&planned.layout).no_rows()?;
        let mut change = change_of(session, planned, excluded).await?;
        complete(&mut change, key, update)?;
        described
            .plans
            .push(plan_change(session, &change, known).await?.plan);
    }
    Ok(described)
}

fn read(on: &ast::OnInsert) -> Result<&ast::OnConflict, PgError> {
    match on {
        ast::OnInsert::OnConflict(on) => Ok(on),
        other => Err(PgError::syntax(format!("{other} is not PostgreSQL's"))),
    }
}

/// The columns of the keys that may conflict, by index.
fn keys(on: &ast::OnConflict, planned: &InsertPlan) -> Result<Vec<Vec<usize>>, PgError> {
    let (relation, schema) = (&planned.relation, &planned.schema);
    let indices = |columns: &[String]| -> Vec<usize> {
        let found = columns
            .iter()
            .filter_map(|column| schema.index_of(column).ok());
        found.collect()
    };
    let declared = table_of(relation)?.constraints.iter();
    let declared = declared.filter_map(|constraint| match &constraint.kind {
        ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns } => {
            Some((constraint.name.as_str(), indices(columns)))
        }
        ConstraintKind::ForeignKey { .. } => None,
    });
    let declared: Vec<(&str, Vec<usize>)> = declared.collect();
    match &on.conflict_target {
        None if matches!(on.action, ast::OnConflictAction::DoUpdate(_)) => {
            let error = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
            Err(PgError::syntax(error).with_hint("For example, ON CONFLICT (column_name)."))
        }
        None => Ok(declared.into_iter().map(|(_, key)| key).collect()),
        Some(ast::ConflictTarget::Columns(columns)) => {
            let mut wanted = columns
                .iter()
                .map(|column| column_index(schema, &fold(column), relation))
                .collect::<Result<Vec<usize>, PgError>>()
                .map_err(|error| plain_column_error(error, columns))?;
            wanted.sort_unstable();
            wanted.dedup();
            let mut matching = declared.into_iter().filter(|(_, key)| {
                let mut key = key.clone();
                key.sort_unstable();
                key == wanted
            });
            match matching.next() {
                Some((_, key)) => Ok(vec![key]),
                None => Err(no_matching_key()),
            }
        }
        Some(ast::ConflictTarget::OnConstraint(name)) => named_key(name, declared, relation),
    }
}

fn plain_column_error(error: PgError, columns: &[ast::Ident]) -> PgError {
    match columns.first() {
        Some(column) => PgError {
            location: Some(column.span.start).filter(|start| start.line > 0),
            ..error
        },
        None => error,
    }
}

fn named_key(
    name: &ast::ObjectName,
    declared: Vec<(&str, Vec<usize>)>,
    relation: &Relation,
) -> Result<Vec<Vec<usize>>, PgError> {
    let wanted = qualified(name)?.name;
    let mut found = declared.into_iter().filter(|(name, _)| *name == wanted);
    match found.next() {
        Some((_, key)) => Ok(vec![key]),
        None => Err(PgError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!(
                "constraint \"{wanted}\" for table \"{}\" does not exist",
                relation.name
            ),
        )),
    }
}

fn no_matching_key() -> PgError {
    PgError::new(
        sqlstate::INVALID_COLUMN_REFERENCE,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    )
}

/// The proposed rows, checked and in memory.
struct Proposed {
    planned: InsertPlan,
    buffer: Buffer,
    rows: usize,
}

impl std::ops::Deref for Proposed {
    type Target = InsertPlan;

    fn deref(&self) -> &InsertPlan {
        &self.planned
    }
}

fn excluded_layout(table: &Layout) -> Layout {
    let mut layout = Layout::default();
    let excluded = TableReference::bare("excluded");
    for (_, field) in table.columns() {
        layout.push(Some(excluded.clone()), Arc::clone(field));
    }
    let number: FieldRef = Arc::new(Field::new(NUMBER, DataType::Int64, false));
    layout.push(Some(excluded), number);
    layout
}

impl Proposed {
    /// Runs the source.
    async fn take(
        session: &mut Session,
        planned: InsertPlan,
        parameters: &Parameters,
    ) -> Result<Proposed, PgError> {
        let source = parameters.fill(planned.source.clone())?;
        let constraints =
            Constraints::new(session, &planned.relation, Arc::clone(&planned.schema))?;
        let mut checked = constraints.check(query::stream(session, &source).await?);
        let buffer = Buffer::new(session, &excluded_layout(&planned.layout));
        let mut rows = 0;
        while let Some(batch) = checked.try_next().await? {
            let count = batch.num_rows();
            let numbers = Int64Array::from_iter_values((rows..rows + count).map(|row| row as i64));
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(numbers));
            buffer.push(columns, count)?;
            rows += count;
        }
        Ok(Proposed {
            planned,
            buffer,
            rows,
        })
    }

    /// Rows with a key that an earlier row has: they are left out, or refused when both would be written.
    fn check_repeats(
        &self,
        key: &[usize],
        on: &ast::OnConflict,
        is_new: &mut [bool],
    ) -> Result<(), PgError> {
        let fields = key
            .iter()
            .map(|column| SortField::new(self.schema.field(*column).data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        let mut seen: HashSet<Box<[u8]>> = HashSet::new();
        let mut number = 0;
        for batch in self.buffer.batches() {
            let columns: Vec<ArrayRef> = key
                .iter()
                .map(|column| Arc::clone(batch.column(*column)))
                .collect();
            let rows = converter.convert_columns(&columns)?;
            for row in 0..batch.num_rows() {
                let has_null = columns.iter().any(|column| column.is_null(row));
                let is_repeated = !has_null && !seen.insert(rows.row(row).as_ref().into());
                if is_repeated && matches!(on.action, ast::OnConflictAction::DoUpdate(_)) {
                    return Err(second_time());
                }
                is_new[number] &= !is_repeated;
                number += 1;
            }
        }
        Ok(())
    }

    /// Numbers of the rows whose key is in the table.
    async fn conflicts(
        &self,
        session: &mut Session,
        key: &[usize],
        parameters: &Parameters,
    ) -> Result<Vec<usize>, PgError> {
        let mut change = self.change(session, None).await?;
        change.condition = Some(same_key(&change, key));
        let found = plan_found(session, &change, &parameters.fields).await?;
        let number = datafusion::common::Column::new(Some("excluded"), NUMBER);
        let plan = datafusion::logical_expr::LogicalPlanBuilder::from(found)
            .project([datafusion::logical_expr::Expr::Column(number)])?
            .build()?;
        let batches: Vec<RecordBatch> = query::stream(session, &plan).await?.try_collect().await?;
        let mut numbers = Vec::new();
        for batch in &batches {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>();
            let found = column.into_iter().flat_map(|column| column.values().iter());
            numbers.extend(found.filter_map(|number| usize::try_from(*number).ok()));
        }
        Ok(numbers)
    }

    /// The flagged rows, with the table's columns.
    fn chosen(&self, is_chosen: &[bool]) -> Result<Vec<RecordBatch>, PgError> {
        let mut first = 0;
        let mut chosen = Vec::new();
        for batch in self.buffer.batches() {
            let flags = is_chosen[first..first + batch.num_rows()].to_vec();
            first += batch.num_rows();
            let rows = filter_record_batch(&batch, &BooleanArray::from(flags))?;
            let own = rows.columns()[..self.schema.fields().len()].to_vec();
            chosen.push(RecordBatch::try_new(Arc::clone(&self.schema), own)?);
        }
        Ok(chosen)
    }

    /// A change of the table that sees the proposed rows.
    async fn change(
        &self,
        session: &mut Session,
        returning: Option<Vec<ast::SelectItem>>,
    ) -> Result<Change, PgError> {
        let mut change = change_of(session, &self.planned, self.buffer.plan()?).await?;
        change.returning = returning;
        Ok(change)
    }
}

fn second_time() -> PgError {
    PgError::new(
        sqlstate::CARDINALITY_VIOLATION,
        "ON CONFLICT DO UPDATE command cannot affect row a second time",
    )
    .with_hint(
        "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
    )
}

async fn change_of(
    session: &mut Session,
    planned: &InsertPlan,
    excluded: LogicalPlan,
) -> Result<Change, PgError> {
    let snapshot = session.transaction()?.snapshot(&planned.relation).await?;
    Ok(Change {
        kind: Kind::Update,
        relation: Arc::clone(&planned.relation),
        snapshot,
        schema: Arc::clone(&planned.schema),
        qualifier: planned.qualifier.clone(),
        with: None,
        sources: select_from(EXCLUDED_MARKER)?.from,
        condition: None,
        assignments: Vec::new(),
        returning: None,
        given: vec![(EXCLUDED_MARKER, excluded)],
    })
}

/// DO UPDATE SET … [WHERE …] for the rows with the same key.
fn complete(change: &mut Change, key: &[usize], update: &ast::DoUpdate) -> Result<(), PgError> {
    let target = Target {
        relation: &change.relation,
        schema: &change.schema,
    };
    change.assignments = read_assignments(&target, &update.assignments)?;
    let same = same_key(change, key);
    change.condition = Some(match &update.selection {
        Some(condition) => and(same, ast::Expr::Nested(Box::new(condition.clone()))),
        None => same,
    });
    Ok(())
}

/// `t.a = excluded.a AND …`
fn same_key(change: &Change, key: &[usize]) -> ast::Expr {
    let excluded = TableReference::bare("excluded");
    let equal = key.iter().map(|column| {
        let name = change.schema.field(*column).name();
        ast::Expr::BinaryOp {
            left: Box::new(qualified_column(&change.qualifier, name)),
            op: ast::BinaryOperator::Eq,
            right: Box::new(qualified_column(&excluded, name)),
        }
    });
    let nothing = || ast::Expr::Value(ast::Value::Boolean(false).into());
    equal.reduce(and).unwrap_or_else(nothing)
}

fn and(left: ast::Expr, right: ast::Expr) -> ast::Expr {
    ast::Expr::BinaryOp {
        left: Box::new(left),
        op: ast::BinaryOperator::And,
        right: Box::new(right),
    }
}
