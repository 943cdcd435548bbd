//! Where do the values of one COPY collect, and what is said when one does not fit?

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tarn_catalog::types::PgType;

use super::form::{CopyForm, Header};
use crate::error::PgError;
use crate::postgres::types::builder::{Builder, builder};
use crate::postgres::types::error::ValueError;
use crate::postgres::types::settings::FormatSettings;

pub(super) const BAD_COPY_FORMAT: &str = "22P04";
const NOT_NULL_VIOLATION: &str = "23502";
/// Rows of one batch, unless they are long.
const BATCH_ROWS_MAX: usize = 8192;
/// Bytes of input after which a batch is complete.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Characters of a value or line that are quoted in an error.
const CONTEXT_CHARS_MAX: usize = 100;

/// The columns of a COPY FROM while they are filled.
pub(super) struct Sink {
    schema: SchemaRef,
    relation: String,
    columns: Vec<Box<dyn Builder>>,
    force_null: Vec<bool>,
    force_not_null: Vec<bool>,
    null: String,
    batch_rows: usize,
    batch_bytes: usize,
    rows: u64,
    /// number of the line or row that is being read, from 1
    pub line: u64,
}

/// A value as it stood in the data.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub text: &'a str,
    /// it is the NULL text, as it was written
    pub is_null: bool,
    pub quoted: bool,
}

impl Sink {
    pub(super) fn new(
        form: &CopyForm,
        schema: SchemaRef,
        relation: &str,
        settings: &FormatSettings,
    ) -> Result<Sink, ValueError> {
        let settings = Arc::new(settings.clone());
        let columns = schema
            .fields()
            .iter()
            .map(|field| builder(PgType::of_field(field), field.data_type(), &settings))
            .collect::<Result<_, _>>()?;
        Ok(Sink {
            schema,
            relation: relation.to_string(),
            columns,
            force_null: form.force_null.clone(),
            force_not_null: form.force_not_null.clone(),
            null: form.null.clone(),
            batch_rows: 0,
            batch_bytes: 0,
            rows: 0,
            line: 0,
        })
    }

    pub(super) fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Rows taken so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn append(&mut self, at: usize, value: Value<'_>) -> Result<(), PgError> {
        let is_forced = |marks: &[bool]| marks.get(at).copied().unwrap_or(false);
        let is_null = if value.quoted {
            is_forced(&self.force_null) && value.text == self.null
        } else {
            value.is_null && !is_forced(&self.force_not_null)
        };
        if is_null {
            return self.append_null(at);
        }
        match self.columns[at].append_text(value.text) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.value_error(at, error, Some(value.text))),
        }
    }

    pub(super) fn append_binary(&mut self, at: usize, bytes: Option<&[u8]>) -> Result<(), PgError> {
        match bytes.map(|bytes| self.columns[at].append_binary(bytes)) {
            None => self.append_null(at),
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.value_error(at, error, None)),
        }
    }

    fn append_null(&mut self, at: usize) -> Result<(), PgError> {
        let field = self.schema.field(at);
        if !field.is_nullable() {
            let (name, relation) = (field.name(), &self.relation);
            let message = format!(
                "null value in column \"{name}\" of relation \"{relation}\" violates not-null constraint"
            );
            let error = ValueError::new(NOT_NULL_VIOLATION, message);
            return Err(self.located(error, None));
        }
        self.columns[at].append_null();
        Ok(())
    }

    /// Ends a row that took some bytes of input; a batch when it is complete.
    pub(super) fn end_row(&mut self, input_bytes: usize) -> Result<Option<RecordBatch>, PgError> {
        self.rows += 1;
        self.batch_rows += 1;
        self.batch_bytes += input_bytes;
        if self.batch_rows >= BATCH_ROWS_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
            return self.take_batch();
        }
        Ok(None)
    }

    /// The rows since the last batch, if there are any.
    pub(super) fn take_batch(&mut self) -> Result<Option<RecordBatch>, PgError> {
        if self.batch_rows == 0 {
            return Ok(None);
        }
        let columns = self
            .columns
            .iter_mut()
            .map(|column| column.finish())
            .collect::<Result<Vec<_>, ValueError>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.batch_rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| ValueError::new("XX000", error.to_string()))?;
        self.batch_rows = 0;
        self.batch_bytes = 0;
        Ok(Some(batch))
    }

    pub(super) fn missing_column(&self, at: usize, line: &str) -> PgError {
        let name = self.schema.field(at).name();
        let error = ValueError::new(
            BAD_COPY_FORMAT,
            format!("missing data for column \"{name}\""),
        );
        self.located(error, Some(line))
    }

    pub(super) fn extra_data(&self, line: &str) -> PgError {
        let error = ValueError::new(BAD_COPY_FORMAT, "extra data after last expected column");
        self.located(error, Some(line))
    }

    /// An error of a whole line or row.
    pub(super) fn located(&self, error: ValueError, line: Option<&str>) -> PgError {
        let mut context = format!("COPY {}, line {}", self.relation, self.line);
        if let Some(line) = line {
            context.push_str(&format!(": \"{}\"", shortened(line)));
        }
        PgError {
            context: Some(context),
            ..PgError::from(error)
        }
    }

    fn value_error(&self, at: usize, error: ValueError, value: Option<&str>) -> PgError {
        let name = self.schema.field(at).name();
        let mut context = format!("COPY {}, line {}, column {name}", self.relation, self.line);
        if let Some(value) = value {
            context.push_str(&format!(": \"{}\"", shortened(value)));
        }
        PgError {
            context: Some(context),
            ..PgError::from(error)
        }
    }

    /// Compares the first line with the names of the columns.
    pub(super) fn check_header(
        &self,
        names: &[String],
        header: Header,
        line: &str,
    ) -> Result<(), PgError> {
        if header != Header::Match {
            return Ok(());
        }
        let refused = |message: String| {
            Err(self.located(ValueError::new(BAD_COPY_FORMAT, message), Some(line)))
        };
        let (got, expected) = (names.len(), self.column_count());
        if got != expected {
            return refused(format!(
                "wrong number of fields in header line: got {got}, expected {expected}"
            ));
        }
        for (at, name) in names.iter().enumerate() {
            let expected = self.schema.field(at).name();
            if name != expected {
                let field = at + 1;
                return refused(format!(
                    "column name mismatch in header line field {field}: got \"{name}\", expected \"{expected}\""
                ));
            }
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CONTEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
