//! `pg_sequence`, `pg_sequences`: how do the sequences count?

use super::{Contents, Filler};
use crate::system::rows::Rows;
use crate::system::snapshot::{Relation, RelationKind, Sequence};

pub(super) const FILLER: Filler = Filler::new("pg_sequence", rows);
pub(super) const SEQUENCES: Filler = Filler::new("pg_sequences", sequences);

fn each(contents: &Contents) -> impl Iterator<Item = (&Relation, &Sequence)> {
    contents
        .snapshot
        .relations
        .iter()
        .filter_map(|relation| match &relation.kind {
            RelationKind::Sequence(sequence) => Some((relation, sequence)),
            _ => None,
        })
}

fn rows(contents: &Contents, rows: &mut Rows) {
    for (relation, sequence) in each(contents) {
        rows.add([
            ("seqrelid", relation.oid.into()),
            ("seqtypid", sequence.pg_type.oid.into()),
            ("seqstart", sequence.start.into()),
            ("seqincrement", sequence.increment.into()),
            ("seqmax", sequence.max.into()),
            ("seqmin", sequence.min.into()),
            ("seqcache", sequence.cache.into()),
            ("seqcycle", sequence.cycle.into()),
        ]);
    }
}

fn sequences(contents: &Contents, rows: &mut Rows) {
    for (relation, sequence) in each(contents) {
        rows.add([
            ("schemaname", relation.schema.as_str().into()),
            ("sequencename", relation.name.as_str().into()),
            ("sequenceowner", relation.owner.as_str().into()),
            ("data_type", sequence.pg_type.oid.into()),
            ("start_value", sequence.start.into()),
            ("min_value", sequence.min.into()),
            ("max_value", sequence.max.into()),
            ("increment_by", sequence.increment.into()),
            ("cycle", sequence.cycle.into()),
            ("cache_size", sequence.cache.into()),
            ("last_value", sequence.last.into()),
        ]);
    }
}
