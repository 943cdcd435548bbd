//! Rows of a batch in COPY's text format, as the recorded answers are.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::scalar::ScalarValue;
use tarn_catalog::types::PgType;

/// Each row with tabs between its columns.
pub fn rows(batch: &RecordBatch, schema: &Schema) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            let values = batch
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| {
                    let value = ScalarValue::try_from_array(column, row).expect("a value");
                    text(&value, field).map_or("\\N".to_string(), |text| escaped(&text))
                });
            values.collect::<Vec<_>>().join("\t")
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
}

fn text(value: &ScalarValue, field: &Field) -> Option<String> {
    if value.is_null() {
        return None;
    }
    Some(match value {
        ScalarValue::Boolean(Some(value)) => if *value { "t" } else { "f" }.to_string(),
        ScalarValue::List(list) => {
            let DataType::List(item) = field.data_type() else {
                panic!("a list")
            };
            let values = list.value(0);
            let elements = (0..values.len()).map(|at| {
                let value = ScalarValue::try_from_array(&values, at).expect("an element");
                text(&value, item).map_or("NULL".to_string(), |text| quoted(&text))
            });
            let elements: Vec<String> = elements.collect();
            match PgType::of_field(field) {
                PgType::INT2VECTOR | PgType::OIDVECTOR => elements.join(" "),
                _ => format!("{{{}}}", elements.join(",")),
            }
        }
        other => other.to_string(),
    })
}

fn quoted(element: &str) -> String {
    let needs_quotes = element.is_empty() || element.contains([',', '{', '}', '"', '\\', ' ']);
    if needs_quotes {
        format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        element.to_string()
    }
}
