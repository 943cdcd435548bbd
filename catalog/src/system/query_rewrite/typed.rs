//! What types mean in a catalog query: text that is cast to `regclass`, OIDs that are printed as names, literals whose
//! type the other side of an operator decides.
//!
//! | planned | becomes |
//! |---|---|
//! | `regclass` … cast to text | `pg_reg_out(value, 'regclass')` |
//! | `int2vector`, `oidvector` cast to text | the elements with blanks between them |
//! | number or `regclass` compared with a literal in quotes | the literal read as that type |
//! | array compared or coalesced with a literal in quotes | the literal read as that array |
//! | `oid`, `regclass` … column of the result | `regclass` and its like print as names |

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, plan_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{Cast, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Projection, lit,
};
use datafusion::scalar::ScalarValue;

use super::arrays::elements_of_literal;
use crate::system::functions::{COALESCE, REG_IN, REG_OUT, REG_TYPES};
use crate::types::PgType;

/// Applies the rules to every expression of the plan, subqueries included.
pub(super) fn rewrite(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let types = Types { state };
    Ok(plan
        .transform_up_with_subqueries(|node| types.rewrite_node(node))?
        .data)
}

/// Prints columns of the result that hold the OID of a named object.
pub(super) fn print_output(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let types = Types { state };
    let mut is_changed = false;
    let mut outputs = Vec::new();
    for (qualifier, field) in plan.schema().iter() {
        let column = Expr::Column((qualifier, field).into());
        match reg_type(field) {
            Some(pg_type) => {
                is_changed = true;
                let printed = types.call(REG_OUT, vec![column, lit(pg_type.short_name())])?;
                outputs.push(printed.alias_qualified(qualifier.cloned(), field.name()));
            }
            None => outputs.push(column),
        }
    }
    if !is_changed {
        return Ok(plan);
    }
    // The order of the rows is that of the input; a projection keeps it.
    Ok(LogicalPlan::Projection(Projection::try_new(
        outputs,
        plan.into(),
    )?))
}

/// The type of an integer that is the OID of a named object.
fn reg_type(field: &Field) -> Option<PgType> {
    let pg_type = PgType::of_field(field);
    (REG_TYPES.contains(&pg_type) && field.data_type().is_integer()).then_some(pg_type)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
    )
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

struct Types<'a> {
    state: &'a SessionState,
}

impl Types<'_> {
    fn rewrite_node(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let inputs = node.inputs();
        let schema = if inputs.is_empty() {
            node.schema().as_ref().clone()
        } else {
            merge_schema(&inputs)
        };
        let names = NamePreserver::new(&node);
        let rewritten = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| self.rewrite_expr(expr, &schema))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        rewritten.map_data(LogicalPlan::recompute_schema)
    }

    fn rewrite_expr(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(cast) => self.cast(cast, schema),
            Expr::BinaryExpr(binary) => self.comparison(binary, schema),
            Expr::InList(InList {
                expr,
                list,
                negated,
            }) => {
                let field = expr.to_field(schema)?.1;
                let list = list
                    .into_iter()
                    .map(|item| self.typed_literal(item, &field))
                    .collect::<Result<_>>()?;
                Ok(Transformed::yes(Expr::InList(InList {
                    expr,
                    list,
                    negated,
                })))
            }
            Expr::ScalarFunction(function) if function.name() == COALESCE => {
                let fields = function
                    .args
                    .iter()
                    .map(|item| Ok(item.to_field(schema)?.1))
                    .collect::<Result<Vec<_>>>()?;
                let typed = fields.iter().find(|field| !is_text(field.data_type()));
                let beside = typed.or(fields.first()).cloned();
                let args = function.args.into_iter().map(|item| match &beside {
                    Some(field) => self.typed_literal(item, field),
                    None => Ok(item),
                });
                let args = args.collect::<Result<_>>()?;
                Ok(Transformed::yes(self.call("coalesce", args)?))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    fn call(&self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let function = self.state.scalar_functions().get(name);
        let function =
            function.ok_or_else(|| plan_datafusion_err!("function {name} is not registered"))?;
        Ok(Expr::ScalarFunction(ScalarFunction {
            func: function.clone(),
            args,
        }))
    }

    fn cast(&self, cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let from = cast.expr.to_field(schema)?.1;
        if is_text(cast.field.data_type()) {
            if let Some(pg_type) = reg_type(&from) {
                return Ok(Transformed::yes(
                    self.call(REG_OUT, vec![*cast.expr, lit(pg_type.short_name())])?,
                ));
            }
            if matches!(
                PgType::of_field(&from),
                PgType::INT2VECTOR | PgType::OIDVECTOR
            ) {
                return Ok(Transformed::yes(
                    self.call("array_to_string", vec![*cast.expr, lit(" ")])?,
                ));
            }
        }
        Ok(Transformed::no(Expr::Cast(cast)))
    }

    fn comparison(&self, binary: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        if !is_comparison(binary.op) {
            return Ok(Transformed::no(Expr::BinaryExpr(binary)));
        }
        let left = binary.left.to_field(schema)?.1;
        let right = binary.right.to_field(schema)?.1;
        let BinaryExpr {
            left: left_expr,
            op,
            right: right_expr,
        } = binary;
        let new_left = self.typed_literal(*left_expr, &right)?;
        let new_right = self.typed_literal(*right_expr, &left)?;
        Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(new_left),
            op,
            Box::new(new_right),
        ))))
    }

    /// A literal in quotes, read as the type of what it stands beside.
    fn typed_literal(&self, expr: Expr, beside: &Field) -> Result<Expr> {
        let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = &expr else {
            return Ok(expr);
        };
        if let Some(pg_type) = reg_type(beside) {
            return self.call(REG_IN, vec![expr.clone(), lit(pg_type.short_name())]);
        }
        match beside.data_type() {
            DataType::Boolean => Ok(match text.trim().to_lowercase().as_str() {
                "t" | "true" | "yes" | "on" | "1" => lit(true),
                "f" | "false" | "no" | "off" | "0" => lit(false),
                _ => expr,
            }),
            number if number.is_numeric() => {
                Ok(ScalarValue::try_from_string(text.trim().to_string(), number).map_or(expr, lit))
            }
            DataType::List(item) => {
                let Some(elements) = elements_of_literal(text) else {
                    return Ok(expr);
                };
                let typed = |element: Option<String>| match element {
                    Some(text) => ScalarValue::try_from_string(text, item.data_type()),
                    None => ScalarValue::try_from(item.data_type()),
                };
                let elements = elements
                    .into_iter()
                    .map(typed)
                    .collect::<Result<Vec<_>>>()?;
                Ok(lit(ScalarValue::List(ScalarValue::new_list_nullable(
                    &elements,
                    item.data_type(),
                ))))
            }
            _ => Ok(expr),
        }
    }
}
