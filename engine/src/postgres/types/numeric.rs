//! How do decimals look as `numeric`, in text and in base 10000, and how are they read?

use arrow::datatypes::i256;

use super::error::{NOT_SUPPORTED, OUT_OF_RANGE, ValueError};
use super::number::{push_padded, push_unsigned};

/// Significant digits of a quotient.
const QUOTIENT_DIGITS_MIN: i32 = 16;
/// Decimal digits of one word of the binary form.
const WORD_DIGITS: i32 = 4;
const SIGN_NEGATIVE: u16 = 0x4000;
/// Signs above the two of numbers are NaN and the infinities.
const SIGN_NAN: u16 = 0xC000;
const DIGITS_MAX: usize = 80;
const TEN_TO_18: u128 = 1_000_000_000_000_000_000;

/// The digits of a decimal's absolute value.
pub(super) struct Decimal {
    negative: bool,
    /// ASCII digits, right-aligned
    digits: [u8; DIGITS_MAX],
    start: usize,
    scale: i32,
}

impl Decimal {
    /// value × 10^-scale
    pub(super) fn of_i128(value: i128, scale: i8) -> Decimal {
        let mut decimal = Decimal::empty(value < 0, scale);
        let mut rest = value.unsigned_abs();
        while rest >= 10 {
            decimal.push_front((rest % 10) as u8);
            rest /= 10;
        }
        decimal.push_front(rest as u8);
        decimal
    }

    /// value × 10^-scale
    pub(super) fn of_i256(value: i256, scale: i8) -> Decimal {
        if let Some(value) = value.to_i128() {
            return Decimal::of_i128(value, scale);
        }
        let text = value.to_string();
        let mut decimal = Decimal::empty(text.starts_with('-'), scale);
        for digit in text.bytes().rev().filter(u8::is_ascii_digit) {
            decimal.push_front(digit - b'0');
        }
        decimal
    }

    fn empty(negative: bool, scale: i8) -> Decimal {
        Decimal {
            negative,
            digits: [b'0'; DIGITS_MAX],
            start: DIGITS_MAX,
            scale: i32::from(scale),
        }
    }

    fn push_front(&mut self, digit: u8) {
        self.start -= 1;
        self.digits[self.start] = b'0' + digit;
    }

    fn digits(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    fn is_zero(&self) -> bool {
        self.digits() == b"0"
    }

    /// Without zeros at the end of the fraction: how a `numeric` without a declared scale is shown.
    pub(super) fn trimmed(self) -> Decimal {
        self.trimmed_to(0)
    }

    /// With the digits of a quotient: PostgreSQL gives it 16 from the first word of four on, and a word more where
    /// the dividend's first word was not above the divisor's. That is known of 0 and 1, and of those with the digits.
    pub(super) fn quotient(self) -> Decimal {
        let exponent = self.digits().len() as i32 - 1 - self.scale;
        let is_low = self.is_zero() || self.is_power_of_word(exponent);
        let weight = match self.is_zero() {
            true => 0,
            false => exponent.div_euclid(WORD_DIGITS),
        };
        let scale = QUOTIENT_DIGITS_MIN - WORD_DIGITS * (weight - i32::from(is_low));
        self.trimmed_to(scale.max(0))
    }

    /// 1, 10000, …
    fn is_power_of_word(&self, exponent: i32) -> bool {
        let digits = self.digits();
        exponent.rem_euclid(WORD_DIGITS) == 0
            && digits[0] == b'1'
            && digits[1..].iter().all(|digit| *digit == b'0')
    }

    fn trimmed_to(mut self, scale: i32) -> Decimal {
        while self.scale > scale && self.digits[DIGITS_MAX - 1] == b'0' {
            self.digits
                .copy_within(self.start..DIGITS_MAX - 1, self.start + 1);
            self.start = (self.start + 1).min(DIGITS_MAX - 1);
            self.scale -= 1;
        }
        self
    }

    pub(super) fn push_text(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        let digits = self.digits();
        if self.scale <= 0 {
            out.extend_from_slice(digits);
            if !self.is_zero() {
                out.extend(std::iter::repeat_n(b'0', -self.scale as usize));
            }
            return;
        }
        let scale = self.scale as usize;
        let whole = digits.len().saturating_sub(scale);
        out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale - (digits.len() - whole)));
        out.extend_from_slice(&digits[whole..]);
    }

    /// Words of base 10000: count, weight of the first, sign, scale, words.
    pub(super) fn push_binary(&self, out: &mut Vec<u8>) {
        let scale = self.scale.max(0);
        let mut words = [0u16; DIGITS_MAX];
        let mut count = 0;
        let digits = self.digits();
        // The exponent of the first digit decides which word it belongs to and its place there.
        let exponent = digits.len() as i32 - 1 - self.scale;
        let weight = exponent.div_euclid(WORD_DIGITS);
        let mut place = exponent.rem_euclid(WORD_DIGITS);
        if !self.is_zero() {
            for digit in digits {
                if place < 0 {
                    place = WORD_DIGITS - 1;
                    count += 1;
                }
                words[count] += u16::from(digit - b'0') * 10u16.pow(place as u32);
                place -= 1;
            }
            count += 1;
            while words[count - 1] == 0 {
                count -= 1;
            }
        }
        let weight = if count == 0 { 0 } else { weight };
        let sign = if self.negative && count > 0 {
            SIGN_NEGATIVE
        } else {
            0
        };
        out.extend_from_slice(&(count as u16).to_be_bytes());
        out.extend_from_slice(&(weight as i16).to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&(scale as u16).to_be_bytes());
        for word in &words[..count] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// Appends value × 10^-scale without the detour over single digits.
#[inline]
pub(super) fn push_i128_text(out: &mut Vec<u8>, value: i128, scale: i8) {
    if !(0..=18).contains(&scale) {
        return Decimal::of_i128(value, scale).push_text(out);
    }
    if value < 0 {
        out.push(b'-');
    }
    let unit = 10u64.pow(u32::from(scale.unsigned_abs()));
    let absolute = value.unsigned_abs();
    let (whole, fraction) = match u64::try_from(absolute) {
        Ok(small) => (u128::from(small / unit), small % unit),
        Err(_) => (
            absolute / u128::from(unit),
            (absolute % u128::from(unit)) as u64,
        ),
    };
    match u64::try_from(whole) {
        Ok(whole) => push_unsigned(out, whole),
        Err(_) => {
            let (high, low) = (whole / TEN_TO_18, (whole % TEN_TO_18) as u64);
            match u64::try_from(high) {
                Ok(high) => push_unsigned(out, high),
                Err(_) => {
                    push_unsigned(out, (high / TEN_TO_18) as u64);
                    push_padded(out, (high % TEN_TO_18) as u64, 18);
                }
            }
            push_padded(out, low, 18);
        }
    }
    if scale > 0 {
        out.push(b'.');
        push_padded(out, fraction, scale as usize);
    }
}

/// A column's precision and scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub precision: u8,
    pub scale: i8,
}

/// Reads text such as `-12.50` or `1.5e3`, rounded half away from zero to the scale.
pub(super) fn parse(text: &str, size: Size) -> Result<i256, ValueError> {
    let word = text.trim_ascii();
    let syntax = || ValueError::syntax("numeric", text);
    let (negative, body) = match word.as_bytes() {
        [b'-', body @ ..] => (true, body),
        [b'+', body @ ..] => (false, body),
        body => (false, body),
    };
    let end = body
        .iter()
        .position(|byte| matches!(byte, b'e' | b'E'))
        .unwrap_or(body.len());
    let (mantissa, exponent) = body.split_at(end);
    if ["nan", "infinity", "inf"]
        .iter()
        .any(|name| body.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Err(not_finite(word));
    }
    let exponent: i64 = match exponent {
        [] => 0,
        [_, digits @ ..] => std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.len() < 12)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(syntax)?,
    };
    let mut number = Rounded::new(size);
    let point = mantissa
        .iter()
        .position(|byte| *byte == b'.')
        .unwrap_or(mantissa.len());
    if mantissa.len() - usize::from(point < mantissa.len()) == 0 {
        return Err(syntax());
    }
    let mut place = point as i64 - 1 + exponent;
    for (at, byte) in mantissa.iter().enumerate() {
        if at == point {
            continue;
        }
        if !byte.is_ascii_digit() {
            return Err(syntax());
        }
        number.push(byte - b'0', place);
        place -= 1;
    }
    number.finish(negative)
}

/// Digits after the point of a number that is written as text.
pub(super) fn text_scale(text: &str) -> i32 {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].trim_end().parse().unwrap_or(0)),
        None => (text, 0),
    };
    let fraction = mantissa
        .split_once('.')
        .map_or("", |(_, fraction)| fraction);
    (fraction.trim_end().len() as i32).saturating_sub(exponent)
}

/// Digits after the point of a number in the binary form.
pub(super) fn binary_scale(bytes: &[u8]) -> i32 {
    match bytes.get(6..8) {
        Some(pair) => i32::from(u16::from_be_bytes([pair[0], pair[1]])),
        None => 0,
    }
}

/// Reads the binary form, rounded to the scale.
pub(super) fn parse_binary(bytes: &[u8], size: Size) -> Result<i256, ValueError> {
    let invalid = || ValueError::binary("numeric");
    let word = |at: usize| {
        bytes
            .get(at..at + 2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    };
    let (Some(count), Some(weight), Some(sign), Some(_)) = (word(0), word(2), word(4), word(6))
    else {
        return Err(invalid());
    };
    if bytes.len() != 8 + 2 * usize::from(count) {
        return Err(invalid());
    }
    match sign {
        0 | SIGN_NEGATIVE => {}
        SIGN_NAN => return Err(not_finite("NaN")),
        0xD000 => return Err(not_finite("Infinity")),
        0xF000 => return Err(not_finite("-Infinity")),
        _ => return Err(invalid()),
    }
    let mut number = Rounded::new(size);
    let mut place = (i64::from(weight as i16) + 1) * i64::from(WORD_DIGITS) - 1;
    for at in 0..usize::from(count) {
        let value = word(8 + 2 * at)
            .filter(|value| *value < 10_000)
            .ok_or_else(invalid)?;
        for unit in [1000, 100, 10, 1] {
            number.push((value / unit % 10) as u8, place);
            place -= 1;
        }
    }
    number.finish(sign == SIGN_NEGATIVE)
}

fn not_finite(word: &str) -> ValueError {
    ValueError::new(
        NOT_SUPPORTED,
        format!("numeric columns cannot hold \"{word}\""),
    )
    .with_hint("Use double precision, which has NaN and infinities.")
}

/// Collects digits from the highest place on and rounds at the scale.
struct Rounded {
    size: Size,
    /// digits so far, those at or above the last kept place
    value: i256,
    started: bool,
    overflowed: bool,
    /// first digit below the scale
    next: u8,
    /// lowest place pushed into `value`
    lowest: i64,
}

impl Rounded {
    fn new(size: Size) -> Rounded {
        Rounded {
            size,
            value: i256::ZERO,
            started: false,
            overflowed: false,
            next: 0,
            lowest: i64::MAX,
        }
    }

    fn push(&mut self, digit: u8, place: i64) {
        let last_kept = -i64::from(self.size.scale);
        if place < last_kept {
            if place == last_kept - 1 {
                self.next = digit;
            }
            return;
        }
        self.lowest = place;
        if !self.started && digit == 0 {
            return;
        }
        self.started = true;
        if place - last_kept >= i64::from(self.size.precision) {
            self.overflowed = true;
            return;
        }
        self.value = self
            .value
            .wrapping_mul(i256::from_i128(10))
            .wrapping_add(i256::from_i128(i128::from(digit)));
    }

    fn finish(self, negative: bool) -> Result<i256, ValueError> {
        let Size { precision, scale } = self.size;
        let overflow = || {
            ValueError::new(OUT_OF_RANGE, "numeric field overflow").with_detail(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {}.",
                match i32::from(precision) - i32::from(scale) {
                    0 => "1".to_string(),
                    digits => format!("10^{digits}"),
                }
            ))
        };
        if self.overflowed {
            return Err(overflow());
        }
        let mut value = self.value;
        if self.started {
            // Text such as 1e3 ends above the last kept place.
            let zeros = self.lowest + i64::from(scale);
            for _ in 0..zeros {
                value = value.wrapping_mul(i256::from_i128(10));
            }
        }
        if self.next >= 5 {
            value = value.wrapping_add(i256::ONE);
        }
        let limit = i256::from_i128(10).wrapping_pow(u32::from(precision));
        if value >= limit {
            return Err(overflow());
        }
        Ok(if negative {
            value.wrapping_neg()
        } else {
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Decimal, Size, parse, parse_binary, push_i128_text};
    use arrow::datatypes::i256;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// (value, scale, text, binary) as PostgreSQL 15 has them.
    const CASES: &[(i128, i8, &str, &str)] = &[
        (0, 0, "0", "0000000000000000"),
        (0, 2, "0.00", "0000000000000002"),
        (15, 1, "1.5", "000200000000000100011388"),
        (-12345678, 3, "-12345.678", "0003000140000003000109291a7c"),
        (10000, 0, "10000", "00010001000000000001"),
        (1, 4, "0.0001", "0001ffff000000040001"),
        (
            12345678901234567890123456789012345678,
            8,
            "123456789012345678901234567890.12345678",
            "000a000700000008000c0d801ed204d2162e23340d801ed204d2162e",
        ),
        (
            1,
            38,
            "0.00000000000000000000000000000000000001",
            "0001fff6000000260064",
        ),
        (
            99999999999999999999999999999999999999,
            0,
            "99999999999999999999999999999999999999",
            "000a0009000000000063270f270f270f270f270f270f270f270f270f",
        ),
        (110, 2, "1.10", "0002000000000002000103e8"),
        (100000000, 0, "100000000", "00010002000000000001"),
        (123450000, 4, "12345.0000", "000200010000000400010929"),
        (-5, 2, "-0.05", "0001ffff4000000201f4"),
    ];

    #[test]
    fn text_and_binary_are_postgresqls() {
        for (value, scale, text, binary) in CASES {
            let decimal = Decimal::of_i128(*value, *scale);
            let mut out = Vec::new();
            decimal.push_text(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), *text);
            let mut out = Vec::new();
            push_i128_text(&mut out, *value, *scale);
            assert_eq!(String::from_utf8(out).unwrap(), *text);
            let mut out = Vec::new();
            decimal.push_binary(&mut out);
            assert_eq!(hex(&out), binary.replace(' ', ""), "{text}");
            let size = Size {
                precision: 38,
                scale: *scale,
            };
            assert_eq!(
                parse(text, size).unwrap(),
                i256::from_i128(*value),
                "{text}"
            );
            assert_eq!(
                parse_binary(&out, size).unwrap(),
                i256::from_i128(*value),
                "{text}"
            );
        }
    }

    #[test]
    fn wide_decimals_and_negative_scales() {
        let wide = i256::from_string(
            "1234567890123456789012345678901234567890123456789012345678901234567890123456",
        )
        .unwrap();
        let decimal = Decimal::of_i256(wide, 38);
        let mut out = Vec::new();
        decimal.push_text(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "12345678901234567890123456789012345678.90123456789012345678901234567890123456"
        );
        let mut out = Vec::new();
        decimal.push_binary(&mut out);
        assert_eq!(
            parse_binary(
                &out,
                Size {
                    precision: 76,
                    scale: 38
                }
            )
            .unwrap(),
            wide
        );
        let mut out = Vec::new();
        Decimal::of_i128(12, -3).push_text(&mut out);
        assert_eq!(out, b"12000");
        let mut out = Vec::new();
        Decimal::of_i128(12, -3).push_binary(&mut out);
        assert_eq!(hex(&out), "0002000100000000000107d0");
    }

    #[test]
    fn zeros_are_trimmed_to_the_point() {
        for (value, scale, text) in [
            (1_500_000_000, 9, "1.5"),
            (0, 10, "0"),
            (-30_000, 4, "-3"),
            (1, 10, "0.0000000001"),
            (100, 0, "100"),
        ] {
            let mut out = Vec::new();
            Decimal::of_i128(value, scale).trimmed().push_text(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn text_is_rounded_half_away_from_zero() {
        let size = Size {
            precision: 5,
            scale: 2,
        };
        let cases = [
            ("1.005", 101),
            ("-1.005", -101),
            ("1.004999", 100),
            ("999.994", 99999),
            ("1e2", 10000),
            ("1.5E-1", 15),
            (".5", 50),
            ("5.", 500),
            (" +7 ", 700),
            (
                "0.0000000000000000000000000000000000000000000000000000001",
                0,
            ),
            ("0e999999", 0),
            ("1e-99999", 0),
            ("00000000000000000000000000000000000000000000000012", 1200),
        ];
        for (text, value) in cases {
            assert_eq!(parse(text, size).unwrap(), i256::from_i128(value), "{text}");
        }
    }

    #[test]
    fn overflow_says_what_fits() {
        let error = parse(
            "999.995",
            Size {
                precision: 5,
                scale: 2,
            },
        )
        .unwrap_err();
        assert_eq!(error.sqlstate, "22003");
        assert_eq!(error.message, "numeric field overflow");
        assert_eq!(
            error.detail.as_deref(),
            Some(
                "A field with precision 5, scale 2 must round to an absolute value less than 10^3."
            )
        );
        assert_eq!(
            parse(
                "1e9999",
                Size {
                    precision: 38,
                    scale: 0
                }
            )
            .unwrap_err()
            .sqlstate,
            "22003"
        );
        assert_eq!(
            parse(
                "NaN",
                Size {
                    precision: 38,
                    scale: 0
                }
            )
            .unwrap_err()
            .sqlstate,
            "0A000"
        );
        for text in [
            "", "-", ".", "1.2.3", "1e", "1e+", "abc", "1 2", "1e1.5", "٣",
        ] {
            assert_eq!(
                parse(
                    text,
                    Size {
                        precision: 38,
                        scale: 0
                    }
                )
                .unwrap_err()
                .sqlstate,
                "22P02",
                "{text}"
            );
        }
    }

    #[test]
    fn damaged_binary_is_refused() {
        let size = Size {
            precision: 38,
            scale: 0,
        };
        assert_eq!(
            parse_binary(&[0, 1, 0, 0, 0, 0, 0, 0], size)
                .unwrap_err()
                .sqlstate,
            "22P03"
        );
        assert_eq!(
            parse_binary(&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], size)
                .unwrap_err()
                .sqlstate,
            "22P03"
        );
        assert_eq!(parse_binary(&[], size).unwrap_err().sqlstate, "22P03");
        let nan = [0, 0, 0, 0, 0xC0, 0, 0, 0];
        assert_eq!(parse_binary(&nan, size).unwrap_err().sqlstate, "0A000");
    }
}
