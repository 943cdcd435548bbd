//! What may one session do to another, or to the server?

use super::{Call, Function, boolean, integer};
use crate::system::session::Signal;
use crate::types::PgType;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

pub(super) fn functions() -> Vec<Function> {
    let volatile = Function::volatile;
    vec![
        volatile("pg_cancel_backend", &[1], PgType::BOOL, |call| {
            signal(call, Signal::Cancel)
        }),
        volatile("pg_terminate_backend", &[1, 2], PgType::BOOL, |call| {
            signal(call, Signal::Terminate)
        }),
        // Advisory locks: clients release them when they give a connection back, and none is ever held.
        volatile("pg_advisory_unlock_all", &[0], PgType::VOID, |_| {
            super::text("")
        }),
        volatile("pg_advisory_unlock", &[1, 2], PgType::BOOL, |_| {
            boolean(false)
        }),
        volatile("pg_advisory_unlock_shared", &[1, 2], PgType::BOOL, |_| {
            boolean(false)
        }),
        volatile("pg_notification_queue_usage", &[0], PgType::FLOAT8, |_| {
            Ok(ScalarValue::Float64(Some(0.0)))
        }),
        // Transactions have no numbers; ages count from the one number there is.
        Function::stable("txid_current", &[0], PgType::INT8, |_| integer(1)),
        Function::stable("txid_current_if_assigned", &[0], PgType::INT8, |_| {
            Ok(ScalarValue::Int64(None))
        }),
        Function::stable("pg_current_xact_id_if_assigned", &[0], PgType::INT8, |_| {
            Ok(ScalarValue::Int64(None))
        }),
        Function::stable("mxid_age", &[1], PgType::INT4, |_| integer(0)),
        Function::stable(
            "pg_blocking_pids",
            &[1],
            PgType::INT4.array().unwrap_or(PgType::TEXT),
            |_| {
                let none = ScalarValue::new_list_nullable(&[], &DataType::Int32);
                Ok(ScalarValue::List(none))
            },
        ),
    ]
}

fn signal(call: &Call, signal: Signal) -> Result<ScalarValue> {
    match call.integer(0).and_then(|pid| i32::try_from(pid).ok()) {
        Some(pid) => boolean(call.session.signal(pid, signal)?),
        None => boolean(false),
    }
}
