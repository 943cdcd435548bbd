//! How do integers, floats and booleans look as text, and how are they read?

use super::error::{INVALID_TEXT, OUT_OF_RANGE, ValueError};

const TWO_DIGITS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Appends a number below 100 as two digits.
#[inline]
pub(super) fn push_two_digits(out: &mut Vec<u8>, number: u32) {
    let at = (number % 100) as usize * 2;
    out.extend_from_slice(&TWO_DIGITS[at..at + 2]);
}

/// Appends an unsigned number.
#[inline]
pub(super) fn push_unsigned(out: &mut Vec<u8>, number: u64) {
    push_padded(out, number, 1);
}

/// Appends an unsigned number with zeros in front up to a width of at most 20.
#[inline]
pub(super) fn push_padded(out: &mut Vec<u8>, mut number: u64, width_min: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number >= 100 {
        at -= 2;
        let pair = (number % 100) as usize * 2;
        digits[at..at + 2].copy_from_slice(&TWO_DIGITS[pair..pair + 2]);
        number /= 100;
    }
    if number >= 10 {
        at -= 2;
        let pair = number as usize * 2;
        digits[at..at + 2].copy_from_slice(&TWO_DIGITS[pair..pair + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + number as u8;
    }
    let at = at.min(digits.len() - width_min.min(digits.len()));
    out.extend_from_slice(&digits[at..]);
}

/// Appends a signed number.
#[inline]
pub(super) fn push_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_unsigned(out, number.unsigned_abs());
}

/// What differs between `real` and `double precision` in text.
struct FloatKind {
    /// Exponents from here on are written with `e`: the digits that always survive.
    exponent_max: i32,
    /// Digits that identify every value.
    digits_max: usize,
}

const REAL: FloatKind = FloatKind {
    exponent_max: 6,
    digits_max: 9,
};
const DOUBLE: FloatKind = FloatKind {
    exponent_max: 15,
    digits_max: 17,
};

/// Appends a double as `float8out` prints it.
pub(super) fn push_f64(out: &mut Vec<u8>, value: f64, extra_float_digits: i32) {
    if push_special(out, value) {
        return;
    }
    if extra_float_digits <= 0 {
        let digits = (DOUBLE.exponent_max + extra_float_digits).max(1) as usize;
        return push_rounded(out, value, digits);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (digits, exponent) = Digits::of_ryu(text.as_bytes());
    if value.abs() >= (1u64 << 53) as f64
        && exponent_touches(&digits, exponent, midpoints_f64(value))
    {
        return push_inside(
            out,
            value,
            &digits,
            &DOUBLE,
            |text| text.parse() == Ok(value),
            midpoints_f64(value),
        );
    }
    layout(
        out,
        value.is_sign_negative(),
        digits.as_slice(),
        exponent,
        DOUBLE.exponent_max,
    );
}

/// Appends a single as `float4out` prints it.
pub(super) fn push_f32(out: &mut Vec<u8>, value: f32, extra_float_digits: i32) {
    if push_special(out, f64::from(value)) {
        return;
    }
    if extra_float_digits <= 0 {
        let digits = (REAL.exponent_max + extra_float_digits).max(1) as usize;
        return push_rounded(out, f64::from(value), digits);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (digits, exponent) = Digits::of_ryu(text.as_bytes());
    if value.abs() >= (1u32 << 24) as f32
        && exponent_touches(&digits, exponent, midpoints_f32(value))
    {
        let reads_back = |text: &str| text.parse() == Ok(value);
        return push_inside(
            out,
            f64::from(value),
            &digits,
            &REAL,
            reads_back,
            midpoints_f32(value),
        );
    }
    layout(
        out,
        value.is_sign_negative(),
        digits.as_slice(),
        exponent,
        REAL.exponent_max,
    );
}

fn push_special(out: &mut Vec<u8>, value: f64) -> bool {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else {
        return false;
    }
    true
}

/// Significant decimal digits without zeros at either end.
struct Digits {
    bytes: [u8; 20],
    len: usize,
}

impl Digits {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn number(&self) -> u128 {
        self.as_slice()
            .iter()
            .fold(0, |number, digit| number * 10 + u128::from(digit - b'0'))
    }

    /// Digits and the exponent of the first one, from `12.5`, `0.001` or `1.25e-7`.
    fn of_ryu(text: &[u8]) -> (Digits, i32) {
        let mut digits = Digits {
            bytes: [0; 20],
            len: 0,
        };
        let mut exponent = 0;
        let (mut seen_dot, mut before_dot, mut leading_zeros) = (false, 0i32, 0i32);
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'.' => seen_dot = true,
                b'e' => {
                    exponent = small_signed(&text[at + 1..]);
                    break;
                }
                b'0' if digits.len == 0 => leading_zeros += i32::from(seen_dot),
                b'0'..=b'9' => {
                    if digits.len < digits.bytes.len() {
                        digits.bytes[digits.len] = *byte;
                        digits.len += 1;
                    }
                    before_dot += i32::from(!seen_dot);
                }
                _ => {}
            }
        }
        while digits.len > 1 && digits.bytes[digits.len - 1] == b'0' {
            digits.len -= 1;
        }
        let first = if before_dot > 0 {
            before_dot - 1
        } else {
            -leading_zeros - 1
        };
        (digits, exponent + first)
    }
}

fn small_signed(text: &[u8]) -> i32 {
    let (sign, digits) = match text.first() {
        Some(b'-') => (-1, &text[1..]),
        _ => (1, text),
    };
    sign * digits
        .iter()
        .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
}

/// The two borders of the values that round to a float, as odd integers times a power of two.
type Midpoints = ([u128; 2], i32);

fn midpoints_f64(value: f64) -> Midpoints {
    let bits = value.to_bits();
    let mantissa = u128::from(bits & ((1 << 52) - 1) | (1 << 52));
    let exponent = (bits >> 52 & 0x7FF) as i32 - 1075;
    ([2 * mantissa - 1, 2 * mantissa + 1], exponent - 1)
}

fn midpoints_f32(value: f32) -> Midpoints {
    let bits = value.to_bits();
    let mantissa = u128::from(bits & ((1 << 23) - 1) | (1 << 23));
    let exponent = (bits >> 23 & 0xFF) as i32 - 150;
    ([2 * mantissa - 1, 2 * mantissa + 1], exponent - 1)
}

/// Is the decimal exactly between two floats?
///
/// Such text reads back (ties go to even), but PostgreSQL prints a longer one inside the borders. It happens
/// only for integers, whose power of ten fits in the mantissa.
fn exponent_touches(digits: &Digits, exponent: i32, (midpoints, power): Midpoints) -> bool {
    let zeros = exponent + 1 - digits.len as i32;
    if !(0..=23).contains(&zeros) {
        return false;
    }
    let odd_part = digits.number() * 5u128.pow(zeros as u32);
    midpoints.iter().any(|midpoint| {
        let shift = power - zeros;
        // Midpoints are odd, so equality needs the decimal's own powers of two to make up the shift.
        if shift >= 0 {
            odd_part.trailing_zeros() as i32 >= shift && odd_part >> shift == *midpoint
        } else {
            false
        }
    })
}

/// The shortest digits strictly inside the borders, for the rare value whose shortest text is a border.
fn push_inside(
    out: &mut Vec<u8>,
    value: f64,
    border: &Digits,
    kind: &FloatKind,
    reads_back: impl Fn(&str) -> bool,
    midpoints: Midpoints,
) {
    for precision in border.len..=kind.digits_max {
        let text = format!("{:.*e}", precision - 1, value);
        let (digits, exponent) = Digits::of_ryu(text.as_bytes());
        let last = precision == kind.digits_max;
        if last || (reads_back(&text) && !exponent_touches(&digits, exponent, midpoints)) {
            return layout(
                out,
                value < 0.0,
                digits.as_slice(),
                exponent,
                kind.exponent_max,
            );
        }
    }
}

/// Text of `%.{digits}g`.
fn push_rounded(out: &mut Vec<u8>, value: f64, digits: usize) {
    let text = format!("{:.*e}", digits - 1, value);
    let (shown, exponent) = Digits::of_ryu(text.as_bytes());
    layout(out, value < 0.0, shown.as_slice(), exponent, digits as i32);
}

/// Places the point, or writes an exponent of at least two digits.
fn layout(out: &mut Vec<u8>, negative: bool, digits: &[u8], exponent: i32, exponent_max: i32) {
    if negative {
        out.push(b'-');
    }
    if exponent < -4 || exponent >= exponent_max {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        return push_padded(out, u64::from(exponent.unsigned_abs()), 2);
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        return out.extend_from_slice(digits);
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

/// Reads `true`, `t`, `yes`, `on`, `1` and the like, in any case.
pub(super) fn parse_bool(text: &str) -> Result<bool, ValueError> {
    let word = text.trim_ascii();
    let is_prefix = |of: &str, len_min: usize| {
        word.len() >= len_min
            && word.len() <= of.len()
            && of[..word.len()].eq_ignore_ascii_case(word)
    };
    if !word.is_ascii() {
        return Err(ValueError::syntax("boolean", text));
    }
    if is_prefix("true", 1) || is_prefix("yes", 1) || is_prefix("on", 2) || word == "1" {
        Ok(true)
    } else if is_prefix("false", 1) || is_prefix("no", 1) || is_prefix("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(ValueError::syntax("boolean", text))
    }
}

/// Reads an integer between two bounds, inclusive; `type_name` is for the error.
pub(super) fn parse_integer(
    text: &str,
    type_name: &str,
    bounds: (i64, i64),
) -> Result<i64, ValueError> {
    let word = text.trim_ascii();
    let (negative, digits) = match word.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ValueError::syntax(type_name, text));
    }
    let out_of_range = || ValueError::out_of_range(type_name, text);
    let mut number = 0i64;
    for digit in digits {
        // Counted downwards, since the smallest number has no positive counterpart.
        number = number
            .checked_mul(10)
            .and_then(|number| number.checked_sub(i64::from(digit - b'0')))
            .ok_or_else(out_of_range)?;
    }
    let number = if negative {
        number
    } else {
        number.checked_neg().ok_or_else(out_of_range)?
    };
    if number < bounds.0 || number > bounds.1 {
        return Err(out_of_range());
    }
    Ok(number)
}

/// Reads a `double precision`.
pub(super) fn parse_f64(text: &str) -> Result<f64, ValueError> {
    let word = text.trim_ascii();
    let value: f64 = word
        .parse()
        .map_err(|_| ValueError::syntax("double precision", text))?;
    check_float(word, value.is_infinite(), value == 0.0, "double precision")?;
    Ok(value)
}

/// Reads a `real`.
pub(super) fn parse_f32(text: &str) -> Result<f32, ValueError> {
    let word = text.trim_ascii();
    let value: f32 = word.parse().map_err(|_| ValueError::syntax("real", text))?;
    check_float(word, value.is_infinite(), value == 0.0, "real")?;
    Ok(value)
}

/// Infinity that was not asked for and zero that is not zero are out of range.
fn check_float(word: &str, infinite: bool, zero: bool, type_name: &str) -> Result<(), ValueError> {
    let out_of_range = || {
        ValueError::new(
            OUT_OF_RANGE,
            format!("\"{word}\" is out of range for type {type_name}"),
        )
    };
    if infinite && word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(out_of_range());
    }
    if zero {
        let mantissa = word.split(['e', 'E']).next().unwrap_or(word);
        if mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
            return Err(out_of_range());
        }
    }
    Ok(())
}

/// Reads an object identifier, which PostgreSQL also takes negative, wrapped to 32 bits.
pub(super) fn parse_oid(text: &str) -> Result<i64, ValueError> {
    let number = parse_integer(text, "oid", (i64::from(i32::MIN), i64::from(u32::MAX)))?;
    Ok(if number < 0 {
        number + (1 << 32)
    } else {
        number
    })
}

/// Reads a value of `reg…` given as a number; `-` is none.
pub(super) fn parse_reg(text: &str, type_name: &str) -> Result<i64, ValueError> {
    if text == "-" {
        return Ok(0);
    }
    parse_oid(text).map_err(|_| {
        ValueError::new(
            INVALID_TEXT,
            format!("a value of type {type_name} must be given as a number: \"{text}\""),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{
        parse_bool, parse_f32, parse_f64, parse_integer, parse_oid, push_f32, push_f64, push_signed,
    };

    fn f64_text(value: f64, digits: i32) -> String {
        let mut out = Vec::new();
        push_f64(&mut out, value, digits);
        String::from_utf8(out).unwrap()
    }

    fn f32_text(value: f32, digits: i32) -> String {
        let mut out = Vec::new();
        push_f32(&mut out, value, digits);
        String::from_utf8(out).unwrap()
    }

    /// Expected text: PostgreSQL 15.
    #[test]
    fn doubles_print_as_in_postgresql() {
        let cases = [
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (1e16, "1e+16"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (0.1, "0.1"),
            (1e300, "1e+300"),
            (-0.0, "-0"),
            (5e-324, "5e-324"),
            (1e20, "1e+20"),
            (1234567890123456.0, "1.234567890123456e+15"),
            (12345678901234567.0, "1.2345678901234568e+16"),
            (-1.5, "-1.5"),
            (1e23, "9.999999999999999e+22"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            (9007199254740993.0, "9.007199254740992e+15"),
        ];
        for (value, text) in cases {
            assert_eq!(f64_text(value, 1), text);
        }
        let cases = [
            (0.30000000000000004, 0, "0.3"),
            (1e15, 0, "1e+15"),
            (123456789012345678.0, 0, "1.23456789012346e+17"),
            (1e-5, 0, "1e-05"),
            (100.0, 0, "100"),
            (1.23456789012345, -3, "1.23456789012"),
        ];
        for (value, digits, text) in cases {
            assert_eq!(f64_text(value, digits), text);
        }
    }

    /// Expected text: PostgreSQL 15.
    #[test]
    fn reals_print_as_in_postgresql() {
        let cases = [
            (1.5e10, "1.5000001e+10"),
            (1e6, "1e+06"),
            (1e5, "100000"),
            (1234567.0, "1.234567e+06"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (3.4e38, "3.4e+38"),
            (16777216.0, "1.6777216e+07"),
            (999999.0, "999999"),
            (123456789.0, "1.2345679e+08"),
            (123456.7, "123456.7"),
            (f32::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(f32_text(value, 1), text);
        }
        assert_eq!(f32_text(2.345678, 0), "2.34568");
        assert_eq!(f32_text(2.345678, -3), "2.35");
        assert_eq!(f32_text(0.1, 0), "0.1");
    }

    #[test]
    fn every_float_reads_back() {
        let mut bits = 0x9E37_79B9_7F4A_7C15u64;
        for _ in 0..200_000 {
            bits = bits
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let double = f64::from_bits(bits);
            let single = f32::from_bits((bits >> 32) as u32);
            if double.is_finite() {
                assert_eq!(parse_f64(&f64_text(double, 1)).unwrap(), double);
            }
            if single.is_finite() {
                assert_eq!(parse_f32(&f32_text(single, 1)).unwrap(), single);
            }
        }
    }

    #[test]
    fn integers_print_at_every_length() {
        let mut number = 1i64;
        for _ in 0..19 {
            for number in [number, -number, number - 1, i64::MIN, i64::MAX] {
                let mut out = Vec::new();
                push_signed(&mut out, number);
                assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
            }
            number = number.saturating_mul(10);
        }
    }

    #[test]
    fn numbers_are_refused_in_postgresqls_words() {
        let int4 =
            |text| parse_integer(text, "integer", (i64::from(i32::MIN), i64::from(i32::MAX)));
        assert_eq!(int4(" -2147483648 ").unwrap(), -2147483648);
        let error = int4("2147483648").unwrap_err();
        assert_eq!(
            (error.sqlstate, error.message.as_str()),
            (
                "22003",
                "value \"2147483648\" is out of range for type integer"
            )
        );
        let error = int4("1.5").unwrap_err();
        assert_eq!(
            (error.sqlstate, error.message.as_str()),
            ("22P02", "invalid input syntax for type integer: \"1.5\"")
        );
        assert_eq!(
            parse_integer("-9223372036854775808", "bigint", (i64::MIN, i64::MAX)).unwrap(),
            i64::MIN
        );
        assert_eq!(
            parse_integer("99999999999999999999", "bigint", (i64::MIN, i64::MAX))
                .unwrap_err()
                .sqlstate,
            "22003"
        );
        assert_eq!(
            parse_f64("1e400").unwrap_err().message,
            "\"1e400\" is out of range for type double precision"
        );
        assert_eq!(parse_f64("1e-400").unwrap_err().sqlstate, "22003");
        assert_eq!(parse_f64("0e-400").unwrap(), 0.0);
        assert_eq!(parse_f64("-Infinity").unwrap(), f64::NEG_INFINITY);
        assert!(parse_f64("nan").unwrap().is_nan());
        assert_eq!(parse_oid("-1").unwrap(), 4294967295);
    }

    #[test]
    fn booleans_have_many_spellings() {
        for text in ["t", "TRUE", "tr", "yes", "y", "on", "1", " true "] {
            assert!(parse_bool(text).unwrap(), "{text}");
        }
        for text in ["f", "False", "no", "off", "of", "0"] {
            assert!(!parse_bool(text).unwrap(), "{text}");
        }
        for text in ["", "o", "truee", "2", "ÿ"] {
            assert_eq!(parse_bool(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
    }
}
