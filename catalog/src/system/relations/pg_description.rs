//! `pg_description`, `pg_shdescription`: what did COMMENT ON say?

use super::{Contents, Filler};
use crate::system::oids;
use crate::system::rows::Rows;

pub(super) const FILLER: Filler =
    Filler::new("pg_description", rows).by_key("objoid", &["objsubid"]);
pub(super) const SHARED: Filler = Filler::new("pg_shdescription", |_, _| {});

fn rows(contents: &Contents, rows: &mut Rows) {
    let snapshot = &contents.snapshot;
    let schemas = snapshot
        .schemas
        .iter()
        .map(|schema| (schema.oid, oids::PG_NAMESPACE, &schema.comment));
    let relations = snapshot
        .relations
        .iter()
        .map(|relation| (relation.oid, oids::PG_CLASS, &relation.comment));
    for (object, class, comment) in schemas.chain(relations) {
        if let Some(comment) = comment {
            rows.add([
                ("objoid", object.into()),
                ("classoid", class.into()),
                ("objsubid", 0.into()),
                ("description", comment.as_str().into()),
            ]);
        }
    }
    for relation in &snapshot.relations {
        let columns = contents
            .columns
            .get(&relation.oid)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (name, comment) in &relation.column_comments {
            let attnum = columns
                .iter()
                .position(|column| column.name == *name)
                .map_or(0, |at| at as i64 + 1);
            rows.add([
                ("objoid", relation.oid.into()),
                ("classoid", oids::PG_CLASS.into()),
                ("objsubid", attnum.into()),
                ("description", comment.as_str().into()),
            ]);
        }
    }
}
