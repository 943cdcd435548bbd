//! How do dates, times and moments look as text in each `datestyle`?

use super::number::{push_padded, push_two_digits};
use super::settings::{DateFormat, DateOrder, DateStyle};
use tarn_udfs::time::calendar::{day_of, weekday};
use tarn_udfs::time::zone::{OffsetCache, Zone, push_offset};

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const SECONDS_PER_DAY: i64 = 86_400;
pub(super) const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;
/// Days from 1970 to 2000, where PostgreSQL counts from in binary.
pub(super) const DAYS_TO_2000: i64 = 10_957;
pub(super) const MICROS_TO_2000: i64 = DAYS_TO_2000 * MICROS_PER_DAY;

const INFINITY: &[u8] = b"infinity";
const MINUS_INFINITY: &[u8] = b"-infinity";
const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A moment without zone, split so that every Arrow unit fits: seconds since 1970 and microseconds from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub seconds: i64,
    pub micros: u32,
}

impl Moment {
    #[inline]
    pub(super) fn of_micros(micros: i64) -> Moment {
        Moment {
            seconds: micros.div_euclid(MICROS_PER_SECOND),
            micros: micros.rem_euclid(MICROS_PER_SECOND) as u32,
        }
    }
}

/// A date as days since 1970; the extremes of i32 are the infinities.
pub(super) fn push_date(out: &mut Vec<u8>, days: i32, style: DateStyle) {
    match days {
        i32::MAX => return out.extend_from_slice(INFINITY),
        i32::MIN => return out.extend_from_slice(MINUS_INFINITY),
        _ => {}
    }
    push_day(out, i64::from(days), style);
    push_era(out, i64::from(days));
}

/// A time of day in microseconds; midnight at the end of a day is 24:00:00.
#[inline]
pub(super) fn push_time(out: &mut Vec<u8>, micros_of_day: i64) {
    let seconds = micros_of_day.div_euclid(MICROS_PER_SECOND) as u32;
    push_clock(
        out,
        seconds,
        micros_of_day.rem_euclid(MICROS_PER_SECOND) as u32,
    );
}

/// A moment without zone.
#[inline]
pub(super) fn push_timestamp(out: &mut Vec<u8>, moment: Moment, style: DateStyle) {
    push_moment(out, moment, style);
    push_era(out, moment.seconds.div_euclid(SECONDS_PER_DAY));
}

/// A moment in a zone.
pub(super) fn push_timestamptz(
    out: &mut Vec<u8>,
    moment: Moment,
    style: DateStyle,
    zone: Zone,
    offsets: &OffsetCache,
) {
    let offset = offsets.offset_at(moment.seconds);
    let local = Moment {
        seconds: moment.seconds.saturating_add(i64::from(offset)),
        ..moment
    };
    push_moment(out, local, style);
    if style.format == DateFormat::Iso {
        push_offset(out, offset);
    } else {
        out.push(b' ');
        out.extend_from_slice(zone.abbreviation_at(moment.seconds).as_bytes());
    }
    push_era(out, local.seconds.div_euclid(SECONDS_PER_DAY));
}

/// The infinities of a moment in microseconds.
#[inline]
pub(super) fn push_infinite(out: &mut Vec<u8>, micros: i64) -> bool {
    match micros {
        i64::MAX => out.extend_from_slice(INFINITY),
        i64::MIN => out.extend_from_slice(MINUS_INFINITY),
        _ => return false,
    }
    true
}

#[inline]
fn push_moment(out: &mut Vec<u8>, moment: Moment, style: DateStyle) {
    let days = moment.seconds.div_euclid(SECONDS_PER_DAY);
    let seconds = moment.seconds.rem_euclid(SECONDS_PER_DAY) as u32;
    if style.format != DateFormat::Postgres {
        push_day(out, days, style);
        out.push(b' ');
        return push_clock(out, seconds, moment.micros);
    }
    let day = day_of(days);
    out.extend_from_slice(WEEKDAYS[weekday(days)]);
    out.push(b' ');
    let month = MONTHS[day.month as usize - 1];
    if style.order == DateOrder::Dmy {
        push_two_digits(out, day.day);
        out.push(b' ');
        out.extend_from_slice(month);
    } else {
        out.extend_from_slice(month);
        out.push(b' ');
        push_two_digits(out, day.day);
    }
    out.push(b' ');
    push_clock(out, seconds, moment.micros);
    out.push(b' ');
    push_year(out, day.year);
}

#[inline]
fn push_day(out: &mut Vec<u8>, days: i64, style: DateStyle) {
    let day = day_of(days);
    if style.format == DateFormat::Iso {
        push_year(out, day.year);
        out.push(b'-');
        push_two_digits(out, day.month);
        out.push(b'-');
        return push_two_digits(out, day.day);
    }
    let separator = match style.format {
        DateFormat::Sql => b'/',
        DateFormat::German => b'.',
        _ => b'-',
    };
    let day_first = style.format == DateFormat::German || style.order == DateOrder::Dmy;
    let (first, second) = if day_first {
        (day.day, day.month)
    } else {
        (day.month, day.day)
    };
    push_two_digits(out, first);
    out.push(separator);
    push_two_digits(out, second);
    out.push(separator);
    push_year(out, day.year);
}

#[inline]
fn push_year(out: &mut Vec<u8>, year: i64) {
    if (0..=9999).contains(&year) && year != 0 {
        push_two_digits(out, year as u32 / 100);
        return push_two_digits(out, year as u32 % 100);
    }
    // Year 0 of the calendar is 1 BC.
    let shown = if year > 0 { year } else { 1 - year };
    push_padded(out, shown.unsigned_abs(), 4);
}

#[inline]
fn push_era(out: &mut Vec<u8>, days: i64) {
    /// 0001-01-01
    const FIRST_DAY_AD: i64 = -719_162;
    if days < FIRST_DAY_AD {
        out.extend_from_slice(b" BC");
    }
}

#[inline]
fn push_clock(out: &mut Vec<u8>, seconds_of_day: u32, micros: u32) {
    push_two_digits(out, seconds_of_day / 3600);
    out.push(b':');
    push_two_digits(out, seconds_of_day / 60 % 60);
    out.push(b':');
    push_two_digits(out, seconds_of_day % 60);
    push_fraction(out, micros);
}

/// `.5` for half a second, nothing for none.
#[inline]
pub(super) fn push_fraction(out: &mut Vec<u8>, micros: u32) {
    if micros == 0 {
        return;
    }
    out.push(b'.');
    push_padded(out, u64::from(micros), 6);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, push_date, push_time, push_timestamp, push_timestamptz};
    use crate::postgres::types::settings::DateStyle;
    use chrono_tz::Tz;
    use tarn_udfs::time::zone::{OffsetCache, Zone};

    fn style(text: &str) -> DateStyle {
        DateStyle::default().changed_by(text).unwrap()
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// 2024-03-10, 0044-03-15 BC and their moments; expected text is PostgreSQL 15's.
    const DAY: i32 = 19_792;
    const IDES: i32 = -735_160;

    #[test]
    fn dates_in_every_style() {
        let cases = [
            ("ISO", DAY, "2024-03-10"),
            ("ISO", IDES, "0044-03-15 BC"),
            ("ISO", -719_162, "0001-01-01"),
            ("ISO", -719_528, "0001-01-01 BC"),
            ("ISO", -2_440_550, "4713-01-01 BC"),
            ("ISO", 2_145_042_905, "5874897-12-31"),
            ("ISO", i32::MAX, "infinity"),
            ("ISO", i32::MIN, "-infinity"),
            ("SQL, MDY", DAY, "03/10/2024"),
            ("SQL, MDY", IDES, "03/15/0044 BC"),
            ("SQL, DMY", DAY, "10/03/2024"),
            ("German", DAY, "10.03.2024"),
            ("Postgres, MDY", DAY, "03-10-2024"),
            ("Postgres, DMY", IDES, "15-03-0044 BC"),
        ];
        for (name, days, expected) in cases {
            assert_eq!(
                text(|out| push_date(out, days, style(name))),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn moments_in_every_style() {
        let moment = Moment::of_micros((i64::from(DAY) * 86_400 + 3723) * 1_000_000 + 500_000);
        let ides = Moment::of_micros(i64::from(IDES) * 86_400_000_000);
        let cases = [
            ("ISO", moment, "2024-03-10 01:02:03.5"),
            ("ISO", ides, "0044-03-15 00:00:00 BC"),
            ("SQL, MDY", moment, "03/10/2024 01:02:03.5"),
            ("German", ides, "15.03.0044 00:00:00 BC"),
            ("Postgres, MDY", moment, "Sun Mar 10 01:02:03.5 2024"),
            ("Postgres, DMY", moment, "Sun 10 Mar 01:02:03.5 2024"),
            (
                "ISO",
                Moment {
                    seconds: 9_224_318_015_999,
                    micros: 999_999,
                },
                "294276-12-31 23:59:59.999999",
            ),
        ];
        for (name, moment, expected) in cases {
            assert_eq!(
                text(|out| push_timestamp(out, moment, style(name))),
                expected,
                "{name}"
            );
        }
        assert_eq!(
            text(|out| push_time(out, 86_399_999_999)),
            "23:59:59.999999"
        );
        assert_eq!(text(|out| push_time(out, 86_400_000_000)), "24:00:00");
    }

    #[track_caller]
    fn check_zoned(zone: Tz, name: &str, (seconds, micros): (i64, u32), expected: &str) {
        let zone = Zone::Named(zone);
        let (offsets, moment) = (OffsetCache::new(zone), Moment { seconds, micros });
        let shown = text(|out| push_timestamptz(out, moment, style(name), zone, &offsets));
        assert_eq!(shown, expected);
    }

    #[test]
    fn moments_in_zones() {
        let (new_york, sao_paulo) = (Tz::America__New_York, Tz::America__Sao_Paulo);
        let before = (1_710_053_999, 0);
        let jump = (1_710_054_000, 500_000);
        check_zoned(new_york, "ISO", before, "2024-03-10 01:59:59-05");
        check_zoned(new_york, "ISO", jump, "2024-03-10 03:00:00.5-04");
        check_zoned(
            new_york,
            "ISO",
            (-5_364_662_400, 0),
            "1799-12-31 19:03:58-04:56:02",
        );
        check_zoned(
            new_york,
            "ISO",
            (-63_517_780_800, 0),
            "0044-03-15 07:03:58-04:56:02 BC",
        );
        let micros = (1_710_053_999, 123_456);
        check_zoned(
            Tz::Asia__Kolkata,
            "ISO",
            micros,
            "2024-03-10 12:29:59.123456+05:30",
        );
        check_zoned(
            Tz::UTC,
            "ISO",
            (1_710_053_999, 123_000),
            "2024-03-10 06:59:59.123+00",
        );
        check_zoned(new_york, "SQL, MDY", before, "03/10/2024 01:59:59 EST");
        check_zoned(new_york, "German", before, "10.03.2024 01:59:59 EST");
        check_zoned(
            new_york,
            "Postgres, MDY",
            before,
            "Sun Mar 10 01:59:59 2024 EST",
        );
        check_zoned(sao_paulo, "SQL, DMY", before, "10/03/2024 03:59:59 -03");
    }
}
