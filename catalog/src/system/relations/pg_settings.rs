//! `pg_settings`: which settings are there, and what are they in this session?

use super::{Contents, Filler};
use crate::system::rows::{Rows, Value};

pub(super) const FILLER: Filler = Filler::new("pg_settings", rows);

fn rows(contents: &Contents, rows: &mut Rows) {
    for setting in contents.session.settings() {
        let choices = (!setting.choices.is_empty()).then_some(setting.choices);
        rows.add([
            ("name", setting.name.into()),
            ("setting", setting.value.into()),
            ("unit", setting.unit.into()),
            ("category", setting.category.into()),
            ("short_desc", setting.short_description.into()),
            ("context", setting.context.into()),
            ("vartype", setting.kind.into()),
            ("source", setting.source.into()),
            ("enumvals", choices.into()),
            ("boot_val", setting.boot_value.into()),
            ("reset_val", setting.reset_value.into()),
            ("pending_restart", Value::Bool(false)),
        ]);
    }
}
