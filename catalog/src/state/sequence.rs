//! Which numbers does a sequence give next?
//!
//! Numbers are taken in blocks, one log entry a block, so that an INSERT of a million rows is not a
//! million entries. As in PostgreSQL, a taken number never comes back, not even after ROLLBACK.

use serde::{Deserialize, Serialize};

use crate::error::CatalogError;

/// The definition of a sequence; where it stands is in [`crate::state::State::sequences`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// The type told to clients; its range bounds `min` and `max`.
    pub data_type: SequenceType,
    /// START WITH.
    pub start: i64,
    /// INCREMENT BY; negative descends, zero is refused.
    pub increment: i64,
    /// MINVALUE.
    pub min: i64,
    /// MAXVALUE.
    pub max: i64,
    /// Whether it starts again at the other bound when it is exhausted.
    pub cycle: bool,
    /// CACHE: how many numbers a session asks for at a time, at least one.
    pub cache: u32,
}

/// The integer types that a sequence can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SequenceType {
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Integer,
    /// 64 bits.
    BigInt,
}

impl SequenceType {
    /// The greatest value of the type.
    pub fn max(self) -> i64 {
        match self {
            SequenceType::SmallInt => i64::from(i16::MAX),
            SequenceType::Integer => i64::from(i32::MAX),
            SequenceType::BigInt => i64::MAX,
        }
    }

    /// The least value of the type.
    pub fn min(self) -> i64 {
        -self.max() - 1
    }
}

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequencePosition {
    /// The number that the next block starts with; `None` when the sequence is exhausted.
    pub next: Option<i64>,
    /// The greatest-so-far end of a block, `last_value` to clients; `None` before the first one.
    pub last: Option<i64>,
}

impl SequencePosition {
    /// The same place under another definition of the sequence.
    pub fn under(self, sequence: &Sequence) -> SequencePosition {
        match self.last {
            Some(last) => sequence.position_after(last),
            None => self,
        }
    }
}

/// Numbers that belong to whoever took them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceBlock {
    /// The first number.
    pub first: i64,
    /// The step from one number to the next.
    pub increment: i64,
    /// How many numbers; at least one, at most what was asked for.
    pub count: u32,
}

impl SequenceBlock {
    /// The last number of the block.
    pub fn last(&self) -> i64 {
        self.nth(self.count - 1)
    }

    /// The numbers in order.
    pub fn values(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.nth(step))
    }

    /// In 128 bits, because `increment * step` can leave 64 though the number itself does not.
    fn nth(&self, step: u32) -> i64 {
        (i128::from(self.first) + i128::from(self.increment) * i128::from(step)) as i64
    }
}

impl Sequence {
    /// A sequence as `CREATE SEQUENCE name AS type` makes it: from 1 upwards by 1.
    pub fn ascending(data_type: SequenceType) -> Sequence {
        Sequence {
            data_type,
            start: 1,
            increment: 1,
            min: 1,
            max: data_type.max(),
            cycle: false,
            cache: 1,
        }
    }

    /// The position before the first number is taken.
    pub fn initial_position(&self) -> SequencePosition {
        SequencePosition {
            next: Some(self.start),
            last: None,
        }
    }

    /// Takes up to `count` numbers and tells where the sequence stands then. A block ends at the bound
    /// of the sequence, so it can be shorter than asked for; `name` is for the error.
    pub fn take(
        &self,
        name: &str,
        position: SequencePosition,
        count: u32,
    ) -> Result<(SequenceBlock, SequencePosition), CatalogError> {
        let limit = if self.increment > 0 {
            self.max
        } else {
            self.min
        };
        let exhausted = || CatalogError::SequenceExhausted {
            name: name.to_string(),
            bound: match self.increment > 0 {
                true => "maximum",
                false => "minimum",
            },
            limit,
        };
        let first = position.next.ok_or_else(exhausted)?;
        // 128 bits, because the distance between two bounds can exceed 64.
        let distance = (i128::from(limit) - i128::from(first)) / i128::from(self.increment);
        if distance < 0 {
            return Err(exhausted());
        }
        let count = i128::from(count.max(1)).min(distance + 1) as u32;
        let block = SequenceBlock {
            first,
            increment: self.increment,
            count,
        };
        Ok((block, self.position_after(block.last())))
    }

    /// The position once `last` was given.
    pub fn position_after(&self, last: i64) -> SequencePosition {
        let following = i128::from(last) + i128::from(self.increment);
        let inside = (i128::from(self.min)..=i128::from(self.max)).contains(&following);
        let next = match (inside, self.cycle) {
            (true, _) => Some(following as i64),
            (false, true) => Some(if self.increment > 0 {
                self.min
            } else {
                self.max
            }),
            (false, false) => None,
        };
        SequencePosition {
            next,
            last: Some(last),
        }
    }

    /// What is wrong with the definition, if anything.
    pub fn fault(&self) -> Option<String> {
        let bounds = self.data_type.min()..=self.data_type.max();
        if self.increment == 0 {
            Some("INCREMENT must not be zero".to_string())
        } else if !bounds.contains(&self.min) || !bounds.contains(&self.max) {
            Some("MINVALUE or MAXVALUE is out of range for the type".to_string())
        } else if self.min >= self.max {
            Some(format!(
                "MINVALUE ({}) must be less than MAXVALUE ({})",
                self.min, self.max
            ))
        } else if !(self.min..=self.max).contains(&self.start) {
            Some(format!(
                "START value ({}) is outside MINVALUE and MAXVALUE",
                self.start
            ))
        } else if self.cache == 0 {
            Some("CACHE (0) must be greater than zero".to_string())
        } else {
            None
        }
    }
}
