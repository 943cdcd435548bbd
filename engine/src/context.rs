//! From what does every session start? The only place that registers functions and builds the runtime.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::execution::FunctionRegistry;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::functions_nested::remove::array_remove_all_udf;
use datafusion::functions_nested::replace::array_replace_all_udf;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use tarn_udfs::fit::seat::Seat;
use tarn_udfs::model::registry::ModelSource;

use crate::config::Config;
use crate::error::PgError;
use crate::plan::casts::Casts;
use crate::plan::interrupt::YieldInJoins;
use crate::plan::interval_order::IntervalOrder;
use crate::plan::marked_casts::MarkedCasts;
use crate::plan::number_literals::NumberLiterals;
use crate::plan::number_operators::{NumberAggregates, NumberOperators};
use crate::plan::number_signs::NumberSigns;
use crate::plan::one_pass_training::OnePassTraining;
use crate::plan::series::{self, GenerateSeries};
use crate::plan::text_operators::TextOperators;
use crate::plan::time_operators::TimeOperators;
use crate::plan::training_calls::TrainingCalls;
use crate::plan::wide_scoring::WideScoring;

/// How many of the largest users of memory an out-of-memory error names.
const CONSUMERS_NAMED: usize = 5;

/// The memory budget of queries, writers and training.
pub fn memory_pool(config: &Config) -> Arc<dyn MemoryPool> {
    let named = NonZeroUsize::new(CONSUMERS_NAMED).unwrap_or(NonZeroUsize::MIN);
    let pool = FairSpillPool::new(config.memory_limit_bytes);
    Arc::new(TrackConsumersPool::new(pool, named))
}

/// The functions, options, memory budget and spill folder that all sessions share. The data directory is there.
pub fn base_state(
    config: &Config,
    memory: Arc<dyn MemoryPool>,
    models: Arc<dyn ModelSource>,
) -> Result<SessionState, PgError> {
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![
            config.data_dir.join("spill"),
        ]))
        .with_max_temp_directory_size(config.spill_limit_bytes);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(memory)
        .with_disk_manager_builder(spill)
        .build_arc()?;
    let mut options = SessionConfig::new()
        .with_target_partitions(config.threads)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let engine = options.options_mut();
    engine.sql_parser.parse_float_as_decimal = true;
    engine.sql_parser.map_string_types_to_utf8view = false;
    engine.execution.parquet.schema_force_view_types = false;
    engine.execution.parquet.pushdown_filters = true;
    engine.execution.parquet.reorder_filters = true;
    // It would refuse inputs whose columns differ in their metadata, as the sides of a UNION may.
    engine.execution.skip_physical_aggregate_schema_check = true;
    engine.execution.time_zone = Some("UTC".to_string());
    let mut state = SessionStateBuilder::new()
        .with_config(options)
        .with_runtime_env(runtime)
        // The first planner that knows an expression plans it: ours stand before DataFusion's.
        .with_expr_planners(vec![
            Arc::new(NumberLiterals),
            Arc::new(TimeOperators),
            Arc::new(TextOperators),
            Arc::new(NumberOperators),
            Arc::new(TrainingCalls),
            Arc::new(NumberAggregates),
        ])
        .with_default_features()
        .with_analyzer_rule(Arc::new(Casts))
        .with_analyzer_rule(Arc::new(IntervalOrder))
        .with_physical_optimizer_rule(Arc::new(OnePassTraining))
        .with_physical_optimizer_rule(Arc::new(WideScoring))
        .with_physical_optimizer_rule(Arc::new(YieldInJoins))
        .build();
    state.register_function_rewrite(Arc::new(MarkedCasts))?;
    state.register_function_rewrite(Arc::new(NumberSigns))?;
    Ok(with_functions(state, &models))
}

/// Adds our functions to DataFusion's.
pub fn with_functions(state: SessionState, models: &Arc<dyn ModelSource>) -> SessionState {
    let context = SessionContext::new_with_state(state);
    for function in tarn_udfs::scalar_functions(models) {
        context.register_udf(function);
    }
    for function in tarn_udfs::aggregate_functions() {
        context.register_udaf(function);
    }
    // Names and descriptions alone; each session registers its own over these.
    let seat = Arc::new(Seat::alone(1, &context.runtime_env().memory_pool));
    for function in tarn_udfs::training_functions(&seat) {
        context.register_udaf(function);
    }
    if let Some(series) = context.state().table_functions().get(series::NAME) {
        let inner = Arc::clone(series.function());
        context.register_udtf(series::NAME, Arc::new(GenerateSeries { inner }));
    }
    // PostgreSQL's remove and replace every element that is equal, as do those called `_all` here.
    for (function, name) in [
        (array_remove_all_udf(), "array_remove"),
        (array_replace_all_udf(), "array_replace"),
    ] {
        context.register_udf(ScalarUDF::clone(&function).with_aliases([name]));
    }
    context.register_udf(crate::sleep::function());
    context.state()
}
