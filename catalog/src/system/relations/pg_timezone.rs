//! `pg_timezone_names`: which time zones does `SET TimeZone` take? Those without a history to look up.

use super::{Contents, Filler};
use crate::system::rows::{Rows, Value};

pub(super) const NAMES: Filler = Filler::new("pg_timezone_names", names);

fn names(_contents: &Contents, rows: &mut Rows) {
    for name in ["Etc/UCT", "Etc/UTC", "Etc/Zulu", "GMT", "UTC", "Zulu"] {
        let abbreviation = if name == "GMT" { "GMT" } else { "UTC" };
        rows.add([
            ("name", name.into()),
            ("abbrev", abbreviation.into()),
            ("is_dst", Value::Bool(false)),
        ]);
    }
}
