//! What types have the rows of `VALUES (1::float8), (2)`?
//!
//! DataFusion wants every row of a column declared alike. PostgreSQL lets a constant take the type that another row's cast
//! names, where it would choose that type for both: so the constant gets the cast too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Query, SetExpr, Statement, UnaryOperator, Value, ValueWithSpan,
    Values, VisitorMut,
};
use tarn_catalog::syntax_walk::walk_mut;
use tarn_catalog::types::{PgType, oid};

/// Casts constants of VALUES lists as other rows of their column are cast.
pub fn normalise(statement: &mut Statement) {
    let _ = walk_mut(statement, &mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        align_sets(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn align_sets(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => align(values),
        SetExpr::SetOperation { left, right, .. } => {
            align_sets(left);
            align_sets(right);
        }
        _ => {}
    }
}

fn align(values: &mut Values) {
    let columns = values.rows.iter().map(|row| row.len()).min().unwrap_or(0);
    for column in 0..columns {
        let mut casts = values.rows.iter().filter_map(|row| match &row[column] {
            Expr::Cast { data_type, .. } => Some(data_type.clone()),
            _ => None,
        });
        let Some(target) = casts.next() else { continue };
        if casts.any(|other| other != target) {
            continue;
        }
        let pg_type = PgType::parse(&target.to_string()).ok();
        let Some(pg_type) = pg_type else { continue };
        for row in &mut values.rows {
            if takes(&row[column], pg_type) {
                let constant = std::mem::replace(&mut row[column], null());
                row[column] = cast(constant, target.clone());
            }
        }
    }
}

/// Whether PostgreSQL would give a constant this type beside a value that has it.
fn takes(expr: &Expr, target: PgType) -> bool {
    let value = match expr {
        Expr::Value(value) => &value.value,
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => return is_number(expr) && takes(expr, target),
        _ => return false,
    };
    match value {
        Value::Null | Value::SingleQuotedString(_) => true,
        Value::Number(digits, _) => {
            let is_whole = digits
                .to_string()
                .bytes()
                .all(|digit| digit.is_ascii_digit());
            match target.oid {
                oid::FLOAT4 | oid::FLOAT8 => true,
                oid::NUMERIC => target.typmod < 0,
                oid::INT8 | oid::INT4 => is_whole && digits.to_string().len() < 10,
                _ => false,
            }
        }
        _ => false,
    }
}

fn is_number(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Value(ValueWithSpan {
            value: Value::Number(..),
            ..
        })
    )
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}
