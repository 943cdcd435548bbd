//! Which files can a filter not match?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use crate::table::error::Result;
use crate::table::statistics::FileStatistics;

/// One file for the pruner: statistics of the columns that it holds, and its partition values.
#[derive(Debug)]
pub struct Candidate {
    /// by field of the file schema
    pub statistics: Arc<FileStatistics>,
    /// by partition column
    pub partition_values: Vec<ScalarValue>,
}

/// Statistics of many files, by column of the scan: first the columns in the files, then the partition columns.
#[derive(Debug)]
struct Candidates<'a> {
    files: &'a [Candidate],
    schema: &'a Schema,
    positions: HashMap<&'a str, usize>,
    file_columns: usize,
}

/// For each file, whether it may hold rows that pass all filters. Filters that cannot be judged keep all files.
pub fn keep(
    session: &dyn Session,
    filters: &[Expr],
    schema: &SchemaRef,
    files: &[Candidate],
    file_columns: usize,
) -> Result<Vec<bool>> {
    let all = || Ok(vec![true; files.len()]);
    let Some(filter) = conjunction(filters.iter().cloned()) else {
        return all();
    };
    let df_schema = DFSchema::try_from(Arc::clone(schema))?;
    // The scan sees unqualified columns.
    let filter = datafusion::logical_expr::expr_rewriter::unnormalize_col(filter);
    let filter = datafusion::logical_expr::expr_rewriter::strip_outer_reference(filter);
    let Ok(predicate) = session.create_physical_expr(filter, &df_schema) else {
        return all();
    };
    let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
    let Ok(predicate) = builder.try_build(predicate) else {
        return all();
    };
    let candidates = Candidates {
        files,
        schema,
        positions: schema
            .fields()
            .iter()
            .enumerate()
            .map(|(position, field)| (field.name().as_str(), position))
            .collect(),
        file_columns,
    };
    predicate
        .prune(&candidates)
        .or_else(|_| all().map_err(|error: crate::table::error::TableError| error))
}

impl Candidates<'_> {
    fn column(
        &self,
        column: &Column,
        of_file: impl Fn(&Candidate, usize) -> Option<ScalarValue>,
    ) -> Option<ArrayRef> {
        let position = *self.positions.get(column.name())?;
        let data_type = self.schema.field(position).data_type();
        let null = ScalarValue::try_from(data_type).ok()?;
        let values = self.files.iter().map(|file| {
            let value = match position.checked_sub(self.file_columns) {
                Some(partition) => file.partition_values.get(partition).cloned(),
                None => of_file(file, position),
            };
            value.unwrap_or_else(|| null.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for Candidates<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, |file, position| {
            file.statistics.columns.get(position)?.min.clone()
        })
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, |file, position| {
            file.statistics.columns.get(position)?.max.clone()
        })
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let position = *self.positions.get(column.name())?;
        let counts: UInt64Array = self
            .files
            .iter()
            .map(|file| match position.checked_sub(self.file_columns) {
                Some(partition) => match file.partition_values.get(partition)?.is_null() {
                    true => file.statistics.rows,
                    false => Some(0),
                },
                None => file.statistics.columns.get(position)?.null_count,
            })
            .collect();
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts: UInt64Array = self.files.iter().map(|file| file.statistics.rows).collect();
        Some(Arc::new(counts))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
