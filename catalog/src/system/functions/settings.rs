//! What are the settings of this session?

use super::{Call, Function, text, text_or_null};
use crate::system::error::SystemError;
use crate::types::PgType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::stable("current_setting", &[1, 2], PgType::TEXT, current),
        Function::volatile("set_config", &[3], PgType::TEXT, set).with_nulls(),
    ]
}

fn current(call: &Call) -> Result<ScalarValue> {
    let name = call.text(0).unwrap_or_default();
    let missing_ok = call.boolean(1).unwrap_or(false);
    match call.session.setting(&name) {
        None if !missing_ok => Err(SystemError::UndefinedSetting(name).into()),
        value => text_or_null(value),
    }
}

fn set(call: &Call) -> Result<ScalarValue> {
    let Some(name) = call.text(0) else {
        return Err(SystemError::UndefinedSetting(String::new()).into());
    };
    let value = call.text(1).unwrap_or_default();
    text(
        call.session
            .set_setting(&name, &value, call.boolean(2).unwrap_or(false))?,
    )
}
