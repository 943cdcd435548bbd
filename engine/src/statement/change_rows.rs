//! What do UPDATE and DELETE ask for, and which plan finds their rows?
//!
//! The first plan joins the changed table, with the place of each row, to what FROM or USING names and keeps the
//! rows that match. The second one computes the new values over it. Both are one query in the end, so a condition
//! is evaluated once per row.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::Relation;
use tarn_catalog::table::scan::PlaceColumns;
use tarn_catalog::table::snapshot::TableSnapshot;

use super::Described;
use super::assignment::{Assignment, Target, read_assignments};
use super::insert::{note_parameter, placeholder_number, target_table};
use super::returning::{self, Layout};
use super::row_changes;
use crate::error::PgError;
use crate::plan::given::{query_of, select_from};
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;

/// The columns that say where a row lies.
pub const PLACE: PlaceColumns<'static> = PlaceColumns {
    file: "target\u{1f}file",
    row: "target\u{1f}row",
};

/// The name that stands for the changed table.
const TARGET_MARKER: &str = "target\u{1f}w\u{1f}0";

/// The name that stands for the rows that match.
const FOUND_MARKER: &str = "found\u{1f}w\u{1f}0";

/// What happens to the rows that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They get new values.
    Update,
    /// They go.
    Delete,
}

impl Kind {
    /// The first word of the command tag, and the operation in the table's history.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Update => "UPDATE",
            Kind::Delete => "DELETE",
        }
    }
}

/// What one UPDATE or DELETE is about.
pub struct Change {
    /// Update or delete.
    pub kind: Kind,
    /// The changed table.
    pub relation: Arc<Relation>,
    /// Its rows.
    pub snapshot: TableSnapshot,
    /// Its columns.
    pub schema: SchemaRef,
    /// The name by which the statement calls the table.
    pub qualifier: TableReference,
    /// Common table expressions in front of the statement.
    pub with: Option<ast::With>,
    /// FROM or USING.
    pub sources: Vec<ast::TableWithJoins>,
    /// WHERE
    pub condition: Option<ast::Expr>,
    /// SET
    pub assignments: Vec<Assignment>,
    /// RETURNING
    pub returning: Option<Vec<ast::SelectItem>>,
    /// Plans that stand for names in `sources`; RETURNING does not see them.
    pub given: Vec<(&'static str, LogicalPlan)>,
}

/// The planned rows of a change.
pub struct ChangePlan {
    /// File and row number, then the columns of `layout`.
    pub plan: LogicalPlan,
    /// The columns behind the place; empty when nobody needs them.
    pub layout: Layout,
}

/// UPDATE t SET … [FROM …] [WHERE …] [RETURNING …]
pub async fn update(
    session: &mut Session,
    update: &ast::Update,
    with: Option<&ast::With>,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("UPDATE")?;
    let change = Change {
        with: with.cloned(),
        ..read_update(session, update).await?
    };
    row_changes::run(session, &change, parameters).await
}

/// DELETE FROM t [USING …] [WHERE …] [RETURNING …]
pub async fn delete(
    session: &mut Session,
    delete: &ast::Delete,
    with: Option<&ast::With>,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("DELETE")?;
    let change = Change {
        with: with.cloned(),
        ..read_delete(session, delete).await?
    };
    row_changes::run(session, &change, parameters).await
}

/// The parameters and columns of an UPDATE.
pub async fn describe_update(
    session: &mut Session,
    update: &ast::Update,
    with: Option<&ast::With>,
    known: &[Option<FieldRef>],
) -> Result<Described, PgError> {
    let change = Change {
        with: with.cloned(),
        ..read_update(session, update).await?
    };
    describe(session, &change, known).await
}

/// The parameters and columns of a DELETE.
pub async fn describe_delete(
    session: &mut Session,
    delete: &ast::Delete,
    with: Option<&ast::With>,
    known: &[Option<FieldRef>],
) -> Result<Described, PgError> {
    let change = Change {
        with: with.cloned(),
        ..read_delete(session, delete).await?
    };
    describe(session, &change, known).await
}

/// The name of the table of an UPDATE, and the plan of its rows.
pub async fn explain_update(
    session: &mut Session,
    update: &ast::Update,
    known: &[Option<FieldRef>],
) -> Result<(String, LogicalPlan), PgError> {
    let change = read_update(session, update).await?;
    let planned = plan_change(session, &change, known).await?;
    Ok((change.relation.name.clone(), planned.plan))
}

/// The name of the table of a DELETE, and the plan of its rows.
pub async fn explain_delete(
    session: &mut Session,
    delete: &ast::Delete,
    known: &[Option<FieldRef>],
) -> Result<(String, LogicalPlan), PgError> {
    let change = read_delete(session, delete).await?;
    let planned = plan_change(session, &change, known).await?;
    Ok((change.relation.name.clone(), planned.plan))
}

async fn describe(
    session: &mut Session,
    change: &Change,
    known: &[Option<FieldRef>],
) -> Result<Described, PgError> {
    let planned = plan_change(session, change, known).await?;
    let described = Described::of(planned.plan);
    match &change.returning {
        Some(items) => {
            let (plan, columns) =
                returning::describe(session, items, &planned.layout, known).await?;
            Ok(described.with_rows(plan, columns))
        }
        None => Ok(described),
    }
}

async fn read_update(session: &mut Session, update: &ast::Update) -> Result<Change, PgError> {
    if !update.order_by.is_empty() || update.limit.is_some() || update.or.is_some() {
        return Err(PgError::syntax("UPDATE takes no OR, ORDER BY or LIMIT"));
    }
    let mut change = target(session, Kind::Update, &update.table).await?;
    change.sources = match &update.from {
        None => Vec::new(),
        Some(ast::UpdateTableFromKind::AfterSet(from)) => from.clone(),
        Some(ast::UpdateTableFromKind::BeforeSet(_)) => {
            return Err(PgError::syntax("FROM stands behind SET"));
        }
    };
    let target = Target {
        relation: &change.relation,
        schema: &change.schema,
    };
    change.assignments = read_assignments(&target, &update.assignments)?;
    change.condition.clone_from(&update.selection);
    change.returning.clone_from(&update.returning);
    Ok(change)
}

async fn read_delete(session: &mut Session, delete: &ast::Delete) -> Result<Change, PgError> {
    if !delete.order_by.is_empty() || delete.limit.is_some() || !delete.tables.is_empty() {
        return Err(PgError::syntax("DELETE takes no ORDER BY or LIMIT"));
    }
    let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
        &delete.from;
    let [table] = from.as_slice() else {
        return Err(PgError::syntax("DELETE takes one table"));
    };
    let mut change = target(session, Kind::Delete, table).await?;
    change.sources = delete.using.clone().unwrap_or_default();
    change.condition.clone_from(&delete.selection);
    change.returning.clone_from(&delete.returning);
    Ok(change)
}

async fn target(
    session: &mut Session,
    kind: Kind,
    table: &ast::TableWithJoins,
) -> Result<Change, PgError> {
    let (
        [],
        ast::TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        },
    ) = (table.joins.as_slice(), &table.relation)
    else {
        return Err(PgError::syntax("the changed table must be one table"));
    };
    let relation = target_table(session, name)?;
    let snapshot = session.transaction()?.snapshot(&relation).await?;
    Ok(Change {
        kind,
        qualifier: qualifier(name, alias.as_ref().map(|alias| &alias.name))?,
        schema: snapshot.schema(),
        relation,
        snapshot,
        with: None,
        sources: Vec::new(),
        condition: None,
        assignments: Vec::new(),
        returning: None,
        given: Vec::new(),
    })
}

/// The name by which a statement calls its target: the alias, or the name as it is written.
pub fn qualifier(
    name: &ast::ObjectName,
    alias: Option<&ast::Ident>,
) -> Result<TableReference, PgError> {
    if let Some(alias) = alias {
        return Ok(TableReference::bare(fold(alias)));
    }
    let written = qualified(name)?;
    Ok(match written.schema {
        Some(schema) => TableReference::partial(schema, written.name),
        None => TableReference::bare(written.name),
    })
}

/// Plans the places of the matching rows and, for UPDATE and RETURNING, their columns.
pub async fn plan_change(
    session: &mut Session,
    change: &Change,
    known: &[Option<FieldRef>],
) -> Result<ChangePlan, PgError> {
    let found = plan_found(session, change, known).await?;
    let layout = layout_of(change, &found);
    let mut known = known.to_vec();
    for assignment in &change.assignments {
        if let Some(number) = placeholder_number(&assignment.value) {
            let field = &change.schema.fields()[assignment.column];
            note_parameter(&mut known, number, field);
        }
    }
    let mut select = select_from(FOUND_MARKER)?;
    select.projection = items(change, &layout);
    let mut planner = session.planner()?;
    planner.given.insert(FOUND_MARKER, found);
    let plan = planner.query(with_tables(change, select)?, &known).await?;
    let plan = fit(change, plan, &layout)?;
    Ok(ChangePlan { plan, layout })
}

/// `SELECT * FROM target, sources WHERE condition`
pub async fn plan_found(
    session: &mut Session,
    change: &Change,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    let provider = change
        .snapshot
        .provider_with_places(PLACE, None)
        .map_err(tarn_catalog::error::CatalogError::from)?;
    let source = provider_as_source(provider);
    let scan = LogicalPlanBuilder::scan(change.qualifier.clone(), source, None)?.build()?;
    let mut select = select_from(TARGET_MARKER)?;
    select.from.extend(change.sources.iter().cloned());
    select.selection.clone_from(&change.condition);
    let mut planner = session.planner()?;
    planner.given.insert(TARGET_MARKER, scan);
    for (marker, plan) in &change.given {
        planner.given.insert(marker, plan.clone());
    }
    planner.query(with_tables(change, select)?, known).await
}

/// A SELECT that sees the statement's common table expressions.
fn with_tables(change: &Change, select: ast::Select) -> Result<ast::Query, PgError> {
    let mut query = query_of(select)?;
    query.with.clone_from(&change.with);
    Ok(query)
}

/// The columns that writing and RETURNING need: the table's, then those of the sources.
fn layout_of(change: &Change, found: &LogicalPlan) -> Layout {
    if change.kind == Kind::Delete && change.returning.is_none() {
        return Layout::default();
    }
    let mut layout = Layout::of_table(&change.qualifier, &change.schema);
    if change.returning.is_some() && change.given.is_empty() {
        let sources = found.schema().iter().skip(change.schema.fields().len() + 2);
        for (qualifier, field) in sources {
            layout.push(qualifier.cloned(), Arc::clone(field));
        }
    }
    layout
}

/// The place, then every column of the layout: new values where there are some.
fn items(change: &Change, layout: &Layout) -> Vec<ast::SelectItem> {
    let place = [PLACE.file, PLACE.row].map(|name| qualified_column(&change.qualifier, name));
    let columns = layout.columns().iter().enumerate();
    let values = columns.map(|(index, (qualifier, field))| {
        let assigned = change
            .assignments
            .iter()
            .find(|assignment| assignment.column == index);
        match (assigned, qualifier) {
            (Some(assignment), _) => assignment.value.clone(),
            (None, Some(qualifier)) => qualified_column(qualifier, field.name()),
            (None, None) => ast::Expr::Identifier(ast::Ident::with_quote('"', field.name())),
        }
    });
    place
        .into_iter()
        .chain(values)
        .enumerate()
        .map(|(position, expr)| ast::SelectItem::ExprWithAlias {
            expr,
            alias: ast::Ident::with_quote('"', format!("value\u{1f}{position}")),
        })
        .collect()
}

/// `qualifier.name`, as it is spelled.
pub fn qualified_column(qualifier: &TableReference, name: &str) -> ast::Expr {
    let parts = qualifier.to_vec().into_iter().chain([name.to_string()]);
    ast::Expr::CompoundIdentifier(
        parts
            .map(|part| ast::Ident::with_quote('"', part))
            .collect(),
    )
}

/// Casts the new values to the types of their columns.
fn fit(change: &Change, plan: LogicalPlan, layout: &Layout) -> Result<LogicalPlan, PgError> {
    let mut expressions = Vec::with_capacity(layout.columns().len() + 2);
    for position in 0..2 {
        expressions.push(Expr::Column(Column::from(
            plan.schema().qualified_field(position),
        )));
    }
    for (index, (_, field)) in layout.columns().iter().enumerate() {
        let (qualifier, given) = plan.schema().qualified_field(index + 2);
        let column = Expr::Column(Column::from((qualifier, given)));
        let assigned = change
            .assignments
            .iter()
            .find(|assignment| assignment.column == index);
        if let Some(assignment) = assigned {
            assignment.check_type(given, field)?;
        }
        let fitted = column.cast_to(field.data_type(), plan.schema())?;
        expressions.push(fitted.alias(format!("fitted\u{1f}{index}")));
    }
    Ok(LogicalPlanBuilder::from(plan)
        .project(expressions)?
        .build()?)
}
