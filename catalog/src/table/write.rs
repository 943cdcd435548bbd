//! How do rows become data files?
//!
//! Files are written under the table's directory and stay invisible until a commit names them. Memory is bounded: rows wait
//! for their file up to a limit, at most [`OPEN_FILES_MAX`] files are open, and their row groups in memory have a limit too. Whoever drops a
//! [`WrittenFiles`] without publishing it deletes its files, so a failed or cancelled statement leaves nothing behind.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::table::error::{Result, TableError};
use crate::table::location::Location;
use crate::table::log::{Add, now_ms};
use crate::table::open::Tables;
use crate::table::version::{TableVersion, file_schema};
use crate::table::{partition, schema, statistics};

/// A file is closed when it has about this many bytes.
const FILE_BYTES_TARGET: usize = 128 << 20;

/// Most rows of a row group.
const ROW_GROUP_ROWS_MAX: usize = 1_000_000;

/// A row group is closed when it has about this many encoded bytes; it is what a writer holds in memory.
const ROW_GROUP_BYTES_TARGET: usize = 64 << 20;

/// Most files that are open at once; beyond it the largest is closed.
pub const OPEN_FILES_MAX: usize = 64;

/// Rows of one partition that wait in memory before its file is touched, in bytes.
const PARTITION_WAITING_BYTES_MAX: usize = 8 << 20;

/// Rows of all partitions that wait in memory, in bytes. Without waiting, rows in random order of many partitions would make
/// a file per partition and batch.
const WAITING_BYTES_MAX: usize = 128 << 20;

/// Row groups of all open files in memory, in bytes; beyond it the largest is written.
const ROW_GROUPS_BYTES_MAX: usize = 256 << 20;

/// Parts of one file that are on their way to the disk at once, of 10 MiB each.
const PARTS_IN_FLIGHT_MAX: usize = 2;

/// Columns with statistics in the log, unless the table says otherwise.
const INDEXED_COLUMNS_DEFAULT: usize = 32;

/// What a writer must know of a table.
#[derive(Debug, Clone)]
pub struct WriteTarget {
    /// where the table lies
    pub location: Location,
    /// columns in storage types, in the order of the table
    pub storage_schema: SchemaRef,
    /// names of the columns that partition it
    pub partition_columns: Vec<String>,
    /// how many columns get statistics in the log
    pub indexed_columns: usize,
}

impl WriteTarget {
    /// A table that exists; refused if it has a feature or rule that we do not write.
    pub fn of(location: &Location, version: &TableVersion) -> Result<WriteTarget> {
        if let Some(feature) = &version.abilities.read_only {
            return Err(TableError::Unsupported {
                table: location.to_string(),
                action: "written",
                feature: feature.clone(),
            });
        }
        let indexed = version
            .metadata
            .property("delta.dataSkippingNumIndexedCols")
            .and_then(|count| count.parse::<i64>().ok());
        Ok(WriteTarget {
            location: location.clone(),
            storage_schema: Arc::clone(&version.storage_schema),
            partition_columns: version.metadata.partition_columns.clone(),
            indexed_columns: match indexed {
                // -1 means all.
                Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
                None => INDEXED_COLUMNS_DEFAULT,
            },
        })
    }

    /// A table that is about to be created.
    pub fn new_table(
        location: Location,
        storage_schema: SchemaRef,
        partition_columns: Vec<String>,
    ) -> WriteTarget {
        WriteTarget {
            location,
            storage_schema,
            partition_columns,
            indexed_columns: INDEXED_COLUMNS_DEFAULT,
        }
    }
}

/// Data files on disk that no commit names yet. Dropping this deletes them.
#[derive(Debug, Default)]
pub struct WrittenFiles {
    /// their actions
    pub adds: Vec<Add>,
    /// rows in all of them
    pub rows: u64,
    paths: Vec<PathBuf>,
}

impl WrittenFiles {
    /// Keeps the files on disk: a commit names them, or somebody else has taken over to delete them.
    pub fn keep(mut self) -> (Vec<Add>, Vec<PathBuf>) {
        (
            std::mem::take(&mut self.adds),
            std::mem::take(&mut self.paths),
        )
    }
}

impl Drop for WrittenFiles {
    fn drop(&mut self) {
        delete_files(&self.paths);
    }
}

/// Deletes data files that no commit names; what cannot be deleted is left for a sweep.
pub fn delete_files(paths: &[PathBuf]) {
    for path in paths {
        if let Err(error) = std::fs::remove_file(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot delete an unpublished data file");
        }
    }
}

/// Writes all rows of a stream, whose columns are the table's logical ones by position.
///
/// Errors: `ResourcesExhausted` of DataFusion when the budget of `tables` has no room for the least that a writer needs.
pub async fn write_rows(
    tables: &Tables,
    target: &WriteTarget,
    mut rows: SendableRecordBatchStream,
) -> Result<WrittenFiles> {
    let mut writer = Writer::new(tables, target.clone())?;
    while let Some(batch) = rows.next().await {
        let batch = schema::to_storage(&batch?, &target.storage_schema)?;
        writer.write(batch).await?;
    }
    writer.finish().await
}

/// The partition values of a row, as the log has them.
type Key = Vec<Option<String>>;

struct Writer {
    store: Arc<dyn ObjectStore>,
    target: WriteTarget,
    file_schema: SchemaRef,
    /// positions of the partition columns in the storage schema, in the order of the metadata
    partition_positions: Vec<usize>,
    /// positions of the columns that go into the files
    file_positions: Vec<usize>,
    properties: WriterProperties,
    partitions: HashMap<Key, Partition>,
    waiting_bytes: usize,
    reservation: MemoryReservation,
    written: WrittenFiles,
}

/// Rows of one partition that wait for their file, and the file if there is one already.
#[derive(Default)]
struct Partition {
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    file: Option<OpenFile>,
}

struct OpenFile {
    path: String,
    writer: AsyncArrowWriter<BufWriter>,
    rows: u64,
    has_nan: bool,
}

impl Writer {
    fn new(tables: &Tables, target: WriteTarget) -> Result<Writer> {
        let partition_positions = target
            .partition_columns
            .iter()
            .map(|name| Ok(target.storage_schema.index_of(name)?))
            .collect::<Result<Vec<_>>>()?;
        let file_positions = (0..target.storage_schema.fields().len())
            .filter(|position| !partition_positions.contains(position))
            .collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_TARGET))
            .set_statistics_truncate_length(Some(statistics::TEXT_BOUND_BYTES_MAX))
            .set_created_by(concat!("tarn ", env!("CARGO_PKG_VERSION")).to_string())
            .build();
        Ok(Writer {
            store: Arc::clone(tables.store()),
            reservation: MemoryConsumer::new("table writer").register(tables.memory()),
            file_schema: file_schema(&target.storage_schema, &target.partition_columns),
            target,
            partition_positions,
            file_positions,
            properties,
            partitions: HashMap::new(),
            waiting_bytes: 0,
            written: WrittenFiles::default(),
        })
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.partition_positions.is_empty() {
            self.add(Key::new(), batch).await?;
        } else {
            for (key, part) in self.split(&batch)? {
                self.add(key, part).await?;
            }
        }
        self.reserve().await
    }

    /// Takes what this writer holds from the budget; without room, it first writes everything out.
    async fn reserve(&mut self) -> Result<()> {
        if self.reservation.try_resize(self.memory_bytes()).is_ok() {
            return Ok(());
        }
        let keys: Vec<Key> = self.partitions.keys().cloned().collect();
        for key in keys {
            self.flush(key.clone()).await?;
            if let Some(file) = self.partitions.get_mut(&key).and_then(|p| p.file.as_mut()) {
                file.writer.flush().await?;
            }
        }
        let bytes = self.memory_bytes();
        Ok(self.reservation.try_resize(bytes)?)
    }

    /// Rows that wait, and row groups that are being encoded.
    fn memory_bytes(&self) -> usize {
        let files = self.partitions.values().filter_map(|p| p.file.as_ref());
        self.waiting_bytes + files.map(|file| file.writer.memory_size()).sum::<usize>()
    }

    /// Lets rows wait until they are worth a write or all waiting rows take too much memory.
    async fn add(&mut self, key: Key, rows: RecordBatch) -> Result<()> {
        let bytes = rows.get_array_memory_size();
        let partition = self.partitions.entry(key.clone()).or_default();
        partition.waiting.push(rows);
        partition.waiting_bytes += bytes;
        self.waiting_bytes += bytes;
        if partition.waiting_bytes >= PARTITION_WAITING_BYTES_MAX {
            return self.flush(key).await;
        }
        while self.waiting_bytes >= WAITING_BYTES_MAX {
            let largest = self
                .partitions
                .iter()
                .max_by_key(|(_, partition)| partition.waiting_bytes)
                .map(|(key, _)| key.clone());
            let Some(largest) = largest else { break };
            self.flush(largest).await?;
        }
        Ok(())
    }

    /// The rows of each partition, without the partition columns.
    fn split(&self, batch: &RecordBatch) -> Result<Vec<(Key, RecordBatch)>> {
        let texts = self
            .partition_positions
            .iter()
            .map(|position| partition::texts(batch.column(*position)))
            .collect::<Result<Vec<_>>>()?;
        let mut rows_by_key: HashMap<Key, Vec<u32>> = HashMap::new();
        for row in 0..batch.num_rows() {
            let key = texts.iter().map(|column| column[row].clone()).collect();
            // A record batch of DataFusion has a few thousand rows.
            rows_by_key.entry(key).or_default().push(row as u32);
        }
        let in_file = batch.project(&self.file_positions)?;
        rows_by_key
            .into_iter()
            .map(|(key, rows)| Ok((key, take_record_batch(&in_file, &UInt32Array::from(rows))?)))
            .collect()
    }

    /// Writes the waiting rows of a partition to its file, and closes the file if it is large enough.
    async fn flush(&mut self, key: Key) -> Result<()> {
        let mut partition = self.partitions.remove(&key).unwrap_or_default();
        self.waiting_bytes -= partition.waiting_bytes;
        let mut file = match partition.file.take() {
            Some(file) => file,
            None => {
                self.make_room().await?;
                self.open_file(&key)?
            }
        };
        for rows in partition.waiting {
            file.has_nan |= statistics::has_nan(&rows);
            file.writer.write(&rows).await?;
            file.rows += rows.num_rows() as u64;
            // Encoding never waits by itself; between two batches whoever drops the write is heard.
            tokio::task::yield_now().await;
        }
        if file.writer.bytes_written() + file.writer.in_progress_size() >= FILE_BYTES_TARGET {
            return self.close(key, file).await;
        }
        let partition = Partition {
            file: Some(file),
            ..Partition::default()
        };
        self.partitions.insert(key, partition);
        self.write_largest_row_group().await
    }

    /// Ends the row group that takes most memory if all of them together take too much.
    async fn write_largest_row_group(&mut self) -> Result<()> {
        let files = self
            .partitions
            .values_mut()
            .filter_map(|partition| partition.file.as_mut());
        let mut total = 0;
        let mut largest: Option<&mut OpenFile> = None;
        for file in files {
            let bytes = file.writer.memory_size();
            total += bytes;
            if largest
                .as_ref()
                .is_none_or(|largest| largest.writer.memory_size() < bytes)
            {
                largest = Some(file);
            }
        }
        if total > ROW_GROUPS_BYTES_MAX
            && let Some(largest) = largest
        {
            largest.writer.flush().await?;
        }
        Ok(())
    }

    /// Closes the file that holds most memory if too many are open.
    async fn make_room(&mut self) -> Result<()> {
        let open = |partition: &Partition| {
            partition
                .file
                .as_ref()
                .map(|file| file.writer.memory_size())
        };
        if self.partitions.values().filter_map(open).count() < OPEN_FILES_MAX {
            return Ok(());
        }
        let largest = self
            .partitions
            .iter_mut()
            .max_by_key(|(_, partition)| open(partition))
            .and_then(|(key, partition)| Some((key.clone(), partition.file.take()?)));
        match largest {
            Some((key, file)) => self.close(key, file).await,
            None => Ok(()),
        }
    }

    fn open_file(&mut self, key: &Key) -> Result<OpenFile> {
        let name = format!("part-{}.zstd.parquet", uuid::Uuid::new_v4());
        let path = match key.is_empty() {
            true => name,
            false => format!(
                "{}/{name}",
                partition::directory(&self.target.partition_columns, key)
            ),
        };
        let object = self.target.location.file(&path)?;
        // Noted before the first byte is written, so that no way out of here leaves the file behind.
        self.written
            .paths
            .push(self.target.location.directory().join(&path));
        let writer = AsyncArrowWriter::try_new(
            BufWriter::new(Arc::clone(&self.store), object)
                .with_max_concurrency(PARTS_IN_FLIGHT_MAX),
            Arc::clone(&self.file_schema),
            Some(self.properties.clone()),
        )?;
        Ok(OpenFile {
            path,
            writer,
            rows: 0,
            has_nan: false,
        })
    }

    async fn close(&mut self, key: Key, mut file: OpenFile) -> Result<()> {
        let metadata = file.writer.finish().await?;
        let bytes = file.writer.bytes_written();
        let stats =
            statistics::describe(&metadata, &self.file_schema, self.target.indexed_columns)?;
        self.written.rows += file.rows;
        self.written.adds.push(Add {
            path: file.path,
            partition_values: self
                .target
                .partition_columns
                .iter()
                .cloned()
                .zip(key)
                .collect(),
            size: i64::try_from(bytes).unwrap_or(i64::MAX),
            modification_time: now_ms(),
            data_change: true,
            stats: Some(stats),
            tags: (!file.has_nan).then(statistics::nan_free_tags),
            ..Add::default()
        });
        Ok(())
    }

    async fn finish(mut self) -> Result<WrittenFiles> {
        let keys: Vec<Key> = self.partitions.keys().cloned().collect();
        for key in keys {
            self.flush(key.clone()).await?;
            let partition = self.partitions.remove(&key);
            if let Some(file) = partition.and_then(|partition| partition.file) {
                self.close(key, file).await?;
            }
        }
        // The same rows make the same order of actions, whatever the hash map did.
        self.written.adds.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.written)
    }
}
