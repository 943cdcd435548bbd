//! Which functions can SQL call, and with which types? What `pg_proc` says of those that are registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ReturnFieldArgs, Signature, TypeSignature, Volatility};
use tarn_catalog::system::{Callable, CallableKind};
use tarn_catalog::types::{PgType, oid};

/// Pseudo-type `"any"`, for what a signature does not tell.
const ANY: u32 = 2276;

/// Table functions that read files; the planner knows them by name.
const FILE_READERS: [&str; 4] = ["read_csv", "read_delta", "read_json", "read_parquet"];

/// Functions over models, whose result is the label's type where it is not said here.
const MODEL_FUNCTIONS: [(&str, u32); 3] = [
    ("predict", ANY),
    ("predict_proba", oid::FLOAT8),
    ("predict_struct", oid::RECORD),
];

/// Every function of a state, by name.
pub fn of_state(state: &SessionState) -> Vec<Callable> {
    let mut found = BTreeMap::new();
    for (name, function) in state.window_functions() {
        let documented = function.documentation().is_some();
        let own = callable(name, CallableKind::Window, function.signature(), documented);
        found.insert(name.clone(), own);
    }
    for (name, function) in state.aggregate_functions() {
        let mut own = callable(
            name,
            CallableKind::Aggregate,
            function.signature(),
            function.documentation().is_some(),
        );
        let fields = example(function.signature());
        own.result = result_type(fields.and_then(|fields| function.return_field(&fields).ok()));
        found.insert(name.clone(), own);
    }
    for (name, function) in state.scalar_functions() {
        let mut own = callable(
            name,
            CallableKind::Scalar,
            function.signature(),
            function.documentation().is_some(),
        );
        let field = example(function.signature()).and_then(|fields| {
            let constants = vec![None; fields.len()];
            let args = ReturnFieldArgs {
                arg_fields: &fields,
                scalar_arguments: &constants,
            };
            function.return_field_from_args(args).ok()
        });
        own.result = result_type(field);
        found.insert(name.clone(), own);
    }
    for name in FILE_READERS {
        let reader = Callable {
            arguments: vec![oid::TEXT],
            is_variadic: true,
            result: oid::RECORD,
            returns_set: true,
            volatility: "s",
            ..callable(name, CallableKind::Scalar, &any_number(), true)
        };
        found.insert(name.to_string(), reader);
    }
    for (name, result) in MODEL_FUNCTIONS {
        let predict = Callable {
            arguments: vec![oid::TEXT, ANY],
            is_variadic: true,
            result,
            volatility: "s",
            ..callable(name, CallableKind::Scalar, &any_number(), true)
        };
        found.insert(name.to_string(), predict);
    }
    found.into_values().collect()
}

fn any_number() -> Signature {
    Signature::variadic_any(Volatility::Stable)
}

fn callable(
    name: &str,
    kind: CallableKind,
    signature: &Signature,
    is_documented: bool,
) -> Callable {
    let fields = example(signature);
    let takes_any_number = matches!(
        signature.type_signature,
        TypeSignature::Variadic(_) | TypeSignature::VariadicAny
    );
    Callable {
        name: name.to_string(),
        kind,
        is_variadic: takes_any_number || fields.is_none(),
        arguments: match fields {
            Some(fields) => fields.iter().map(type_oid).collect(),
            None => vec![ANY],
        },
        result: ANY,
        returns_set: false,
        volatility: match signature.volatility {
            Volatility::Immutable => "i",
            Volatility::Stable => "s",
            Volatility::Volatile => "v",
        },
        is_documented,
    }
}

/// Arguments that a signature takes; None when it does not tell.
fn example(signature: &Signature) -> Option<Vec<FieldRef>> {
    let types = signature.type_signature.get_example_types();
    let takes_none = matches!(signature.type_signature, TypeSignature::Nullary);
    let first = types.into_iter().next();
    let first = first.or(takes_none.then(Vec::new))?;
    let field = |data_type: DataType| Arc::new(Field::new("argument", data_type, true));
    Some(first.into_iter().map(field).collect())
}

fn type_oid(field: &FieldRef) -> u32 {
    if field.data_type().is_null() {
        ANY
    } else {
        PgType::of_field(field).oid
    }
}

fn result_type(field: Option<FieldRef>) -> u32 {
    field.map_or(ANY, |field| type_oid(&field))
}
