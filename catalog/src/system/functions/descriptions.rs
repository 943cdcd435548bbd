//! What did COMMENT ON say of an object?

use super::{Call, Function, text_or_null};
use crate::system::snapshot::SystemSnapshot;
use crate::types::PgType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::stable("obj_description", &[1, 2], PgType::TEXT, object),
        Function::stable("shobj_description", &[2], PgType::TEXT, |_| {
            Ok(ScalarValue::Utf8(None))
        }),
        // Columns are told by number: the engine knows names, and gives them through pg_description.
        Function::stable("col_description", &[2], PgType::TEXT, |_| {
            Ok(ScalarValue::Utf8(None))
        }),
    ]
}

fn object(call: &Call) -> Result<ScalarValue> {
    let snapshot = call.session.snapshot();
    let oid = call.oid(0).unwrap_or(0);
    let class = call.text(1);
    let of = |wanted: &str| class.as_deref().is_none_or(|class| class == wanted);
    let comment = schema(&snapshot, oid)
        .filter(|_| of("pg_namespace"))
        .or_else(|| {
            snapshot
                .relation(oid)
                .and_then(|relation| relation.comment.clone())
                .filter(|_| of("pg_class"))
        });
    text_or_null(comment)
}

fn schema(snapshot: &SystemSnapshot, oid: u32) -> Option<String> {
    snapshot
        .schemas
        .iter()
        .find(|schema| schema.oid == oid)?
        .comment
        .clone()
}
