//! The compiled expressions of a column, each compiled once as long as rows do not change it.

use std::cell::RefCell;
use std::rc::Rc;

use arrow::array::StringArray;
use regex::Regex;

use super::flags::Flags;
use super::syntax::compile;
use crate::error::FunctionError;
use crate::scalar::columns::Columns;

/// How flags are read.
type ReadFlags = fn(&str) -> Result<Flags, FunctionError>;

/// The expression and flags of each row.
pub struct Memo<'a> {
    patterns: &'a StringArray,
    flags: Option<&'a StringArray>,
    read_flags: ReadFlags,
    last: RefCell<Option<Known<'a>>>,
}

struct Known<'a> {
    pattern: &'a str,
    letters: &'a str,
    compiled: Rc<(Regex, Flags)>,
}

impl<'a> Memo<'a> {
    /// Expressions in one argument, flags in another if the call has it.
    pub fn new(
        columns: &'a Columns,
        pattern_at: usize,
        flags_at: usize,
        read_flags: ReadFlags,
    ) -> Memo<'a> {
        let has_flags = flags_at < columns.len() && columns.is_text(flags_at);
        Memo {
            patterns: columns.text(pattern_at),
            flags: has_flags.then(|| columns.text(flags_at)),
            read_flags,
            last: RefCell::new(None),
        }
    }

    /// The expression of a row without NULLs.
    pub fn at(&self, row: usize) -> Result<Rc<(Regex, Flags)>, FunctionError> {
        let pattern = self.patterns.value(row);
        let letters = self.flags.map_or("", |flags| flags.value(row));
        let mut last = self.last.borrow_mut();
        if let Some(known) = last.as_ref()
            && known.pattern == pattern
            && known.letters == letters
        {
            return Ok(Rc::clone(&known.compiled));
        }
        let flags = (self.read_flags)(letters)?;
        let compiled = Rc::new((compile(pattern, flags)?, flags));
        *last = Some(Known {
            pattern,
            letters,
            compiled: Rc::clone(&compiled),
        });
        Ok(compiled)
    }
}

/// Where a character begins, counted from 1, or 22023 before the first; None behind the last.
pub fn start_byte(text: &str, start: i32) -> Result<Option<usize>, FunctionError> {
    if start < 1 {
        return Err(FunctionError::new(
            "22023",
            format!("invalid value for parameter \"start\": {start}"),
        ));
    }
    let skipped = start as usize - 1;
    let mut boundaries = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    Ok(boundaries.nth(skipped))
}

/// The number of the character that begins at a byte, from 1.
pub fn character_number(text: &str, byte: usize) -> i32 {
    text[..byte].chars().count() as i32 + 1
}
