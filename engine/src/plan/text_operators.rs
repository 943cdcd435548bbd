//! What do `~`, `^@` and SUBSTRING mean over texts, and `&&` over arrays?
//!
//! A regular expression that is a literal is read while planning and written in the engine's words, so that the
//! operator runs as fast as the engine can; others are read row by row.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::string::starts_with;
use datafusion::functions_nested::array_has::array_has_any_udf;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use tarn_udfs::scalar::regex::like::REGEXP_LIKE;
use tarn_udfs::scalar::regex::syntax::translate;
use tarn_udfs::scalar::text::substring::SUBSTRING;

use super::time_operators::call;

/// Plans operators over texts.
#[derive(Debug)]
pub struct TextOperators;

impl ExprPlanner for TextOperators {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (operator, flags, is_negated) = match raw.op {
            BinaryOperator::PGRegexMatch => (Operator::RegexMatch, "", false),
            BinaryOperator::PGRegexIMatch => (Operator::RegexIMatch, "i", false),
            BinaryOperator::PGRegexNotMatch => (Operator::RegexNotMatch, "", true),
            BinaryOperator::PGRegexNotIMatch => (Operator::RegexNotIMatch, "i", true),
            BinaryOperator::PGStartsWith => {
                let called = ScalarFunction::new_udf(starts_with(), vec![raw.left, raw.right]);
                return Ok(PlannerResult::Planned(Expr::ScalarFunction(called)));
            }
            BinaryOperator::PGOverlap => {
                let called =
                    ScalarFunction::new_udf(array_has_any_udf(), vec![raw.left, raw.right]);
                return Ok(PlannerResult::Planned(Expr::ScalarFunction(called)));
            }
            _ => return Ok(PlannerResult::Original(raw)),
        };
        let pattern = match &raw.right {
            Expr::Literal(ScalarValue::Utf8(Some(pattern)), _) => Some(translate(pattern)?),
            _ => None,
        };
        Ok(PlannerResult::Planned(match pattern {
            Some(pattern) => Expr::BinaryExpr(BinaryExpr::new(
                Box::new(raw.left),
                operator,
                Box::new(lit(pattern)),
            )),
            None => {
                let matched = call(&REGEXP_LIKE, vec![raw.left, raw.right, lit(flags)]);
                match is_negated {
                    true => Expr::Not(Box::new(matched)),
                    false => matched,
                }
            }
        }))
    }

    fn plan_substring(&self, arguments: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(call(&SUBSTRING, arguments)))
    }
}
