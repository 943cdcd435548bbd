//! Which rows train the model? The query's result, taken once, in an order of its own.
//!
//! Rows are grouped by a hash of their key and ordered by a hash of their content, so that the same rows give the same
//! sequence whatever order, batches and partitions they came in. They stay in memory while their reservation allows
//! and move to bucket files below the spill folder when it does not; both give the same sequence.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, UInt32Array, UInt64Array};
use arrow::compute::{cast, concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use tarn_udfs::fit::group_rows::plain_type;
use tarn_udfs::model::bytes::hash_bytes;
use tarn_udfs::model::group_key::{KeyColumn, group_keys};

use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::label_census::LabelCensus;
use tarn_udfs::fit::row_key::row_keys;

/// Buckets of a set that spilled; a power of two below 256.
const BUCKETS: usize = 64;
const ROW_KEY: &str = "\u{1}row_key";
const GROUP_KEY: &str = "\u{1}group_key";

/// Which columns of the query play which role, by position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The label.
    pub label: usize,
    /// Columns of the group key, in the statement's order.
    pub keys: Vec<usize>,
    /// Columns that may become features.
    pub features: Vec<usize>,
    /// The column of ORDER BY.
    pub order_by: Option<usize>,
}

/// Collects the rows of the training query.
#[derive(Debug)]
pub struct TrainingSetBuilder {
    layout: Layout,
    schema: SchemaRef,
    names: Vec<String>,
    keys: Vec<KeyColumn>,
    census: LabelCensus,
    held: Vec<RecordBatch>,
    reservation: MemoryReservation,
    spill_dir: PathBuf,
    spill: Option<SpillFiles>,
    rows: u64,
    unlabelled: UnlabelledGroups,
}

/// Groups with rows that have no label: encoded key, key as text, rows.
pub type UnlabelledGroups = BTreeMap<Vec<u8>, (String, u64)>;

impl TrainingSetBuilder {
    /// A set over a query with this schema.
    pub fn new(
        schema: &Schema,
        layout: Layout,
        memory: &Arc<dyn MemoryPool>,
        spill_dir: &Path,
    ) -> Result<Self, TrainError> {
        let keys = layout
            .keys
            .iter()
            .map(|&key| KeyColumn::new(schema.field(key)))
            .collect::<Result<Vec<_>, _>>()?;
        let positions = layout
            .features
            .iter()
            .chain(&layout.keys)
            .chain(&layout.order_by)
            .chain([&layout.label]);
        let mut fields: Vec<Field> = positions
            .map(|&position| stored_field(schema.field(position)))
            .collect();
        let names = fields.iter().map(|field| field.name().clone()).collect();
        fields.push(Field::new(ROW_KEY, DataType::UInt64, false));
        if !keys.is_empty() {
            fields.push(Field::new(GROUP_KEY, DataType::Binary, false));
        }
        Ok(Self {
            census: LabelCensus::new(schema.field(layout.label))?,
            layout,
            schema: Arc::new(Schema::new(fields)),
            names,
            keys,
            held: Vec::new(),
            reservation: MemoryConsumer::new("training set")
                .with_can_spill(true)
                .register(memory),
            spill_dir: spill_dir.to_owned(),
            spill: None,
            rows: 0,
            unlabelled: UnlabelledGroups::new(),
        })
    }

    /// Takes a batch of the query's result and returns the rows kept: those with a label.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<u64, TrainError> {
        let labelled = self.census.labelled(batch.column(self.layout.label))?;
        let kept = self.project(batch, &labelled)?;
        if kept.num_rows() == 0 {
            return Ok(0);
        }
        self.census.observe(kept.column(self.names.len() - 1))?;
        self.rows += kept.num_rows() as u64;
        let bytes = batch_bytes(&kept);
        if self.reservation.try_grow(bytes).is_err() {
            self.spill_held()?;
            self.reservation.try_grow(bytes)?;
        }
        let count = kept.num_rows() as u64;
        self.held.push(kept);
        Ok(count)
    }

    fn project(
        &mut self,
        batch: &RecordBatch,
        labelled: &BooleanArray,
    ) -> Result<RecordBatch, TrainError> {
        let layout = &self.layout;
        let positions = layout
            .features
            .iter()
            .chain(&layout.keys)
            .chain(&layout.order_by)
            .chain([&layout.label]);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (&position, field) in positions.zip(self.schema.fields()) {
            columns.push(cast(batch.column(position), field.data_type())?);
        }
        let row_key = UInt64Array::from(row_keys(&self.names, &columns, batch.num_rows())?);
        let first_key = layout.features.len();
        let key_columns = columns[first_key..first_key + layout.keys.len()].to_vec();
        columns.push(Arc::new(row_key));
        if !self.keys.is_empty() {
            let keys = group_keys(&self.keys, &key_columns, batch.num_rows())?;
            columns.push(Arc::new(keys.to_array()));
        }
        let stored = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        if labelled.true_count() == labelled.len() {
            return Ok(stored);
        }
        if !self.keys.is_empty() {
            self.note_unlabelled(&stored, labelled);
        }
        Ok(filter_record_batch(&stored, labelled)?)
    }

    /// Remembers which groups have rows without a label: a group that has no other rows gets no model, and a reason.
    fn note_unlabelled(&mut self, stored: &RecordBatch, labelled: &BooleanArray) {
        let first = self.layout.features.len();
        let key_arrays = &stored.columns()[first..first + self.keys.len()];
        let keys = stored.column(stored.num_columns() - 1).as_binary::<i32>();
        for row in (0..labelled.len()).filter(|&row| !labelled.value(row)) {
            let text = || key_text(key_arrays, row);
            let entry = self.unlabelled.entry(keys.value(row).to_vec());
            entry.or_insert_with(|| (text(), 0)).1 += 1;
        }
    }

    fn spill_held(&mut self) -> Result<(), TrainError> {
        let grouped = !self.keys.is_empty();
        if self.spill.is_none() {
            self.spill = Some(SpillFiles::create(&self.spill_dir, &self.schema)?);
        }
        if let Some(spill) = &mut self.spill {
            for batch in self.held.drain(..) {
                spill.write(&batch, grouped)?;
            }
        }
        self.reservation.free();
        Ok(())
    }

    /// All rows have arrived.
    pub fn finish(mut self) -> Result<TrainingSet, TrainError> {
        if self.spill.is_some() {
            self.spill_held()?;
        }
        let spill = self.spill.map(SpillFiles::finish).transpose()?;
        Ok(TrainingSet {
            layout: self.layout,
            schema: self.schema,
            keys: self.keys,
            census: self.census,
            held: self.held,
            reservation: self.reservation,
            spill_dir: self.spill_dir,
            spill,
            rows: self.rows,
            unlabelled: self.unlabelled,
        })
    }
}

/// A key as a person reads it: values joined by commas.
pub fn key_text(keys: &[ArrayRef], row: usize) -> String {
    let text = |key: &ArrayRef| {
        if key.is_null(row) {
            "NULL".to_owned()
        } else {
            array_value_to_string(key, row).unwrap_or_default()
        }
    };
    keys.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn stored_field(field: &Field) -> Field {
    Field::new(field.name(), plain_type(field.data_type()), true)
        .with_metadata(field.metadata().clone())
}

/// Bytes of a batch's values.
pub(super) fn batch_bytes(batch: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| {
        column
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(bytes).sum()
}

/// The rows of the training query, taken.
#[derive(Debug)]
pub struct TrainingSet {
    layout: Layout,
    schema: SchemaRef,
    keys: Vec<KeyColumn>,
    census: LabelCensus,
    held: Vec<RecordBatch>,
    reservation: MemoryReservation,
    spill_dir: PathBuf,
    spill: Option<SpilledBuckets>,
    rows: u64,
    unlabelled: UnlabelledGroups,
}

impl TrainingSet {
    /// Rows with a label.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What was seen of the label.
    pub fn census(&self) -> &LabelCensus {
        &self.census
    }

    /// Columns of the group key.
    pub fn keys(&self) -> &[KeyColumn] {
        &self.keys
    }

    /// Groups with rows that have no label.
    pub fn unlabelled(&self) -> &UnlabelledGroups {
        &self.unlabelled
    }

    /// Whether rows went to files.
    pub fn is_spilled(&self) -> bool {
        self.spill.is_some()
    }

    /// Bytes that reading all rows at once would take beyond those held.
    pub fn reading_bytes(&self) -> usize {
        if self.spill.is_some() {
            0
        } else {
            self.held.iter().map(batch_bytes).sum()
        }
    }

    /// Most bytes that a bucket in files takes while it is read and sorted; 0 when the rows are in memory.
    pub fn bucket_reading_bytes(&self) -> usize {
        let most = self.spill.as_ref().map(|spill| spill.bucket_bytes_max);
        // `bucket` holds the rows twice for a moment.
        2 * most.unwrap_or(0)
    }

    /// Moves rows that are in memory to files.
    pub fn move_to_files(&mut self) -> Result<(), TrainError> {
        if self.spill.is_some() {
            return Ok(());
        }
        let mut files = SpillFiles::create(&self.spill_dir, &self.schema)?;
        for batch in self.held.drain(..) {
            files.write(&batch, !self.keys.is_empty())?;
        }
        self.spill = Some(files.finish()?);
        self.reservation.free();
        Ok(())
    }

    /// Forgets the rows; what was counted stays.
    pub fn release_rows(&mut self) {
        self.held.clear();
        self.spill = None;
        self.reservation.free();
    }

    /// Fields of the feature columns.
    pub fn feature_fields(&self) -> Vec<Field> {
        (0..self.layout.features.len())
            .map(|position| self.schema.field(position).clone())
            .collect()
    }

    /// Fields of the key columns.
    pub fn key_fields(&self) -> Vec<Field> {
        let first = self.layout.features.len();
        (first..first + self.layout.keys.len())
            .map(|position| self.schema.field(position).clone())
            .collect()
    }

    /// Number of buckets; reading them in order gives every row once.
    pub fn buckets(&self) -> usize {
        if self.spill.is_some() { BUCKETS } else { 1 }
    }

    /// Rows as they lie, in no particular order: for counting only.
    pub fn visit_unordered(
        &self,
        mut visit: impl FnMut(&SortedRows) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        for batch in &self.held {
            visit(&self.rows_of(batch.clone(), self.reservation.new_empty()))?;
        }
        if let Some(spill) = &self.spill {
            for bucket in 0..BUCKETS {
                spill.visit(bucket, |batch| {
                    visit(&self.rows_of(batch, self.reservation.new_empty()))
                })?;
            }
        }
        Ok(())
    }

    /// The rows of a bucket, by group key and content.
    pub fn bucket(&self, bucket: usize) -> Result<SortedRows, TrainError> {
        let reservation = self.reservation.new_empty();
        let batches = match &self.spill {
            None => self.held.clone(),
            Some(spill) => {
                let mut batches = Vec::new();
                spill.visit(bucket, |batch| {
                    // Reading and sorting hold the rows twice for a moment.
                    reservation.try_grow(2 * batch_bytes(&batch))?;
                    batches.push(batch);
                    Ok(())
                })?;
                batches
            }
        };
        if self.spill.is_none() {
            reservation.try_grow(batches.iter().map(batch_bytes).sum())?;
        }
        let whole = concat_batches(&self.schema, &batches)?;
        drop(batches);
        let order = self.canonical_order(&whole);
        let sorted = take_record_batch(&whole, &order)?;
        reservation.resize(batch_bytes(&sorted));
        Ok(self.rows_of(sorted, reservation))
    }

    fn canonical_order(&self, batch: &RecordBatch) -> UInt32Array {
        let rows = &self.rows_of(batch.clone(), self.reservation.new_empty());
        let row_keys = rows.row_keys();
        let Some(keys) = rows.group_keys() else {
            let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
            order.sort_unstable_by_key(|&row| row_keys[row as usize]);
            return UInt32Array::from(order);
        };
        let mut groups: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for row in 0..batch.num_rows() {
            let group = groups.entry(keys.value(row)).or_default();
            group.push(row as u32);
        }
        let mut groups: Vec<(&[u8], Vec<u32>)> = groups.into_iter().collect();
        groups.sort_by_cached_key(|(key, _)| (bucket_of_group(key), *key));
        let mut order = Vec::with_capacity(batch.num_rows());
        for (_, mut members) in groups {
            members.sort_unstable_by_key(|&row| row_keys[row as usize]);
            order.extend(members);
        }
        UInt32Array::from(order)
    }

    fn rows_of(&self, batch: RecordBatch, reservation: MemoryReservation) -> SortedRows {
        SortedRows {
            features: self.layout.features.len(),
            keys: self.layout.keys.len(),
            ordered: self.layout.order_by.is_some(),
            batch,
            _reservation: reservation,
        }
    }
}

/// Rows of a training set, with the memory that they hold.
#[derive(Debug)]
pub struct SortedRows {
    batch: RecordBatch,
    features: usize,
    keys: usize,
    ordered: bool,
    _reservation: MemoryReservation,
}

impl SortedRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that `keep` wants, by group key (empty without groups) and content hash.
    pub fn filtered(self, keep: impl Fn(&[u8], u64) -> bool) -> Result<Self, TrainError> {
        let row_keys = self.row_keys().iter();
        let mask: BooleanArray = match self.group_keys() {
            None => row_keys.map(|&row| Some(keep(&[], row))).collect(),
            Some(keys) => (keys.iter().zip(row_keys))
                .map(|(key, &row)| Some(keep(key.unwrap_or_default(), row)))
                .collect(),
        };
        let batch = filter_record_batch(&self.batch, &mask)?;
        Ok(Self { batch, ..self })
    }

    /// Feature columns.
    pub fn features(&self) -> &[ArrayRef] {
        &self.batch.columns()[..self.features]
    }

    /// Columns of the group key.
    pub fn keys(&self) -> &[ArrayRef] {
        &self.batch.columns()[self.features..self.features + self.keys]
    }

    /// The column of ORDER BY.
    pub fn order_by(&self) -> Option<&ArrayRef> {
        self.ordered
            .then(|| self.batch.column(self.features + self.keys))
    }

    /// The label column.
    pub fn label(&self) -> &ArrayRef {
        self.batch
            .column(self.features + self.keys + usize::from(self.ordered))
    }

    /// Content hash of each row.
    pub fn row_keys(&self) -> &[u64] {
        let column = self
            .batch
            .column(self.features + self.keys + usize::from(self.ordered) + 1);
        column.as_primitive::<UInt64Type>().values()
    }

    /// Encoded group key of each row; `None` when the model has no groups.
    pub fn group_keys(&self) -> Option<&BinaryArray> {
        (self.keys > 0)
            .then(|| self.batch.columns()[self.batch.num_columns() - 1].as_binary::<i32>())
    }

    /// Ranges of rows with one group key, in order; one range when the model has no groups.
    pub fn groups(&self) -> Vec<std::ops::Range<usize>> {
        let Some(keys) = self.group_keys() else {
            return std::iter::once(0..self.len()).collect();
        };
        let mut ranges = Vec::new();
        let mut start = 0;
        for row in 1..=self.len() {
            if row == self.len() || keys.value(row) != keys.value(start) {
                ranges.push(start..row);
                start = row;
            }
        }
        ranges
    }
}

fn bucket_of_group(key: &[u8]) -> usize {
    (hash_bytes(7, key) >> 58) as usize % BUCKETS
}

/// Buckets of rows without groups follow the row key, so that sorted buckets in order are sorted as a whole.
fn bucket_of_row(key: u64) -> usize {
    (key >> 58) as usize % BUCKETS
}

/// Open bucket files.
struct SpillFiles {
    folder: SpillFolder,
    writers: Vec<StreamWriter<BufWriter<File>>>,
    /// Bytes of each bucket's rows in memory.
    bytes: Vec<usize>,
}

impl std::fmt::Debug for SpillFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpillFiles")
            .field("folder", &self.folder)
            .finish()
    }
}

impl SpillFiles {
    fn create(spill_dir: &Path, schema: &SchemaRef) -> Result<Self, TrainError> {
        let folder = SpillFolder::create(spill_dir)?;
        let open = |bucket| -> Result<_, TrainError> {
            let file = BufWriter::new(File::create(folder.bucket_path(bucket))?);
            Ok(StreamWriter::try_new(file, schema)?)
        };
        let writers = (0..BUCKETS).map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            folder,
            writers,
            bytes: vec![0; BUCKETS],
        })
    }

    fn write(&mut self, batch: &RecordBatch, grouped: bool) -> Result<(), TrainError> {
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); BUCKETS];
        let last = batch.column(batch.num_columns() - 1);
        for row in 0..batch.num_rows() {
            let bucket = if grouped {
                bucket_of_group(last.as_binary::<i32>().value(row))
            } else {
                bucket_of_row(last.as_primitive::<UInt64Type>().value(row))
            };
            rows[bucket].push(row as u32);
        }
        let buckets = self.writers.iter_mut().zip(&mut self.bytes);
        for ((writer, bytes), rows) in buckets.zip(rows) {
            if !rows.is_empty() {
                let part = take_record_batch(batch, &UInt32Array::from(rows))?;
                *bytes += batch_bytes(&part);
                writer.write(&part)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<SpilledBuckets, TrainError> {
        for writer in &mut self.writers {
            writer.finish()?;
        }
        Ok(SpilledBuckets {
            folder: self.folder,
            bucket_bytes_max: self.bytes.into_iter().max().unwrap_or(0),
        })
    }
}

/// Closed bucket files.
#[derive(Debug)]
struct SpilledBuckets {
    folder: SpillFolder,
    bucket_bytes_max: usize,
}

impl SpilledBuckets {
    fn visit(
        &self,
        bucket: usize,
        mut visit: impl FnMut(RecordBatch) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let file = BufReader::new(File::open(self.folder.bucket_path(bucket))?);
        for batch in StreamReader::try_new(file, None)? {
            visit(batch?)?;
        }
        Ok(())
    }
}

/// A folder of its own below the spill folder, removed with its value.
#[derive(Debug)]
struct SpillFolder(PathBuf);

impl SpillFolder {
    fn create(spill_dir: &Path) -> Result<Self, TrainError> {
        let folder = spill_dir.join(format!("train-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn bucket_path(&self, bucket: usize) -> PathBuf {
        self.0.join(format!("{bucket:02}.arrow"))
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // The server purges the spill folder at its start, so a file that cannot be removed now is not lost for ever.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    fn query() -> RecordBatch {
        let rows = 5_000;
        let groups: Vec<String> = (0..rows).map(|row| format!("g{}", row % 37)).collect();
        let numbers: Vec<i64> = (0..rows).map(|row| (row * 7_919) % 1_009).collect();
        let labels: Vec<Option<f64>> = (0..rows)
            .map(|row| (row % 10 != 0).then_some(row as f64 / 3.0))
            .collect();
        RecordBatch::try_from_iter([
            ("g", Arc::new(StringArray::from(groups)) as ArrayRef),
            ("x", Arc::new(Int64Array::from(numbers)) as ArrayRef),
            ("y", Arc::new(Float64Array::from(labels)) as ArrayRef),
        ])
        .unwrap()
    }

    fn collect(
        batches: &[RecordBatch],
        grouped: bool,
        memory_bytes: usize,
    ) -> (RecordBatch, bool, Vec<usize>) {
        let folder =
            std::env::temp_dir().join(format!("tarn-training-set-{}", uuid::Uuid::new_v4()));
        let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
        let keys = if grouped { vec![0] } else { vec![] };
        let layout = Layout {
            label: 2,
            keys,
            features: vec![1],
            order_by: None,
        };
        let mut builder =
            TrainingSetBuilder::new(&batches[0].schema(), layout, &memory, &folder).unwrap();
        for batch in batches {
            builder.push(batch).unwrap();
        }
        let set = builder.finish().unwrap();
        let spilled = set.is_spilled();
        let mut sizes = Vec::new();
        let mut batches = Vec::new();
        for bucket in 0..set.buckets() {
            let rows = set.bucket(bucket).unwrap();
            sizes.extend(
                rows.groups()
                    .iter()
                    .map(|range| range.len())
                    .filter(|&size| size > 0),
            );
            batches.push(rows.batch.clone());
        }
        let whole = concat_batches(&set.schema, &batches).unwrap();
        drop(set);
        let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        assert_eq!(left, 0, "spill files are removed");
        let _ = std::fs::remove_dir_all(&folder);
        (whole, spilled, sizes)
    }

    #[test]
    fn order_batches_and_spilling_do_not_change_the_sequence() {
        let whole = query();
        let backwards = UInt32Array::from_iter_values((0..whole.num_rows() as u32).rev());
        let reversed = take_record_batch(&whole, &backwards).unwrap();
        let pieces: Vec<RecordBatch> = (0..50).map(|i| reversed.slice(i * 100, 100)).collect();
        for grouped in [false, true] {
            let (plain, spilled, sizes) =
                collect(std::slice::from_ref(&whole), grouped, usize::MAX);
            assert!(!spilled);
            assert_eq!(plain.num_rows(), 4_500);
            let (shuffled, _, _) = collect(&pieces, grouped, usize::MAX);
            assert_eq!(plain, shuffled);
            let (from_files, spilled, file_sizes) = collect(&pieces, grouped, 60_000);
            assert!(spilled);
            assert_eq!(plain, from_files);
            if grouped {
                assert_eq!(sizes.len(), 37);
                assert_eq!(sizes, file_sizes);
            }
        }
    }

    #[test]
    fn a_row_that_never_fits_is_an_out_of_memory_error() {
        let folder = std::env::temp_dir();
        let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000));
        let layout = Layout {
            label: 2,
            keys: vec![],
            features: vec![0, 1],
            order_by: None,
        };
        let batch = query();
        let mut builder =
            TrainingSetBuilder::new(&batch.schema(), layout, &memory, &folder).unwrap();
        assert_eq!(builder.push(&batch).unwrap_err().sqlstate(), Some("53200"));
    }
}
