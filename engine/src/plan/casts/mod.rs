//! Which casts mean in PostgreSQL what Arrow's do not?
//!
//! An analyzer rule that runs when every type is known, so it sees the casts that SQL writes and those that
//! type coercion adds. A rule for a family of casts is a file and one line in [`RULES`].

mod datetime;
pub mod format;
mod number;
mod text;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use self::format::SessionFormat;
use super::literals::read_text;

/// What a cast means; None if that is not for this rule to say.
type Rule = fn(&CastCall) -> Result<Option<Expr>>;

const RULES: &[Rule] = &[datetime::plan, number::plan, text::plan];

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
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let format = SessionFormat::of(config);
        rewrite_expressions(plan, &|expr, schema| {
            // A constant is read now, so that one that cannot be read is told before anything runs.
            let read = read_text(expr, &format)?;
            match read.transformed {
                true => Ok(read),
                false => rewrite_one(read.data, schema),
            }
        })
    }

    fn name(&self) -> &str {
        "postgres_casts"
    }
}

/// What a rule makes of one expression, whose parts it has been asked about before.
pub type Rewrite<'a> = &'a dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>;

/// Applies a rewrite to every expression of a plan.
pub fn rewrite_expressions(plan: LogicalPlan, one: Rewrite<'_>) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(&scan.projected_schema);
        }
        // A rewritten expression keeps the name by which the nodes above refer to it.
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|inner| one(inner, &schema))?;
            Ok(rewritten.update_data(|data| name.restore(data)))
        })?;
        match node.transformed {
            true => node.map_data(LogicalPlan::recompute_schema),
            false => Ok(node),
        }
    })?;
    Ok(rewritten.data)
}

/// Applies the rules to every cast of an expression.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|inner| rewrite_one(inner, schema))?.data)
}

fn rewrite_one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::ScalarFunction(function) = &expr
        && let Some(written) = text::write_arguments(function, schema)
    {
        return Ok(Transformed::yes(written));
    }
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
