//! How does a value become bytes, and how do untrusted bytes become a value again without a panic?
//!
//! Everything is little-endian. Lengths are checked against what is left before anything is allocated, so a
//! damaged or hostile length costs an error and no memory.

use crate::error::ModelError;

/// Appends values to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The bytes written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, exact.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// Length and bytes.
    pub fn block(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Length and UTF-8.
    pub fn text(&mut self, value: &str) {
        self.block(value.as_bytes());
    }
}

/// Takes values from a buffer that nobody vouches for.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        if length > self.rest.len() {
            return Err(ModelError::damaged("a value runs past the end"));
        }
        let (head, tail) = self.rest.split_at(length);
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut value = [0; N];
        value.copy_from_slice(self.take(N)?);
        Ok(value)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, ModelError> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Eight bytes, two's complement.
    pub fn i64(&mut self) -> Result<i64, ModelError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Eight bytes, exact.
    pub fn f64(&mut self) -> Result<f64, ModelError> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// A finite number; anything else is damage.
    pub fn finite(&mut self) -> Result<f64, ModelError> {
        let value = self.f64()?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(ModelError::damaged("a number is not finite"))
        }
    }

    /// Length and bytes.
    pub fn block(&mut self) -> Result<&'a [u8], ModelError> {
        let length = self.u64()?;
        let length =
            usize::try_from(length).map_err(|_| ModelError::damaged("a length is too large"))?;
        self.take(length)
    }

    /// Length and UTF-8.
    pub fn text(&mut self) -> Result<&'a str, ModelError> {
        std::str::from_utf8(self.block()?).map_err(|_| ModelError::damaged("a text is not UTF-8"))
    }

    /// A count of items that take at least `item_bytes_min` bytes each.
    pub fn count(&mut self, item_bytes_min: usize) -> Result<usize, ModelError> {
        let count = self.u32()? as usize;
        if count.saturating_mul(item_bytes_min.max(1)) > self.rest.len() {
            return Err(ModelError::damaged("a count is larger than the data"));
        }
        Ok(count)
    }

    /// Fails unless everything was read.
    pub fn finish(self) -> Result<(), ModelError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(ModelError::damaged("bytes are left over"))
        }
    }
}

/// A 64-bit checksum over bytes: multiply and fold per 8-byte word, then a final avalanche.
///
/// It guards against torn or flipped bytes, not against an attacker; the decoder's limits do that.
pub fn checksum(bytes: &[u8]) -> u64 {
    hash_bytes(0x9E37_79B9_7F4A_7C15, bytes)
}

/// A seeded 64-bit hash of bytes, the same on every machine and in every version of this program.
pub fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed ^ (bytes.len() as u64).wrapping_mul(0xA076_1D64_78BD_642F));
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut value = [0; 8];
        value.copy_from_slice(word);
        state = fold(state ^ u64::from_le_bytes(value), 0xE703_7ED1_A0B4_28DB);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        let mut value = [0; 8];
        value[..tail.len()].copy_from_slice(tail);
        state = fold(state ^ u64::from_le_bytes(value), 0x8EBC_6AF0_9C88_C6E3);
    }
    mix(state)
}

/// The 128-bit product, its halves folded together.
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64) ^ left.rotate_left(32)
}

/// The finaliser of MurmurHash3: every input bit reaches every output bit.
pub fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    value ^= value >> 33;
    value = value.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    value ^ (value >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_exactly() {
        let mut writer = Writer::default();
        writer.u8(7);
        writer.f64(0.1 + 0.2);
        writer.text("Straße");
        writer.i64(-5);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8().unwrap(), 7);
        assert_eq!(reader.f64().unwrap(), 0.1 + 0.2);
        assert_eq!(reader.text().unwrap(), "Straße");
        assert_eq!(reader.i64().unwrap(), -5);
        reader.finish().unwrap();
    }

    #[test]
    fn a_hostile_length_is_an_error() {
        let mut writer = Writer::default();
        writer.u64(u64::MAX);
        let bytes = writer.into_bytes();
        assert!(Reader::new(&bytes).block().is_err());
        assert!(Reader::new(&[255, 255, 255, 255]).count(4).is_err());
    }

    #[test]
    fn one_flipped_bit_changes_the_checksum() {
        let bytes: Vec<u8> = (0..100).collect();
        for bit in 0..800 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&bytes), checksum(&flipped));
        }
    }
}
