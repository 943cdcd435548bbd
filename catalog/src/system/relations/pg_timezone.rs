//! `pg_timezone_names`: which time zones does `SET TimeZone` take? Those that never moved, for now.

use super::{Contents, Filler};
use crate::system::rows::{Rows, Value};

pub(super) const NAMES: Filler = Filler::new("pg_timezone_names", names);

fn names(_contents: &Contents, rows: &mut Rows) {
    for (name, abbreviation) in [("Etc/UTC", "UTC"), ("GMT", "GMT"), ("UTC", "UTC")] {
        rows.add([
            ("name", name.into()),
            ("abbrev", abbreviation.into()),
            ("utc_offset", Value::Seconds(0)),
            ("is_dst", false.into()),
        ]);
    }
}
