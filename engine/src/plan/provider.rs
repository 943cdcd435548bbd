//! What may the SQL planner of DataFusion look up, once everything that had to be awaited is loaded?

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use tarn_catalog::system::query_rewrite::SystemTypes;

use super::given::GivenPlans;
use crate::error::PgError;
use crate::sqlstate;

/// The relations of one statement and the functions of one session.
pub struct LoadedRelations<'a> {
    /// Functions, planners and options.
    pub state: &'a SessionState,
    /// Every relation that the statement names, under the name as written.
    pub tables: HashMap<TableReference, Arc<dyn TableSource>>,
    /// Stands in for the function of its name.
    pub witness: Option<Arc<ScalarUDF>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

impl<'a> LoadedRelations<'a> {
    /// Relations that were loaded, and plans that the caller gives.
    pub fn new(
        state: &'a SessionState,
        tables: HashMap<TableReference, Arc<dyn TableSource>>,
        given: &GivenPlans,
    ) -> Self {
        let given: Arc<dyn RelationPlanner> = Arc::new(given.clone());
        let known = state.relation_planners().iter().cloned();
        LoadedRelations {
            state,
            tables,
            witness: None,
            relation_planners: std::iter::once(given).chain(known).collect(),
        }
    }
}

impl ContextProvider for LoadedRelations<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        self.tables.get(&name).cloned().ok_or_else(|| {
            PgError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{}\" does not exist", name.table()),
            )
            .into_datafusion()
        })
    }

    fn get_table_function_source(
        &self,
        name: &str,
        arguments: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let function = self
            .state
            .table_functions()
            .get(name)
            .cloned()
            .ok_or_else(|| {
                PgError::new(
                    sqlstate::UNDEFINED_FUNCTION,
                    format!("function {name} does not exist"),
                )
                .into_datafusion()
            })?;
        let arguments = datafusion::catalog::TableFunctionArgs::new(&arguments, self.state);
        let provider = function.create_table_provider_with_args(arguments)?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(
            name, schema,
        ))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(SystemTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if let Some(witness) = self
            .witness
            .as_ref()
            .filter(|witness| witness.name() == name)
        {
            return Some(Arc::clone(witness));
        }
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state
            .higher_order_functions()
            .keys()
            .cloned()
            .collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
