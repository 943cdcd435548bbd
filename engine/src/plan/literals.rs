//! What does `'1 day 2 hours'::interval` mean?
//!
//! DataFusion casts texts its own way: it reads no arrays, few intervals, and bytea as its letters. So a text
//! literal that is cast is read here, while planning, as Postgres reads it: with the session's time zone and
//! date order, and with Postgres' errors.

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::scalar::ScalarValue;
use tarn_catalog::types::{PgType, oid};

use crate::error::{Culprit, PgError};
use crate::postgres::types::parameter::decode_parameter;
use crate::postgres::types::settings::{Format, FormatSettings};

/// Reads every text literal of a plan that is cast to something else.
pub fn read_texts(plan: LogicalPlan, settings: &FormatSettings) -> Result<LogicalPlan, PgError> {
    let read = plan.transform_down_with_subqueries(|node| {
        // A column is found by its expression's name, so the names stay.
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let read = expr.transform_up(|inner| read_text(inner, settings))?;
            Ok(read.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(read.data)
}

/// Reads a text literal that is cast to something else.
pub fn read_text(
    expr: Expr,
    settings: &FormatSettings,
) -> datafusion::error::Result<Transformed<Expr>> {
    let Expr::Cast(cast) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let Expr::Literal(
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)),
        _,
    ) = cast.expr.as_ref()
    else {
        return Ok(Transformed::no(expr));
    };
    let pg_type = PgType::of_field(&cast.field);
    if !is_read_here(pg_type) {
        return Ok(Transformed::no(expr));
    }
    let value = decode_parameter(Some(text.as_bytes()), Format::Text, pg_type, settings).map_err(
        |error| {
            PgError::from(error)
                .with_culprit(Culprit::Literal(text.clone()))
                .into_datafusion()
        },
    )?;
    if value.data_type() != *cast.field.data_type() {
        return Ok(Transformed::no(expr));
    }
    let metadata = FieldMetadata::from(cast.field.as_ref());
    Ok(Transformed::yes(Expr::Literal(value, Some(metadata))))
}

/// Texts stay texts, names of objects are resolved elsewhere, and lengths are a matter of columns.
fn is_read_here(pg_type: PgType) -> bool {
    if pg_type.is_array() {
        return true;
    }
    matches!(
        pg_type.oid,
        oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::FLOAT4
            | oid::FLOAT8
            | oid::NUMERIC
            | oid::BYTEA
            | oid::DATE
            | oid::TIME
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
            | oid::INTERVAL
            | oid::UUID
    )
}
