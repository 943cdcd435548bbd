//! `pg_timezone_names`: which time zones does `SET TimeZone` take, and how far are they from UTC now?

use chrono::{Offset, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, TZ_VARIANTS};

use super::{Contents, Filler};
use crate::system::rows::{Rows, Value};

pub(super) const NAMES: Filler = Filler::new("pg_timezone_names", names);

fn names(_contents: &Contents, rows: &mut Rows) {
    let now = Utc::now().naive_utc();
    for zone in TZ_VARIANTS {
        let offset = zone.offset_from_utc_datetime(&now);
        rows.add([
            ("name", zone.name().into()),
            ("abbrev", offset.abbreviation().into()),
            (
                "utc_offset",
                Value::Seconds(offset.fix().local_minus_utc().into()),
            ),
            (
                "is_dst",
                (offset.dst_offset() != chrono::Duration::zero()).into(),
            ),
        ]);
    }
}
