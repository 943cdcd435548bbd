//! How numbers become bytes and come back: little-endian, with a limit on every count, so that no input can make a
//! reader panic or ask for more memory than its own length justifies.

use crate::error::DecodeError;

/// Appends little-endian values.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A length or index; writers never hold more than `u32::MAX` of anything.
    pub fn count(&mut self, value: usize) {
        debug_assert!(u32::try_from(value).is_ok());
        self.u32(value as u32);
    }

    /// Four bytes of a float.
    pub fn f32(&mut self, value: f32) {
        self.u32(value.to_bits());
    }

    /// Eight bytes of a float.
    pub fn f64(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// A count and that many floats.
    pub fn f64s(&mut self, values: &[f64]) {
        self.count(values.len());
        for &value in values {
            self.f64(value);
        }
    }

    /// A count and that many floats.
    pub fn f32s(&mut self, values: &[f32]) {
        self.count(values.len());
        for &value in values {
            self.f32(value);
        }
    }
}

/// Reads what [`Writer`] wrote, distrusting every byte.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let (head, _) = rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated {
                offset: self.bytes.len(),
            })?;
        self.offset += N;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take::<1>()?[0])
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    /// Four bytes of any float.
    pub fn f32(&mut self) -> Result<f32, DecodeError> {
        Ok(f32::from_bits(self.u32()?))
    }

    /// Eight bytes of any float.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.take()?)))
    }

    /// Eight bytes of a float that is neither NaN nor infinite.
    pub fn finite(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        let value = self.f64()?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(DecodeError::Invalid { what })
        }
    }

    /// A whole number of at most `limit`.
    pub fn bounded(&mut self, what: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let found = self.u32()? as usize;
        if found > limit {
            return Err(DecodeError::Limit {
                what,
                found: found as u64,
                limit: limit as u64,
            });
        }
        Ok(found)
    }

    /// A count of items that take at least `item_bytes` each: refused when the rest of the input can't hold them, so
    /// that a forged count never reserves memory.
    pub fn count(
        &mut self,
        what: &'static str,
        limit: usize,
        item_bytes: usize,
    ) -> Result<usize, DecodeError> {
        let found = self.bounded(what, limit)?;
        let rest = self.bytes.len() - self.offset;
        if found.saturating_mul(item_bytes) > rest {
            return Err(DecodeError::Truncated {
                offset: self.bytes.len(),
            });
        }
        Ok(found)
    }

    /// A count and that many finite floats.
    pub fn finite_f64s(
        &mut self,
        what: &'static str,
        limit: usize,
    ) -> Result<Vec<f64>, DecodeError> {
        let count = self.count(what, limit, 8)?;
        (0..count).map(|_| self.finite(what)).collect()
    }

    /// A count and that many finite floats.
    pub fn finite_f32s(
        &mut self,
        what: &'static str,
        limit: usize,
    ) -> Result<Vec<f32>, DecodeError> {
        let count = self.count(what, limit, 4)?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let value = self.f32()?;
            if !value.is_finite() {
                return Err(DecodeError::Invalid { what });
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Fails when bytes are left over.
    pub fn end(self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            count => Err(DecodeError::Trailing { count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_lies_are_refused() {
        let mut writer = Writer::new();
        writer.u8(3);
        writer.f64s(&[1.5, -2.0]);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(3));
        assert_eq!(reader.finite_f64s("values", 10), Ok(vec![1.5, -2.0]));
        assert_eq!(reader.end(), Ok(()));

        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0x7f]);
        assert!(matches!(
            reader.finite_f64s("values", usize::MAX),
            Err(DecodeError::Truncated { .. })
        ));
        let mut reader = Reader::new(&[9, 0, 0, 0]);
        assert!(matches!(
            reader.finite_f64s("values", 8),
            Err(DecodeError::Limit {
                found: 9,
                limit: 8,
                ..
            })
        ));
        assert!(matches!(
            Reader::new(&[1]).end(),
            Err(DecodeError::Trailing { count: 1 })
        ));
    }
}
