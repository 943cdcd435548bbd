//! How does ALTER TABLE change a table that has rows?
//!
//! Each action changes the transaction's own view of the table, so several actions, or several statements of a
//! block, become one Delta commit. What only adds a column without a default, or only concerns the catalog, leaves
//! the files alone; everything else writes them anew. Delta could hide a dropped or renamed column behind a
//! mapping of names, which many readers do not know.

mod columns;
mod constraints;
mod defaults;
mod place;
mod views;

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;
use tarn_catalog::state::{Op, Relation, Table, TableOptions};
use tarn_catalog::transaction::Redefinition;
use uuid::Uuid;

use super::constraints::Constraints;
use super::insert::table_of;
use super::query;
pub use constraints::check_one_primary_key;
pub use place::check_owner_name;
pub use views::{Reason, check as check_views};

use crate::error::PgError;
use crate::parser::SetSchema;
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::sqlstate;

/// What the history of the table calls it.
const OPERATION: &str = "ALTER TABLE";

/// ALTER TABLE [IF EXISTS] t action, …
pub async fn run(session: &mut Session, alter: &ast::AlterTable) -> Result<Outcome, PgError> {
    session.check_writable(OPERATION)?;
    let done = Outcome::Command(OPERATION.to_string());
    let written = qualified(&alter.name)?;
    let names = session.names();
    let relation = match names.find_relation(&written) {
        None if alter.if_exists => {
            skipped(session, &written.name);
            return Ok(done);
        }
        _ => names
            .alterable(&written)
            .map_err(|error| error.at(&alter.name))?,
    };
    for operation in &alter.operations {
        act(session, relation.id, operation).await?;
    }
    Ok(done)
}

/// ALTER { TABLE | VIEW | SEQUENCE } [IF EXISTS] name SET SCHEMA schema
pub fn set_schema(session: &mut Session, set: &SetSchema) -> Result<Outcome, PgError> {
    let tag = format!("ALTER {}", set.kind.to_string().to_uppercase());
    session.check_writable(&tag)?;
    let written = qualified(&set.name)?;
    let names = session.names();
    match names.find_relation(&written) {
        None if set.if_exists => skipped(session, &written.name),
        _ => {
            let relation = names.alterable(&written)?;
            place::set_schema(session, &relation, &fold(&set.schema))?;
        }
    }
    Ok(Outcome::Command(tag))
}

fn skipped(session: &Session, name: &str) {
    let message = format!("relation \"{name}\" does not exist, skipping");
    session.notify(Notice::plain(message));
}

/// One action on the relation as the actions before it left it.
async fn act(
    session: &mut Session,
    relation: Uuid,
    operation: &ast::AlterTableOperation,
) -> Result<(), PgError> {
    use ast::AlterTableOperation as Action;
    let state = session.catalog_state();
    let Some(relation) = state.relation_by_id(relation).cloned() else {
        return Err(PgError::syntax("the table is gone"));
    };
    match operation {
        Action::RenameTable { table_name } => {
            let (ast::RenameTableNameKind::As(name) | ast::RenameTableNameKind::To(name)) =
                table_name;
            return place::rename(session, &relation, &qualified(name)?.name);
        }
        Action::OwnerTo { new_owner } => return place::check_owner(session, new_owner),
        _ => {}
    }
    table_of(&relation)?;
    let mut altered = Altered::of(session, relation).await?;
    match operation {
        Action::AddColumn {
            if_not_exists,
            column_def,
            ..
        } => columns::add(session, &mut altered, column_def, *if_not_exists).await,
        Action::DropColumn {
            column_names,
            if_exists,
            drop_behavior,
            ..
        } => {
            let is_cascade = drop_behavior == &Some(ast::DropBehavior::Cascade);
            for name in column_names {
                columns::drop(session, &mut altered, name, *if_exists, is_cascade).await?;
            }
            Ok(())
        }
        Action::RenameColumn {
            old_column_name,
            new_column_name,
        } => columns::rename(session, &mut altered, old_column_name, new_column_name).await,
        Action::AlterColumn { column_name, op } => {
            alter_column(session, &mut altered, column_name, op).await
        }
        Action::AddConstraint {
            constraint,
            not_valid,
        } => constraints::add(session, &mut altered, constraint, *not_valid).await,
        Action::DropConstraint {
            name, if_exists, ..
        } => constraints::drop(session, &mut altered, name, *if_exists),
        Action::RenameConstraint { old_name, new_name } => {
            constraints::rename(session, &mut altered, old_name, new_name)
        }
        other => Err(
            PgError::unsupported(format!("ALTER TABLE {other} is not supported"))
                .with_hint("CREATE TABLE … AS SELECT … makes a table of another form."),
        ),
    }
}

async fn alter_column(
    session: &mut Session,
    altered: &mut Altered,
    name: &ast::Ident,
    operation: &ast::AlterColumnOperation,
) -> Result<(), PgError> {
    let column = altered.column(name)?;
    match operation {
        ast::AlterColumnOperation::SetNotNull => {
            constraints::set_not_null(session, altered, &[column]).await
        }
        ast::AlterColumnOperation::DropNotNull => {
            constraints::drop_not_null(session, altered, column).await
        }
        ast::AlterColumnOperation::SetDefault { value } => {
            defaults::set(session, altered, column, Some(value))
        }
        ast::AlterColumnOperation::DropDefault => defaults::set(session, altered, column, None),
        ast::AlterColumnOperation::SetDataType {
            data_type, using, ..
        } => columns::set_type(session, altered, column, data_type, using.as_ref()).await,
        other => Err(PgError::unsupported(format!(
            "ALTER COLUMN {other} is not supported"
        ))),
    }
}

/// What the catalog keeps of a table.
pub fn options_of(table: &Table) -> TableOptions {
    TableOptions {
        defaults: table.defaults.clone(),
        checks: table.checks.clone(),
        constraints: table.constraints.clone(),
        identity: table.identity.clone(),
        generated: table.generated.clone(),
    }
}

/// A table that is being altered.
struct Altered {
    relation: Arc<Relation>,
    schema: SchemaRef,
    partition_by: Vec<String>,
    has_files: bool,
}

impl Altered {
    async fn of(session: &mut Session, relation: Arc<Relation>) -> Result<Altered, PgError> {
        let snapshot = session.transaction()?.snapshot(&relation).await?;
        Ok(Altered {
            schema: snapshot.schema(),
            partition_by: snapshot.partition_columns().to_vec(),
            has_files: snapshot.size().0 > 0,
            relation,
        })
    }

    fn table(&self) -> Result<&Table, PgError> {
        table_of(&self.relation)
    }

    /// The index of a column, or 42703.
    fn column(&self, name: &ast::Ident) -> Result<usize, PgError> {
        self.find(&fold(name)).ok_or_else(|| {
            let error = format!(
                "column \"{}\" of relation \"{}\" does not exist",
                fold(name),
                self.relation.name
            );
            PgError::new(sqlstate::UNDEFINED_COLUMN, error)
        })
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.schema.index_of(name).ok()
    }

    fn options(&self) -> Result<TableOptions, PgError> {
        self.table().map(options_of)
    }

    /// Writes what the catalog keeps of the table.
    fn set_options(&mut self, session: &mut Session, options: TableOptions) -> Result<(), PgError> {
        session.transaction()?.apply(Op::SetTableOptions {
            target: self.relation.reference(),
            options,
        })?;
        self.refresh(session);
        Ok(())
    }

    /// The relation as it is now.
    fn refresh(&mut self, session: &Session) {
        if let Some(relation) = session.catalog_state().relation_by_id(self.relation.id) {
            self.relation = Arc::clone(relation);
        }
    }

    /// Changes columns without touching files.
    async fn redefine(
        &mut self,
        session: &mut Session,
        fields: Vec<FieldRef>,
    ) -> Result<(), PgError> {
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let definition = Redefinition {
            schema: &schema,
            partition_by: None,
            operation: OPERATION,
        };
        session
            .transaction()?
            .redefine(&self.relation, definition, None)
            .await?;
        self.take(session, schema);
        Ok(())
    }

    /// Writes all rows anew, with one expression per new column over the old ones.
    async fn rewrite(
        &mut self,
        session: &mut Session,
        columns: Vec<(FieldRef, Expr)>,
    ) -> Result<(), PgError> {
        let (fields, expressions): (Vec<FieldRef>, Vec<Expr>) = columns.into_iter().unzip();
        let snapshot = session.transaction()?.snapshot(&self.relation).await?;
        let source = provider_as_source(snapshot.provider());
        let scan = LogicalPlanBuilder::scan(self.relation.name.clone(), source, None)?;
        let numbered = expressions
            .into_iter()
            .enumerate()
            .map(|(index, expr)| expr.alias(format!("new{index}")));
        let plan = scan.project(numbered.collect::<Vec<_>>())?.build()?;
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let constraints = Constraints::new(session, &self.relation, Arc::clone(&schema))?;
        let rows = constraints.check(query::stream(session, &plan).await?);
        let definition = Redefinition {
            schema: &schema,
            partition_by: Some(self.partition_by.clone()),
            operation: OPERATION,
        };
        session
            .transaction()?
            .redefine(&self.relation, definition, Some(rows))
            .await?;
        self.take(session, schema);
        Ok(())
    }

    fn take(&mut self, session: &Session, schema: SchemaRef) {
        session.system.remember_columns(self.relation.oid, &schema);
        self.schema = schema;
    }

    /// The columns under the table's name, for expressions.
    fn columns(&self) -> Result<DFSchema, PgError> {
        let name = self.relation.name.clone();
        Ok(DFSchema::try_from_qualified_schema(name, &self.schema)?)
    }

    /// A column as it is.
    fn kept(&self, index: usize) -> (FieldRef, Expr) {
        let field = Arc::clone(&self.schema.fields()[index]);
        let column =
            datafusion::common::Column::new(Some(self.relation.name.clone()), field.name().clone());
        (field, Expr::Column(column))
    }

    /// An expression of SQL text over the columns, cast to a field's type.
    fn expression(
        &self,
        session: &mut Session,
        written: ast::Expr,
        field: &FieldRef,
    ) -> Result<Expr, PgError> {
        let columns = self.columns()?;
        let written = super::assignment::typed_literal(written, field)?;
        let expr = session.planner()?.expression(written, &columns)?;
        Ok(expr.cast_to(field.data_type(), &columns)?)
    }

    /// Is there a row for which the condition holds?
    async fn has_row(&self, session: &mut Session, condition: Expr) -> Result<bool, PgError> {
        let snapshot = session.transaction()?.snapshot(&self.relation).await?;
        let source = provider_as_source(snapshot.provider());
        let plan = LogicalPlanBuilder::scan(self.relation.name.clone(), source, None)?
            .filter(condition)?
            .limit(0, Some(1))?
            .build()?;
        let rows: Vec<_> = query::stream(session, &plan).await?.try_collect().await?;
        Ok(rows.iter().any(|batch| batch.num_rows() > 0))
    }
}
