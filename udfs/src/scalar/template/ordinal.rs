//! `st`, `nd`, `rd` or `th`?

/// How the ending of an ordinal number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordinal {
    /// `TH`
    Upper,
    /// `th`
    Lower,
}

/// The ending of a number given in digits.
pub fn ending(digits: &str, ordinal: Ordinal) -> &'static str {
    let bytes = digits.as_bytes();
    let last = bytes.last().copied().unwrap_or(b'0');
    let is_teen = bytes.len() > 1 && bytes[bytes.len() - 2] == b'1';
    let (upper, lower) = match last {
        _ if is_teen => ("TH", "th"),
        b'1' => ("ST", "st"),
        b'2' => ("ND", "nd"),
        b'3' => ("RD", "rd"),
        _ => ("TH", "th"),
    };
    match ordinal {
        Ordinal::Upper => upper,
        Ordinal::Lower => lower,
    }
}
