//! Which casts mean in PostgreSQL what Arrow's do not?
//!
//! An analyzer rule that runs when every type is known, so it sees the casts that SQL writes and those that
//! type coercion adds. A rule for a family of casts is a file and one line in [`RULES`].

mod datetime;
pub mod format;
mod text;

use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

/// What a cast means; None if that is not for this rule to say.
type Rule = fn(&CastCall) -> Result<Option<Expr>>;

const RULES: &[Rule] = &[datetime::plan, text::plan];

/// A cast whose operand's type is known.
pub struct CastCall<'a> {
    /// What is cast.
    pub operand: &'a Expr,
    /// What it is.
    pub from: &'a FieldRef,
    /// What it becomes.
    pub to: &'a FieldRef,
}

/// The rules as DataFusion asks them.
#[derive(Debug)]
pub struct Casts;

impl AnalyzerRule for Casts {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|node| {
            let mut schema = merge_schema(&node.inputs());
            if let LogicalPlan::TableScan(scan) = &node {
                schema.merge(&scan.projected_schema);
            }
            node.map_expressions(|expr| rewrite(expr, &schema))
        })?;
        rewritten.data.recompute_schema()
    }

    fn name(&self) -> &str {
        "postgres_casts"
    }
}

/// Applies the rules to every cast of an expression.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    // A rewritten expression keeps the name by which the nodes above refer to it.
    let name = expr.schema_name().to_string();
    let is_named = !matches!(expr, Expr::Alias(_) | Expr::Column(_));
    let rewritten = expr.transform_up(|inner| rewrite_one(inner, schema))?;
    if !rewritten.transformed || !is_named {
        return Ok(rewritten);
    }
    rewritten.map_data(|data| {
        if data.schema_name().to_string() == name {
            Ok(data)
        } else {
            Ok(data.alias(name))
        }
    })
}

fn rewrite_one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Cast(Cast {
        expr: operand,
        field,
    }) = &expr
    else {
        return Ok(Transformed::no(expr));
    };
    let Ok((_, from)) = operand.to_field(schema) else {
        return Ok(Transformed::no(expr));
    };
    let call = CastCall {
        operand,
        from: &from,
        to: field,
    };
    for rule in RULES {
        if let Some(planned) = rule(&call)? {
            return Ok(Transformed::yes(planned));
        }
    }
    Ok(Transformed::no(expr))
}

/// The rule for a session's state.
pub fn rule() -> Arc<dyn AnalyzerRule + Send + Sync> {
    Arc::new(Casts)
}
