//! How is a number written by a template?
//!
//! The steps are those of PostgreSQL's `NUM_processor`, so that every combination of signs, zeros and padding
//! comes out as there.

use super::number_pattern::{Key, Node, NumberPattern, SignPlace};
use super::ordinal::ending;
use super::roman::roman;

/// A number to write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// 10 to the minus scale, so many times
    Decimal(i128, i32),
    /// a floating point number
    Float(f64),
}

/// Appends a number by a template.
pub fn write(out: &mut String, pattern: &NumberPattern, number: Number) {
    if pattern.is_roman {
        return write_roman(out, pattern, number);
    }
    if pattern.is_scientific {
        return write_scientific(out, pattern, number);
    }
    let Some(digits) = Digits::of(number, pattern) else {
        // NaN and infinities have no digits.
        out.push_str(&"#".repeat(pattern.digits_before + pattern.digits_after + 1));
        return;
    };
    Writer::new(out, pattern, &digits).run();
}

/// A number as its sign and its digits, with as many decimals as the template has.
struct Digits {
    is_negative: bool,
    text: String,
    /// Digits that the template has more before the point.
    spaces: usize,
    /// Digits behind the point.
    decimals: usize,
}

impl Digits {
    /// `NaN` and `Infinity` stand where the digits would, if there is room.
    fn of_name(value: f64, pattern: &NumberPattern) -> Option<Digits> {
        let text = if value.is_nan() { "NaN" } else { "Infinity" };
        let places = pattern.digits_before + pattern.shifted_digits;
        (text.len() <= places).then(|| Digits {
            is_negative: value < 0.0,
            text: text.to_string(),
            spaces: places - text.len(),
            decimals: 0,
        })
    }

    fn of(number: Number, pattern: &NumberPattern) -> Option<Digits> {
        let places = pattern.digits_before + pattern.shifted_digits;
        let (is_negative, mut text, decimals) = match number {
            Number::Decimal(amount, scale) => {
                let decimals = pattern.digits_after;
                let shift = pattern.shifted_digits as i32;
                let rounded = rounded(amount, scale - shift, decimals as i32);
                (rounded < 0, with_point(rounded, decimals), decimals)
            }
            Number::Float(value) if !value.is_finite() => return Digits::of_name(value, pattern),
            Number::Float(value) => {
                const DIGITS_MAX: usize = 15;
                let value = value * 10f64.powi(pattern.shifted_digits as i32);
                let whole = format!("{:.0}", value.abs()).len();
                let decimals = match whole >= DIGITS_MAX {
                    true => 0,
                    false => pattern.digits_after.min(DIGITS_MAX - whole),
                };
                let text = format!("{:.decimals$}", value.abs());
                (value < 0.0, text, decimals)
            }
        };
        let before = text.find('.').unwrap_or(text.len());
        if before > places {
            text = "#".repeat(places) + "." + &"#".repeat(pattern.digits_after);
        }
        Some(Digits {
            is_negative,
            text,
            spaces: places.saturating_sub(before),
            decimals,
        })
    }
}

/// Half goes away from zero.
fn rounded(amount: i128, scale: i32, decimals: i32) -> i128 {
    const POWER_MAX: i32 = 38;
    match scale - decimals {
        0 => amount,
        more if more > POWER_MAX => 0,
        more if more > 0 => {
            let unit = 10i128.pow(more as u32);
            let (whole, rest) = (amount / unit, amount % unit);
            whole
                + if rest.abs() * 2 >= unit {
                    amount.signum()
                } else {
                    0
                }
        }
        fewer => amount.saturating_mul(10i128.saturating_pow(fewer.unsigned_abs())),
    }
}

/// The absolute value in digits; without decimals there is no point.
fn with_point(amount: i128, decimals: usize) -> String {
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match decimals {
        0 => whole.to_string(),
        _ => format!("{whole}.{fraction}"),
    }
}

fn write_roman(out: &mut String, pattern: &NumberPattern, number: Number) {
    const WIDTH: usize = 15;
    let whole = match number {
        Number::Decimal(amount, scale) => rounded(amount, scale, 0),
        Number::Float(value) => value.round_ties_even() as i128,
    };
    let text = roman(whole);
    let is_upper = pattern
        .nodes
        .contains(&Node::Key(Key::Roman { is_upper: true }));
    let text = if is_upper { text } else { text.to_lowercase() };
    match pattern.fill_mode {
        true => out.push_str(&text),
        false => out.push_str(&format!("{text:>WIDTH$}")),
    }
}

fn write_scientific(out: &mut String, pattern: &NumberPattern, number: Number) {
    let value = match number {
        // Both go through the decimal text, so that no digit is lost on the way.
        Number::Decimal(amount, scale) => return scientific_decimal(out, pattern, amount, scale),
        Number::Float(value) => value,
    };
    if !value.is_finite() {
        let digits = "#".repeat(pattern.digits_before);
        let decimals = "#".repeat(pattern.digits_after + 4);
        return out.push_str(&format!(" {digits}.{decimals}"));
    }
    let text = format!("{:.*e}", pattern.digits_after, value.abs());
    push_exponent(out, value < 0.0, &text);
}

fn scientific_decimal(out: &mut String, pattern: &NumberPattern, amount: i128, scale: i32) {
    let digits = amount.unsigned_abs().to_string();
    let length = digits.len() as i32;
    let exponent = length - 1 - scale;
    if amount == 0 {
        let zero = format!("{:.*e}", pattern.digits_after, 0.0);
        return push_exponent(out, false, &zero);
    }
    // As many digits as are shown, with the last one rounded.
    let shown = rounded(amount, length - 1, pattern.digits_after as i32).unsigned_abs();
    let carried = shown.to_string().len() > pattern.digits_after + 1;
    let (shown, exponent) = match carried {
        true => (shown / 10, exponent + 1),
        false => (shown, exponent),
    };
    let text = with_point(shown as i128, pattern.digits_after);
    push_exponent(out, amount < 0, &format!("{text}e{exponent}"));
}

/// `1.5e3` as ` 1.5e+03`
fn push_exponent(out: &mut String, is_negative: bool, text: &str) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push(if is_negative { '-' } else { ' ' });
    out.push_str(&format!("{mantissa}e{sign}{:02}", exponent.abs()));
}

struct Writer<'w> {
    out: &'w mut String,
    pattern: &'w NumberPattern,
    digits: &'w Digits,
    number: &'w [u8],
    /// The digit that comes next.
    at: usize,
    /// The last digit that `FM` shows; None shows all.
    last_relevant: Option<usize>,
    is_sign_written: bool,
    sign: Option<SignPlace>,
    has_brackets: bool,
    /// Has a digit been written?
    is_in_number: bool,
    /// Places of the template that have been passed.
    place: usize,
    places: usize,
}

impl<'w> Writer<'w> {
    fn new(out: &'w mut String, pattern: &'w NumberPattern, digits: &'w Digits) -> Writer<'w> {
        let number = digits.text.as_bytes();
        let mut writer = Writer {
            out,
            pattern,
            digits,
            number,
            at: 0,
            last_relevant: None,
            is_sign_written: false,
            sign: pattern.sign,
            has_brackets: pattern.has_brackets,
            is_in_number: false,
            place: 0,
            places: (pattern.digits_before + pattern.shifted_digits + digits.decimals)
                .saturating_sub(1),
        };
        writer.settle_sign();
        writer.settle_last_relevant();
        if !writer.is_sign_written && digits.spaces == 0 {
            writer.places += 1;
        }
        writer
    }

    fn settle_sign(&mut self) {
        let pattern = self.pattern;
        if pattern.has_plus || pattern.has_minus {
            self.is_sign_written = !pattern.has_plus || pattern.has_minus;
            return;
        }
        let is_positive = !self.digits.is_negative;
        if is_positive && pattern.fill_mode {
            self.has_brackets = false;
        }
        self.is_sign_written = is_positive && pattern.fill_mode && pattern.sign.is_none();
        if self.sign == Some(SignPlace::Before)
            && pattern.digits_before == pattern.digits_before_sign
        {
            self.sign = Some(SignPlace::After);
        }
    }

    fn settle_last_relevant(&mut self) {
        if !self.pattern.fill_mode || !self.pattern.has_point {
            return;
        }
        let Some(point) = self.number.iter().position(|byte| *byte == b'.') else {
            return;
        };
        let last = (point + 1..self.number.len())
            .rev()
            .find(|at| self.number[*at] != b'0')
            .unwrap_or(point);
        let mut relevant = last;
        if self.pattern.zero_end > self.digits.spaces {
            let last_zero = (self.number.len() - 1).min(self.pattern.zero_end - self.digits.spaces);
            relevant = relevant.max(last_zero);
        }
        self.last_relevant = Some(relevant);
    }

    fn run(mut self) {
        for node in &self.pattern.nodes {
            match node {
                Node::Letter(letter) => self.out.push(*letter),
                Node::Key(key) => self.key(*key),
            }
        }
    }

    fn key(&mut self, key: Key) {
        let fill_mode = self.pattern.fill_mode;
        let mut either = |is_written: bool, character: char| {
            if is_written {
                self.out.push(character);
            } else if !fill_mode {
                self.out.push(' ');
            }
        };
        let is_negative = self.digits.is_negative;
        match key {
            Key::Nine | Key::Zero | Key::Point => self.place(key),
            Key::Comma | Key::Group => either(self.is_in_number, ','),
            // The session's locale has no currency.
            Key::Currency => self.out.push(' '),
            Key::Ordinal(ordinal) => {
                let is_ordinal =
                    !is_negative && !self.pattern.has_point && self.number.first() != Some(&b'#');
                if is_ordinal {
                    self.out.push_str(ending(&self.digits.text, ordinal));
                }
            }
            Key::Minus => either(is_negative, '-'),
            Key::Plus => either(!is_negative, '+'),
            Key::Sign => self.out.push(if is_negative { '-' } else { '+' }),
            Key::Roman { .. } => {}
        }
    }

    /// A leading zero that `9` does not show: `.1`
    fn is_zero_hidden(&self) -> bool {
        !self.pattern.has_zero
            && self.at == 0
            && self.number.first() == Some(&b'0')
            && self.digits.decimals != 0
    }

    fn is_last_relevant_point(&self) -> bool {
        self.last_relevant
            .is_some_and(|last| self.number.get(last) == Some(&b'.'))
    }

    fn place(&mut self, key: Key) {
        self.is_in_number = false;
        let spaces = self.digits.spaces;
        let starts_with_zeros = self.pattern.has_zero && self.pattern.zero_start <= self.place + 1;
        let is_sign_due = !self.is_sign_written
            && (self.place >= spaces
                || (self.pattern.has_zero && self.pattern.zero_start == self.place + 1))
            && (!self.is_zero_hidden() || self.is_last_relevant_point());
        if is_sign_due {
            self.write_sign();
        }
        if self.place < spaces && !starts_with_zeros {
            if !self.pattern.fill_mode {
                self.out.push(' ');
            }
        } else if self.place < spaces {
            self.out.push('0');
            self.is_in_number = true;
        } else {
            self.write_digit(key);
        }
        let mut end = self.places + usize::from(spaces > 0) + usize::from(self.pattern.has_point);
        if self.last_relevant == Some(self.at) {
            end = self.place;
        }
        if self.place + 1 == end {
            self.write_closing();
        }
        self.place += 1;
    }

    fn write_sign(&mut self) {
        let is_negative = self.digits.is_negative;
        if let Some(place) = self.sign {
            if place == SignPlace::Before {
                self.out.push(if is_negative { '-' } else { '+' });
                self.is_sign_written = true;
            }
            return;
        }
        if self.has_brackets {
            self.out.push(if is_negative { '<' } else { ' ' });
        } else if is_negative {
            self.out.push('-');
        } else if !self.pattern.fill_mode {
            self.out.push(' ');
        }
        self.is_sign_written = true;
    }

    fn write_digit(&mut self, key: Key) {
        let next = self.number.get(self.at).copied();
        if next == Some(b'.') {
            if !self.is_last_relevant_point() || self.pattern.fill_mode {
                self.out.push('.');
            }
        } else if self.last_relevant.is_some_and(|last| self.at > last) && key != Key::Zero {
            // FM shows no zeros at the end.
        } else if self.is_zero_hidden() {
            if !self.pattern.fill_mode {
                self.out.push(' ');
            } else if self.is_last_relevant_point() {
                self.out.push('0');
            }
        } else if let Some(digit) = next {
            self.out.push(char::from(digit));
            self.is_in_number = true;
        }
        if next.is_some() {
            self.at += 1;
        }
    }

    fn write_closing(&mut self) {
        let is_negative = self.digits.is_negative;
        if self.is_sign_written && self.has_brackets {
            self.out.push(if is_negative { '>' } else { ' ' });
        } else if self.sign == Some(SignPlace::After) {
            self.out.push(if is_negative { '-' } else { '+' });
        }
    }
}
