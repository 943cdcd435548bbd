//! Which rows and columns are drawn? Answers that depend only on (seed, stream, index, key), never on the order of asking.
//!
//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

/// What a draw is for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Rows of a tree.
    Rows = 1,
    /// Columns of a tree.
    TreeColumns = 2,
    /// Columns of a node.
    NodeColumns = 3,
    /// The random cut of extra-trees.
    Cuts = 4,
    /// The order in which category statistics see the rows.
    CategoryOrder = 5,
    /// Rows that stand for all when cuts are sought in a very large table.
    CutSample = 6,
}

/// Four random words for a 128-bit counter under a 64-bit key.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const M0: u64 = 0xD251_1F53;
    const M1: u64 = 0xCD9E_8D57;
    let mut c = counter;
    let mut k = key;
    for _ in 0..10 {
        let p0 = M0 * u64::from(c[0]);
        let p1 = M1 * u64::from(c[2]);
        c = [
            (p1 >> 32) as u32 ^ c[1] ^ k[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ c[3] ^ k[1],
            p0 as u32,
        ];
        k = [
            k[0].wrapping_add(0x9E37_79B9),
            k[1].wrapping_add(0xBB67_AE85),
        ];
    }
    c
}

/// A random word for `key` (a row key or a column number) in the `index`-th tree or node of a stream.
pub fn draw(seed: u64, stream: Stream, index: u32, key: u64) -> u64 {
    let counter = [key as u32, (key >> 32) as u32, index, stream as u32];
    let words = philox(counter, [seed as u32, (seed >> 32) as u32]);
    u64::from(words[0]) << 32 | u64::from(words[1])
}

/// A uniform number in [0, 1) with 53 random bits.
pub fn unit(seed: u64, stream: Stream, index: u32, key: u64) -> f64 {
    (draw(seed, stream, index, key) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the reference implementation (Random123, kat_vectors).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn unit_is_uniform_and_streams_differ() {
        let n = 20_000;
        let mean = (0..n).map(|key| unit(7, Stream::Rows, 3, key)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(
            draw(7, Stream::Rows, 3, 5),
            draw(7, Stream::TreeColumns, 3, 5)
        );
        assert_ne!(draw(7, Stream::Rows, 3, 5), draw(7, Stream::Rows, 4, 5));
    }
}
