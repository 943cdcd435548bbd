//! How do sequences move?
//!
//! Moving is not changing: it leaves `changed_seq` alone, so taking numbers never conflicts with DDL on
//! the sequence, and conflicts with other takers are decided on the position itself.

use super::{Change, conflict, invalid};
use crate::error::{CatalogError, ObjectKind};
use crate::state::relation::RelationRef;
use crate::state::sequence::{Sequence, SequencePosition};

impl Change {
    pub(super) fn advance_sequence(
        &mut self,
        target: &RelationRef,
        expected_next: Option<i64>,
        count: u32,
    ) -> Result<(), CatalogError> {
        let sequence = self.find_sequence(target)?;
        let position = self
            .state
            .sequences
            .get(&target.id)
            .copied()
            .unwrap_or(sequence.initial_position());
        if position.next != expected_next {
            return Err(conflict(format!(
                "another session took numbers of sequence {:?}",
                target.name
            )));
        }
        let (_, position) = sequence.take(&target.name, position, count)?;
        self.state.sequences.insert(target.id, position);
        Ok(())
    }

    pub(super) fn set_sequence(
        &mut self,
        target: &RelationRef,
        next: Option<i64>,
        last: Option<i64>,
    ) -> Result<(), CatalogError> {
        let sequence = self.find_sequence(target)?;
        if let Some(next) = next
            && !(sequence.min..=sequence.max).contains(&next)
        {
            let detail = format!(
                "{next} is outside MINVALUE ({}) and MAXVALUE ({})",
                sequence.min, sequence.max
            );
            return Err(invalid(ObjectKind::Sequence, &target.name, detail));
        }
        self.state
            .sequences
            .insert(target.id, SequencePosition { next, last });
        Ok(())
    }

    fn find_sequence(&self, target: &RelationRef) -> Result<Sequence, CatalogError> {
        let relation = self.find_relation(target)?;
        relation
            .sequence()
            .cloned()
            .ok_or_else(|| CatalogError::WrongKind {
                expected: ObjectKind::Sequence,
                found: relation.object_kind(),
                name: target.name.clone(),
            })
    }
}
