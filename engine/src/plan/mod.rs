//! How does a parsed query become a plan?
//!
//! Everything that has to be awaited (table snapshots, views, models, files) is loaded first, for exactly the
//! names that the statement uses; then DataFusion plans synchronously over what was loaded. Scoring calls are
//! resolved in one pass over the AST ([`bind_calls`]).

pub mod array_syntax;
pub mod batch_rows;
pub mod bind_calls;
pub mod bind_values;
pub mod casts;
pub mod files;
pub mod given;
pub mod interrupt;
pub mod interval_order;
pub mod lateral_unnest;
pub mod literals;
pub mod marked_casts;
pub mod names;
pub mod number_literals;
pub mod number_operators;
pub mod number_signs;
pub mod one_pass_training;
pub mod origins;
pub mod provider;
pub mod series;
pub mod set_functions;
pub mod single_row;
pub mod subquery_values;
pub mod syntax;
pub mod text_operators;
pub mod text_syntax;
pub mod time_operators;
pub mod time_syntax;
pub mod training_calls;
pub mod training_exec;
pub mod values_lists;
pub mod wide_scoring;
mod witness;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tarn_catalog::syntax_walk::each_relation;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{ModelRef, ObjectId, Relation, RelationKind, View};
use tarn_catalog::system::query_rewrite;
use tarn_catalog::transaction::{AsOf, Transaction};
use tarn_catalog::types::{column_type, declared};
use tarn_udfs::model::signature::Signature;

use crate::error::{Culprit, PgError};
use crate::models::Models;
use crate::parser::time_travel::{TableAsOf, split_name};
use crate::postgres::types::settings::FormatSettings;
use crate::session::catalog_view::SystemCatalog;
use crate::sqlstate;
use bind_calls::CallTarget;
use names::{Names, QualifiedName};

/// Views may stand on views this deep.
const VIEW_DEPTH_MAX: usize = 32;

/// What one statement turned out to use.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// Tables and views, and models by any version.
    pub objects: BTreeSet<ObjectId>,
    /// Tables with the version that was read.
    pub table_versions: Vec<(String, u64)>,
    /// Models with the version that answers.
    pub models: Vec<(ModelRef, u32)>,
}

/// Plans the statements of one session inside one transaction.
pub struct Planner<'a> {
    /// Functions and options of the session.
    pub state: &'a SessionState,
    /// Where snapshots come from.
    pub transaction: &'a mut Transaction,
    /// Objects and search path.
    pub names: Names,
    /// Opened models.
    pub models: &'a Models,
    /// pg_catalog, information_schema and the views of schema ml.
    pub system: &'a SystemCatalog,
    /// Which files a query may read.
    pub files: &'a files::FileAccess,
    /// How texts are read as values.
    pub format: FormatSettings,
    /// What was used so far.
    pub used: Used,
    /// The relations that were opened.
    loaded: origins::Loaded,
    /// Column names of a catalog query, which need not differ; empty for other queries.
    output_names: Vec<String>,
    /// Plans that the caller provides under names of its own.
    pub given: given::GivenPlans,
    view_depth: usize,
}

type Later<'f, T> = Pin<Box<dyn Future<Output = Result<T, PgError>> + Send + 'f>>;

impl<'a> Planner<'a> {
    /// A planner that has used nothing yet.
    pub fn new(
        state: &'a SessionState,
        transaction: &'a mut Transaction,
        names: Names,
        models: &'a Models,
        system: &'a SystemCatalog,
        files: &'a files::FileAccess,
        format: FormatSettings,
    ) -> Self {
        Planner {
            state,
            transaction,
            names,
            models,
            system,
            files,
            format,
            used: Used::default(),
            loaded: origins::Loaded::new(),
            output_names: Vec::new(),
            given: given::GivenPlans::default(),
            view_depth: 0,
        }
    }

    /// Plans a query. `parameters` are the known types of `$1`, `$2`, …; None is not known.
    pub async fn query(
        &mut self,
        query: ast::Query,
        parameters: &[Option<FieldRef>],
    ) -> Result<LogicalPlan, PgError> {
        self.statement(ast::Statement::Query(Box::new(query)), parameters)
            .await
    }

    /// Plans a query whose VALUES rows have these columns' types where they do not say otherwise.
    pub async fn query_for_columns(
        &mut self,
        query: ast::Query,
        parameters: &[Option<FieldRef>],
        columns: DFSchema,
    ) -> Result<LogicalPlan, PgError> {
        let statement = ast::Statement::Query(Box::new(query));
        self.plan(statement, parameters, Some(columns)).await
    }

    /// Plans any statement that DataFusion's SQL planner knows.
    pub async fn statement(
        &mut self,
        statement: ast::Statement,
        parameters: &[Option<FieldRef>],
    ) -> Result<LogicalPlan, PgError> {
        self.plan(statement, parameters, None).await
    }

    async fn plan(
        &mut self,
        mut statement: ast::Statement,
        parameters: &[Option<FieldRef>],
        columns: Option<DFSchema>,
    ) -> Result<LogicalPlan, PgError> {
        values_lists::normalise(&mut statement);
        time_syntax::normalise(&mut statement)?;
        text_syntax::normalise(&mut statement)?;
        let is_catalog_query = query_rewrite::is_catalog_query(&statement);
        if is_catalog_query {
            let names = query_rewrite::rewrite_statement(&mut statement);
            if self.view_depth == 0 {
                self.output_names = names;
            }
        } else {
            array_syntax::normalise(&mut statement);
            set_functions::normalise(&mut statement)?;
            syntax::normalise(&mut statement)?;
        }
        self.bind_calls(&mut statement)?;
        let files = files::take_calls(&mut statement)?;
        let tables = self.load_relations(&statement, files).await?;
        let mut relations = provider::LoadedRelations::new(self.state, tables, &self.given);
        bind_values::bind(&mut statement, &|probe| columns_of(probe, &relations))?;
        let parameters = syntax::cast_parameters(&statement, parameters);
        number_literals::mark(&mut statement);
        let mut context = PlannerContext::new().with_prepare_param_data_types(parameters);
        if let Some(columns) = columns {
            context.set_table_schema(Some(Arc::new(columns)));
        }
        let kept = witness::is_kept(&statement).then(|| (statement.clone(), context.clone()));
        let planner = SqlToRel::new_with_options(&relations, parser_options());
        let planned = planner.sql_statement_to_plan_with_context(statement, &mut context);
        let plan = planned.map_err(|error| {
            let error = PgError::from(error);
            let (Some(Culprit::Function(name)), Some(kept)) = (error.culprit.as_deref(), kept)
            else {
                return error;
            };
            relations.witness = Some(Arc::new(witness::of(name, self.state)));
            let (statement, mut context) = kept;
            let planner = SqlToRel::new_with_options(&relations, parser_options());
            match planner.sql_statement_to_plan_with_context(statement, &mut context) {
                Err(told) => Some(PgError::from(told))
                    .filter(|told| told.culprit == error.culprit)
                    .unwrap_or(error),
                Ok(_) => error,
            }
        })?;
        if is_catalog_query {
            return Ok(query_rewrite::rewrite_plan(plan, self.state)?);
        }
        let plan = subquery_values::as_counts(lateral_unnest::rewrite(plan)?)?;
        let plan = single_row::aggregate_subqueries(plan)?;
        literals::read_texts(plan, &self.format)
    }

    /// The columns of a plan under the names that the client shall read.
    pub fn columns(&self, plan: &LogicalPlan) -> SchemaRef {
        let planned = Arc::clone(plan.schema().inner());
        let has_names = self.output_names.len() == planned.fields().len();
        let fields: Vec<Field> = planned
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let name = match has_names {
                    true => self.output_names[index].as_str(),
                    false => syntax::plain_name(field.name()),
                };
                let named = field.as_ref().clone().with_name(name);
                let typed = match column_type(plan, index) {
                    Some(pg_type) => declared(named, pg_type),
                    None => named,
                };
                origins::mark(typed, plan, index, &self.loaded)
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// Plans scalar expressions over a schema, without subqueries on tables.
    pub fn expression(
        &self,
        mut expression: ast::Expr,
        schema: &DFSchema,
    ) -> Result<Expr, PgError> {
        time_syntax::normalise(&mut expression)?;
        text_syntax::normalise(&mut expression)?;
        number_literals::mark_expression(&mut expression);
        let relations = provider::LoadedRelations::new(self.state, HashMap::new(), &self.given);
        let planner = SqlToRel::new_with_options(&relations, parser_options());
        let planned = planner.sql_to_expr(expression, schema, &mut PlannerContext::new())?;
        Ok(casts::rewrite(
            number_signs::rewrite(planned, schema)?,
            schema,
        )?)
    }

    fn bind_calls(&mut self, statement: &mut ast::Statement) -> Result<(), PgError> {
        let called = bind_calls::called_models(statement)?;
        if called.is_empty() {
            return Ok(());
        }
        let mut targets = HashMap::new();
        for written in called {
            let target = self.call_target(&written)?;
            targets.insert(written, target);
        }
        bind_calls::bind(statement, &targets)
    }

    /// The model and version behind `'m'`, `'schema.m'` or `'m@3'`.
    fn call_target(&mut self, written: &str) -> Result<CallTarget, PgError> {
        let (name, selector) = match written.rsplit_once('@') {
            Some((name, selector)) => (name, Some(selector)),
            None => (written, None),
        };
        let model = self.names.model(&names::qualified_text(name)?)?;
        let version = model_version(&model, selector)?;
        let id = self.models.register(&model, version);
        self.used.objects.insert(ObjectId::Model(model.id));
        self.used.models.push((model.reference(), version.number));
        let signature = Signature::from_json(&version.signature)
            .map_err(|error| crate::error_sources::from_model(&error))?;
        Ok(CallTarget {
            id,
            name: model.name.clone(),
            columns: signature
                .arguments()
                .map(|column| column.name.clone())
                .collect(),
            types: signature
                .arguments()
                .map(|column| column.sql_type.clone())
                .collect(),
            classes: signature.classes.clone(),
        })
    }

    async fn load_relations(
        &mut self,
        statement: &ast::Statement,
        files: Vec<files::FileCall>,
    ) -> Result<HashMap<TableReference, Arc<dyn TableSource>>, PgError> {
        let mut tables: HashMap<TableReference, Arc<dyn TableSource>> = HashMap::new();
        for call in files {
            let provider = self.files.open(&call, self.state).await?;
            tables.insert(
                TableReference::bare(call.marker),
                provider_as_source(provider),
            );
        }
        let wrapped = DfStatement::Statement(Box::new(statement.clone()));
        let (references, _) = resolve_table_references(&wrapped, true)?;
        for reference in references {
            if tables.contains_key(&reference) || self.given.contains(reference.table()) {
                continue;
            }
            if self.is_table_function(&reference, statement) {
                continue;
            }
            let provider = self
                .relation(&reference)
                .await
                .map_err(|error| located(error, &reference, statement))?;
            tables.insert(reference, provider_as_source(provider));
        }
        Ok(tables)
    }

    /// `generate_series(1, 3)` in FROM names no relation.
    fn is_table_function(&self, reference: &TableReference, statement: &ast::Statement) -> bool {
        if reference.schema().is_some()
            || !self.state.table_functions().contains_key(reference.table())
        {
            return false;
        }
        files::calls(statement, reference.table())
    }

    async fn relation(
        &mut self,
        reference: &TableReference,
    ) -> Result<Arc<dyn TableProvider>, PgError> {
        if let Some(catalog) = reference.catalog()
            && catalog != names::DATABASE
        {
            return Err(PgError::unsupported(format!(
                "cross-database references are not implemented: \"{catalog}\""
            )));
        }
        let name = QualifiedName {
            schema: reference.schema().map(str::to_string),
            name: reference.table().to_string(),
        };
        if let Some(provider) = self.system.relation(&name, &self.names).await? {
            return Ok(provider);
        }
        let relation = self.names.relation(&name)?;
        self.used.objects.insert(ObjectId::Relation(relation.id));
        let as_of = split_name(&name.name).1;
        let provider = self.open(&relation, as_of).await?;
        if self.view_depth == 0 {
            let opened = (relation.oid, provider.schema());
            self.loaded.insert(reference.clone(), opened);
        }
        Ok(provider)
    }

    async fn open(
        &mut self,
        relation: &Relation,
        as_of: Option<TableAsOf>,
    ) -> Result<Arc<dyn TableProvider>, PgError> {
        match (&relation.kind, as_of) {
            (RelationKind::Table(_), None) => {
                let snapshot = self.transaction.snapshot(relation).await?;
                self.note_version(relation, snapshot.version());
                Ok(snapshot.provider())
            }
            (RelationKind::Table(_), Some(as_of)) => {
                let at = match as_of {
                    TableAsOf::Version(version) => AsOf::Version(version),
                    TableAsOf::Timestamp(text) => AsOf::TimestampMicros(timestamp_micros(&text)?),
                };
                let snapshot = self.transaction.snapshot_at(relation, at).await?;
                self.note_version(relation, snapshot.version());
                Ok(snapshot.provider())
            }
            (RelationKind::View(view), None) => self.view(relation, view).await,
            (RelationKind::Sequence(_), None) => Err(PgError::unsupported(format!(
                "\"{}\" is a sequence",
                relation.name
            ))
            .with_hint("Read sequences with nextval() and from pg_sequences.")),
            (_, Some(_)) => Err(PgError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a table: it has no versions", relation.name),
            )),
        }
    }

    fn note_version(&mut self, relation: &Relation, version: u64) {
        let name = format!("{}.{}", relation.schema, relation.name);
        self.used.table_versions.push((name, version));
    }

    fn view<'f>(
        &'f mut self,
        relation: &'f Relation,
        view: &'f View,
    ) -> Later<'f, Arc<dyn TableProvider>> {
        Box::pin(async move {
            if self.view_depth >= VIEW_DEPTH_MAX {
                return Err(PgError::new(
                    sqlstate::STATEMENT_TOO_COMPLEX,
                    "views are nested too deeply",
                ));
            }
            let query = crate::parser::parse_query(&view.sql)?;
            let path = view_search_path(&relation.schema);
            let outer_path = std::mem::replace(&mut self.names.search_path, path);
            let temporary = self.names.temporary.take();
            self.view_depth += 1;
            let planned = self.query(query, &[]).await;
            self.view_depth -= 1;
            self.names.search_path = outer_path;
            self.names.temporary = temporary;
            let named = rename_columns(planned?, &view.columns)?;
            let provider: Arc<dyn TableProvider> =
                Arc::new(ViewTable::new(named, Some(view.sql.clone())));
            Ok(provider)
        })
    }
}

/// Names and types of the columns of a query over what was loaded.
fn columns_of(
    query: ast::Query,
    relations: &provider::LoadedRelations<'_>,
) -> Result<bind_values::Columns, PgError> {
    let planner = SqlToRel::new_with_options(relations, parser_options());
    let statement = ast::Statement::Query(Box::new(query));
    let plan = planner.sql_statement_to_plan_with_context(statement, &mut PlannerContext::new())?;
    let fields = plan.schema().fields().iter();
    Ok(fields
        .map(|field| {
            let name = syntax::plain_name(field.name()).to_string();
            (name, field.data_type().clone())
        })
        .collect())
}

/// A view's columns have the names that it was created with, and are those that it had then: a column that its
/// tables got later does not show through `*`.
fn rename_columns(plan: LogicalPlan, columns: &[(String, String)]) -> Result<LogicalPlan, PgError> {
    let planned = plan.schema();
    let has_more = planned.fields().len() > columns.len();
    let same = planned
        .fields()
        .iter()
        .zip(columns)
        .all(|(field, (name, _))| field.name() == name);
    if planned.fields().len() < columns.len() || (same && !has_more) {
        return Ok(plan);
    }
    let position = |index: usize, name: &str| match has_more {
        true => planned
            .fields()
            .iter()
            .position(|field| field.name() == name),
        false => Some(index),
    };
    let renamed: Option<Vec<Expr>> = columns
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            let found = planned.qualified_field(position(index, name)?);
            Some(Expr::Column(Column::from(found)).alias(name))
        })
        .collect();
    let Some(renamed) = renamed else {
        return Ok(plan);
    };
    Ok(LogicalPlanBuilder::from(plan).project(renamed)?.build()?)
}

/// Points an unknown relation's error at its name.
fn located(error: PgError, reference: &TableReference, statement: &ast::Statement) -> PgError {
    if error.code != sqlstate::UNDEFINED_TABLE {
        return error;
    }
    let mut location = None;
    let _ = each_relation(statement, |name| {
        if let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.last()
            && names::fold(ident) == reference.table()
        {
            let first = name.0.first().and_then(ast::ObjectNamePart::as_ident);
            location = Some(first.unwrap_or(ident).span.start);
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    });
    PgError { location, ..error }
}

/// Unqualified names in a view mean its own schema's objects, then those of `public`.
pub fn view_search_path(schema: &str) -> Vec<String> {
    let mut path = vec![schema.to_string()];
    if schema != tarn_catalog::state::PUBLIC_SCHEMA {
        path.push(tarn_catalog::state::PUBLIC_SCHEMA.to_string());
    }
    path
}

/// The version that `selector` (a number, an alias or nothing) names.
pub fn model_version<'m>(
    model: &'m tarn_catalog::state::Model,
    selector: Option<&str>,
) -> Result<&'m tarn_catalog::state::ModelVersion, PgError> {
    let number = match selector.map(str::parse::<u32>) {
        Some(Ok(number)) => Some(number),
        Some(Err(_)) => model
            .aliases
            .get(&selector.unwrap_or_default().to_lowercase())
            .copied(),
        None => model
            .aliases
            .get(tarn_catalog::state::DEFAULT_ALIAS)
            .copied(),
    };
    let found = number.and_then(|number| model.versions.iter().find(|v| v.number == number));
    found.ok_or_else(|| {
        let known: Vec<String> = model
            .versions
            .iter()
            .map(|v| v.number.to_string())
            .collect();
        let shown = selector.unwrap_or(tarn_catalog::state::DEFAULT_ALIAS);
        PgError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!(
                "model \"{}\" has no version or alias \"{shown}\"",
                model.name
            ),
        )
        .with_detail(format!("Its versions are: {}.", known.join(", ")))
    })
}

fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_parse_float_as_decimal(true)
        .with_enable_ident_normalization(true)
        .with_support_varchar_with_length(true)
        .with_map_string_types_to_utf8view(false)
        .with_collect_spans(true)
        .with_default_null_ordering(NullOrdering::NullsMax)
}

/// A timestamp of TIMESTAMP AS OF, UTC unless it says otherwise, in µs since the epoch.
fn timestamp_micros(text: &str) -> Result<i64, PgError> {
    use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
    string_to_timestamp_nanos(text)
        .map(|nanos| nanos.div_euclid(1000))
        .map_err(|_| {
            PgError::new(
                sqlstate::INVALID_DATETIME_FORMAT,
                format!("invalid timestamp of a table version: \"{text}\""),
            )
        })
}
