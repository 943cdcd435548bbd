//! What can come out of a statement?

use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{Stream, StreamExt, stream};

use crate::error::PgError;
use crate::statement::copy::{CopyIn, CopyOut};

/// Batches that arrive one by one.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, PgError>> + Send>>;

/// What a statement gives.
pub enum Outcome {
    /// Rows, then a tag.
    Rows(Rows),
    /// A tag only.
    Command(String),
    /// The client sends rows next.
    CopyIn(Box<CopyIn>),
    /// The client gets COPY data.
    CopyOut(Box<CopyOut>),
}

impl Outcome {
    /// Does the statement's own transaction stay open until the client has done its part?
    pub fn keeps_transaction(&self) -> bool {
        matches!(self, Outcome::CopyIn(_))
    }
}

/// How the command tag of a row set reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowsTag {
    /// `SELECT n`, `FETCH n` or `INSERT 0 n`: the word and the number of rows.
    Counted(&'static str),
    /// `SHOW`, `EXPLAIN`: the word alone.
    Fixed(&'static str),
}

impl RowsTag {
    /// The tag after `rows` rows.
    pub fn text(&self, rows: u64) -> String {
        match self {
            RowsTag::Counted(word) => format!("{word} {rows}"),
            RowsTag::Fixed(word) => (*word).to_string(),
        }
    }
}

/// A row set.
pub struct Rows {
    /// Its columns, with Postgres types in the metadata.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: BatchStream,
    /// Its tag.
    pub tag: RowsTag,
}

impl Rows {
    /// Rows that are all there already.
    pub fn of(batches: Vec<RecordBatch>, schema: SchemaRef, tag: RowsTag) -> Rows {
        Rows {
            schema,
            batches: stream::iter(batches.into_iter().map(Ok)).boxed(),
            tag,
        }
    }

    /// Columns of text; every row has one value per column.
    pub fn texts(
        names: &[&str],
        rows: &[Vec<Option<String>>],
        tag: RowsTag,
    ) -> Result<Rows, PgError> {
        let fields: Vec<Field> = names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let columns: Vec<ArrayRef> = (0..names.len())
            .map(|column| {
                let values = rows.iter().map(|row| row.get(column).cloned().flatten());
                Arc::new(values.collect::<StringArray>()) as ArrayRef
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Rows::of(vec![batch], schema, tag))
    }
}
