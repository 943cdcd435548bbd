//! Are dates, times and moments read as PostgreSQL 15 reads them?

use super::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use crate::postgres::types::settings::{DateStyle, FormatSettings};
use chrono_tz::Tz;
use tarn_udfs::time::zone::Zone;

fn settings(style: &str, zone: Tz) -> FormatSettings {
    FormatSettings {
        timezone: Zone::Named(zone),
        date_style: DateStyle::default().changed_by(style).unwrap(),
        ..FormatSettings::default()
    }
}

/// Days are PostgreSQL 15's `date - '1970-01-01'`.
#[test]
fn dates_in_many_spellings() {
    let cases = [
        ("ISO, MDY", "2024-03-10", 19_792),
        ("ISO, MDY", "2024-3-9", 19_791),
        ("ISO, MDY", "20240310", 19_792),
        ("ISO, MDY", "240310", 19_792),
        ("ISO, MDY", "03/10/2024", 19_792),
        ("ISO, DMY", "10/03/2024", 19_792),
        ("ISO, YMD", "24/03/10", 19_792),
        ("ISO, DMY", "10.03.2024", 19_792),
        ("ISO, MDY", "Mar 10, 2024", 19_792),
        ("ISO, MDY", "10 March 2024", 19_792),
        ("ISO, MDY", "10-Mar-2024", 19_792),
        ("ISO, MDY", "2024-Mar-10", 19_792),
        ("ISO, MDY", "March-10-2024", 19_792),
        ("ISO, MDY", "2024 Mar 10", 19_792),
        ("ISO, MDY", "Sunday, March 10, 2024", 19_792),
        ("ISO, MDY", "2024-03-10 23:59:59", 19_792),
        ("ISO, MDY", "2024-03-10T23:59:59Z", 19_792),
        ("ISO, MDY", " 0044-03-15 BC ", -735_160),
        ("ISO, MDY", "4713-01-01 BC", -2_440_550),
        ("ISO, MDY", "5874897-12-31", 2_145_042_905),
        ("ISO, MDY", "epoch", 0),
        ("ISO, MDY", "infinity", i32::MAX),
        ("ISO, MDY", "-Infinity", i32::MIN),
        ("ISO, MDY", "01/02/69", 36_161),
        ("ISO, MDY", "01/02/70", 1),
        ("ISO, MDY", "2024-02-29", 19_782),
    ];
    for (style, text, days) in cases {
        assert_eq!(
            parse_date(text, &settings(style, Tz::UTC)).unwrap(),
            days,
            "{text}"
        );
    }
}

#[test]
fn dates_are_refused_in_postgresqls_words() {
    let settings = settings("ISO, MDY", Tz::UTC);
    let cases = [
        (
            "abc",
            "22007",
            "invalid input syntax for type date: \"abc\"",
        ),
        ("", "22007", "invalid input syntax for type date: \"\""),
        (
            "2024-02-30",
            "22008",
            "date/time field value out of range: \"2024-02-30\"",
        ),
        (
            "2024-13-01",
            "22008",
            "date/time field value out of range: \"2024-13-01\"",
        ),
        (
            "0000-01-01",
            "22008",
            "date/time field value out of range: \"0000-01-01\"",
        ),
        (
            "4714-01-01 BC",
            "22008",
            "date out of range: \"4714-01-01 BC\"",
        ),
        (
            "2024-01",
            "22007",
            "invalid input syntax for type date: \"2024-01\"",
        ),
        (
            "12:00",
            "22007",
            "invalid input syntax for type date: \"12:00\"",
        ),
        (
            "2024-é3-10",
            "22007",
            "invalid input syntax for type date: \"2024-é3-10\"",
        ),
    ];
    for (text, sqlstate, message) in cases {
        let error = parse_date(text, &settings).unwrap_err();
        assert_eq!(
            (error.sqlstate, error.message.as_str()),
            (sqlstate, message)
        );
    }
    assert!(
        parse_date("2024-13-01", &settings)
            .unwrap_err()
            .hint
            .is_some()
    );
}

#[test]
fn times_in_many_spellings() {
    const HOUR: i64 = 3_600_000_000;
    let cases = [
        ("01:02:03.5", HOUR + 123_500_000),
        ("01:02", HOUR + 120_000_000),
        ("010203", HOUR + 123_000_000),
        ("24:00:00", 24 * HOUR),
        ("1:02 PM", 13 * HOUR + 120_000_000),
        ("12:00am", 0),
        ("12:00 pm", 12 * HOUR),
        ("23:59:59.9999999", 24 * HOUR),
        ("2024-03-10 04:00:00+05", 4 * HOUR),
        ("allballs", 0),
    ];
    let settings = settings("ISO, MDY", Tz::UTC);
    for (text, micros) in cases {
        assert_eq!(parse_time(text, &settings).unwrap(), micros, "{text}");
    }
    for (text, sqlstate) in [
        ("25:00:00", "22008"),
        ("24:00:01", "22008"),
        ("12:60", "22008"),
        ("noon?", "22007"),
        ("13:00 pm", "22008"),
    ] {
        assert_eq!(
            parse_time(text, &settings).unwrap_err().sqlstate,
            sqlstate,
            "{text}"
        );
    }
}

/// Seconds are PostgreSQL 15's `extract(epoch …)`.
#[test]
fn moments_with_and_without_zone() {
    let settings = settings("ISO, MDY", Tz::America__New_York);
    let cases = [
        ("2024-03-10 06:59:59+00", 1_710_053_999_000_000),
        ("2024-03-10T06:59:59.123456Z", 1_710_053_999_123_456),
        ("2024-03-10 01:59:59", 1_710_053_999_000_000),
        ("2024-03-10 02:30:00", 1_710_055_800_000_000),
        ("2024-11-03 01:30:00", 1_730_615_400_000_000),
        ("2024-11-03 01:30:00 EDT", 1_730_611_800_000_000),
        ("2024-03-10 12:29:59 Asia/Kolkata", 1_710_053_999_000_000),
        ("2024-03-10 12:29:59 +0530", 1_710_053_999_000_000),
        ("2024-03-10 12:29:59+05:30", 1_710_053_999_000_000),
        ("Sun Mar 10 01:59:59 2024 EST", 1_710_053_999_000_000),
        ("20240310T065959Z", 1_710_053_999_000_000),
        ("20240310 065959 UTC", 1_710_053_999_000_000),
        ("2024-03-10", 1_710_046_800_000_000),
        ("epoch", 0),
        ("0044-03-15 12:00:00+00 BC", -63_517_780_800_000_000),
        ("infinity", i64::MAX),
    ];
    for (text, micros) in cases {
        assert_eq!(
            parse_timestamptz(text, &settings).unwrap(),
            micros,
            "{text}"
        );
    }
    assert_eq!(
        parse_timestamp("2024-03-10 06:59:59+05", &settings).unwrap(),
        1_710_053_999_000_000
    );
    assert_eq!(
        parse_timestamp("2024-03-10", &settings).unwrap(),
        1_710_028_800_000_000
    );
    assert_eq!(
        parse_timestamp("2024-03-10 23:59:59.9999995", &settings).unwrap(),
        1_710_115_200_000_000
    );
    assert_eq!(
        parse_timestamp("2024-03-10 23:59:60", &settings).unwrap(),
        1_710_115_200_000_000
    );
    let refused = |text| parse_timestamptz(text, &settings).unwrap_err();
    assert_eq!(
        refused("2024-03-10 01:02:03 Mars/Olympus").message,
        "time zone \"mars/olympus\" not recognized"
    );
    assert_eq!(
        refused("300000-01-01").message,
        "timestamp out of range: \"300000-01-01\""
    );
    assert_eq!(refused("2024-03-10 25:00:00").sqlstate, "22008");
    assert_eq!(refused("now-ish").sqlstate, "22007");
}
