//! Does a writer stay within its budget of memory?

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use tarn_catalog::table::error::TableError;
use tarn_catalog::table::open::Tables;
use tarn_catalog::table::schema;
use tarn_catalog::table::write::{WriteTarget, WrittenFiles, write_rows};

use crate::rows::{Scratch, stream};

/// Text that neither a dictionary nor zstd makes small.
fn batch(number: i64) -> RecordBatch {
    let scattered = |n: i64| {
        (n as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(31)
    };
    let numbers = number * 8192..(number + 1) * 8192;
    let texts = numbers
        .clone()
        .map(|n| format!("{:x}{:x}", scattered(n), scattered(n + 1_000_000_007)));
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(numbers)) as _),
        ("s", Arc::new(StringArray::from_iter_values(texts)) as _),
    ])
    .unwrap()
}

async fn write_within(bytes: usize) -> (Result<WrittenFiles, TableError>, Arc<dyn MemoryPool>) {
    let scratch = Scratch::new();
    let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
    let tables = Tables::new().within(Arc::clone(&memory));
    let storage = schema::storage_schema(&batch(0).schema()).unwrap();
    let target = WriteTarget::new_table(scratch.location("t"), storage, Vec::new());
    let rows = stream((0..60).map(batch).collect());
    (write_rows(&tables, &target, rows).await, memory)
}

#[tokio::test]
async fn a_writer_writes_out_what_its_budget_cannot_hold() {
    // The rows take 25 MB. The last budget has no room for one batch: each goes to the file at once.
    for bytes in [usize::MAX, 6 << 20, 10_000] {
        let (written, memory) = write_within(bytes).await;
        assert_eq!(written.unwrap().rows, 60 * 8192);
        assert_eq!(memory.reserved(), 0, "what was taken was given back");
    }
}
