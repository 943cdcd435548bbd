//! How do SHOW MODELS, DESCRIBE MODEL and DROP MODEL work?

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::ObjectName;
use tarn_catalog::error::ObjectKind;
use tarn_catalog::state::{DropBehavior, Op};
use tarn_udfs::model::signature::Signature;

use crate::error::PgError;
use crate::parser::DropModel;
use crate::plan::model_version;
use crate::plan::names::qualified;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::{Outcome, Rows, RowsTag};

const SHOW: [&str; 5] = ["schema", "model", "version", "task", "label"];
const DESCRIBE: [&str; 3] = ["item", "name", "value"];

fn text_columns(names: &[&str]) -> SchemaRef {
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The columns of SHOW MODELS.
pub fn show_columns() -> SchemaRef {
    text_columns(&SHOW)
}

/// The columns of DESCRIBE MODEL.
pub fn describe_columns() -> SchemaRef {
    text_columns(&DESCRIBE)
}

/// SHOW MODELS [LIKE pattern]
pub fn show(session: &Session, pattern: Option<&str>) -> Result<Outcome, PgError> {
    let state = session.catalog_state();
    let mut rows = Vec::new();
    for model in state.models.values() {
        if pattern.is_some_and(|pattern| !like(&model.name, pattern)) {
            continue;
        }
        let version = model_version(model, None).ok();
        let signature = version.and_then(|v| Signature::from_json(&v.signature).ok());
        rows.push(vec![
            Some(model.schema.clone()),
            Some(model.name.clone()),
            version.map(|v| v.number.to_string()),
            signature.as_ref().map(|s| s.task.clone()),
            signature.map(|s| s.label),
        ]);
    }
    Ok(Outcome::Rows(Rows::texts(
        &SHOW,
        &rows,
        RowsTag::Fixed("SHOW MODELS"),
    )?))
}

/// SQL LIKE with `%` and `_`.
fn like(text: &str, pattern: &str) -> bool {
    fn matches(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| matches(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && matches(&text[1..], rest),
            Some((c, rest)) => text.first() == Some(c) && matches(&text[1..], rest),
        }
    }
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    matches(&text, &pattern)
}

/// DESCRIBE MODEL name: what it predicts, from what, and how well.
pub fn describe(session: &Session, name: &ObjectName) -> Result<Outcome, PgError> {
    let model = session.names().model(&qualified(name)?)?;
    let version = model_version(&model, None)?;
    let signature = Signature::from_json(&version.signature)?;
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    let mut add = |item: &str, name: &str, value: String| {
        rows.push(vec![
            Some(item.to_string()),
            Some(name.to_string()),
            Some(value),
        ]);
    };
    add("model", "name", format!("{}.{}", model.schema, model.name));
    add("model", "version", version.number.to_string());
    add("model", "task", signature.task.clone());
    add("model", "bytes", version.bytes.to_string());
    add("label", &signature.label, signature.label_sql_type.clone());
    for class in &signature.classes {
        add("class", class, String::new());
    }
    for key in &signature.partition_by {
        add("group key", &key.name, key.sql_type.clone());
    }
    for feature in &signature.features {
        add("feature", &feature.name, feature.sql_type.clone());
    }
    if let Ok(serde_json::Value::Object(summary)) = serde_json::from_str(&version.summary) {
        for (key, value) in summary {
            let shown = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            add("training", &key, shown);
        }
    }
    add("training", "statement", version.statement.clone());
    Ok(Outcome::Rows(Rows::texts(
        &DESCRIBE,
        &rows,
        RowsTag::Counted("SELECT"),
    )?))
}

/// DROP MODEL [IF EXISTS] name [, …] [CASCADE]
pub fn drop(session: &mut Session, dropped: &DropModel) -> Result<Outcome, PgError> {
    session.check_writable("DROP MODEL")?;
    let behavior = if dropped.cascade {
        DropBehavior::Cascade
    } else {
        DropBehavior::Restrict
    };
    for name in &dropped.names {
        let written = qualified(name)?;
        match session.names().find_model(&written) {
            Some(model) => session.transaction()?.apply(Op::DropModel {
                target: model.reference(),
                behavior,
            })?,
            None if dropped.if_exists => {
                let kind = ObjectKind::Model;
                session.notify(Notice::plain(format!(
                    "{kind} \"{}\" does not exist, skipping",
                    written.name
                )));
            }
            None => {
                session.names().model(&written)?;
            }
        }
    }
    Ok(Outcome::Command("DROP MODEL".to_string()))
}
