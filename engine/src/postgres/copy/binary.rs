//! How is COPY's binary format taken apart?

use arrow::array::RecordBatch;

use super::sink::{BAD_COPY_FORMAT, Sink};
use crate::error::PgError;
use crate::postgres::types::error::ValueError;

/// What every binary copy starts with; the odd bytes show damage by text tools.
pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the extension.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// Flags above the lower half change the format; there are none today.
const CRITICAL_FLAGS: u32 = 0xFFFF_0000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Header,
    /// bytes of a header extension that nobody reads
    Extension(usize),
    Rows,
    /// the trailer has been seen
    Nothing,
}

/// Bytes received and not yet read as rows.
#[derive(Debug)]
pub(super) struct BinaryRows {
    buffer: Vec<u8>,
    start: usize,
    expected: Expected,
}

impl BinaryRows {
    pub(super) fn new() -> BinaryRows {
        BinaryRows {
            buffer: Vec::new(),
            start: 0,
            expected: Expected::Header,
        }
    }

    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        sink: &mut Sink,
        batches: &mut Vec<RecordBatch>,
    ) -> Result<(), PgError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
        while self.step(sink, batches)? {}
        Ok(())
    }

    pub(super) fn finish(&self, sink: &Sink) -> Result<(), PgError> {
        // A client may leave out the trailer, since the protocol has an end of its own.
        let at_border = self.expected == Expected::Rows && self.start == self.buffer.len();
        if self.expected == Expected::Nothing || at_border {
            return Ok(());
        }
        Err(sink.located(
            ValueError::new(BAD_COPY_FORMAT, "unexpected EOF in COPY data"),
            None,
        ))
    }

    /// Reads one thing; false when it is not there in full yet.
    fn step(&mut self, sink: &mut Sink, batches: &mut Vec<RecordBatch>) -> Result<bool, PgError> {
        let bytes = &self.buffer[self.start..];
        match self.expected {
            Expected::Header => {
                let compared = bytes.len().min(SIGNATURE.len());
                if bytes[..compared] != SIGNATURE[..compared] {
                    let message = "COPY file signature not recognized";
                    return Err(ValueError::new(BAD_COPY_FORMAT, message).into());
                }
                if bytes.len() < HEADER_BYTES {
                    return Ok(false);
                }
                let flags = word(bytes, SIGNATURE.len()).unwrap_or(0) as u32;
                if flags & CRITICAL_FLAGS != 0 {
                    let message = "unrecognized critical flags in COPY file header";
                    return Err(sink.located(ValueError::new(BAD_COPY_FORMAT, message), None));
                }
                let extension_bytes = word(bytes, SIGNATURE.len() + 4)
                    .and_then(|len| usize::try_from(len).ok())
                    .ok_or_else(|| {
                        let message = "invalid COPY file header (missing length)";
                        sink.located(ValueError::new(BAD_COPY_FORMAT, message), None)
                    })?;
                self.start += HEADER_BYTES;
                self.expected = Expected::Extension(extension_bytes);
                Ok(true)
            }
            Expected::Extension(left) => {
                let skipped = left.min(bytes.len());
                self.start += skipped;
                self.expected = if skipped == left {
                    Expected::Rows
                } else {
                    Expected::Extension(left - skipped)
                };
                Ok(skipped == left)
            }
            Expected::Rows => self.row(sink, batches),
            Expected::Nothing if bytes.is_empty() => Ok(false),
            Expected::Nothing => {
                let message = "received copy data after EOF marker";
                Err(sink.located(ValueError::new(BAD_COPY_FORMAT, message), None))
            }
        }
    }

    fn row(&mut self, sink: &mut Sink, batches: &mut Vec<RecordBatch>) -> Result<bool, PgError> {
        let bytes = &self.buffer[self.start..];
        let Some(count) = bytes
            .get(..2)
            .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
        else {
            return Ok(false);
        };
        if count == -1 {
            self.expected = Expected::Nothing;
            self.start += 2;
            return Ok(true);
        }
        let row_bytes = match row_bytes(bytes, sink.column_count()) {
            Ok(Some(row_bytes)) => row_bytes,
            Ok(None) if usize::try_from(count) == Ok(sink.column_count()) => return Ok(false),
            _ if usize::try_from(count) == Ok(sink.column_count()) => {
                sink.line += 1;
                return Err(
                    sink.located(ValueError::new(BAD_COPY_FORMAT, "invalid field size"), None)
                );
            }
            _ => 0,
        };
        sink.line += 1;
        if usize::try_from(count) != Ok(sink.column_count()) {
            let expected = sink.column_count();
            let message = format!("row field count is {count}, expected {expected}");
            return Err(sink.located(ValueError::new(BAD_COPY_FORMAT, message), None));
        }
        let mut at = 2;
        for column in 0..sink.column_count() {
            let len = word(bytes, at).unwrap_or(-1);
            at += 4;
            let value = usize::try_from(len)
                .ok()
                .and_then(|len| bytes.get(at..at + len));
            at += value.map_or(0, <[u8]>::len);
            sink.append_binary(column, value)?;
        }
        self.start += row_bytes;
        batches.extend(sink.end_row(row_bytes)?);
        Ok(true)
    }
}

struct InvalidFieldSize;

/// Length of a row of this many fields; None when it is not there in full.
fn row_bytes(bytes: &[u8], field_count: usize) -> Result<Option<usize>, InvalidFieldSize> {
    let mut at = 2;
    for _ in 0..field_count {
        let Some(len) = word(bytes, at) else {
            return Ok(None);
        };
        at += 4;
        if len != -1 {
            at += usize::try_from(len).map_err(|_| InvalidFieldSize)?;
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

fn word(bytes: &[u8], at: usize) -> Option<i32> {
    bytes
        .get(at..at + 4)
        .map(|word| i32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}
