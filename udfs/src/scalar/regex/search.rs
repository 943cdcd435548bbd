//! Which matches does an expression have in a text, from a place on, one behind the other?
//!
//! As in PostgreSQL, a search goes on where the last match ended, and a character further if that match was empty; so an
//! empty match may lie behind another one. What lies before the place is seen by `^`, `\m` and their kind alone.

use regex::{Captures, Match, Regex};

/// The matches from a byte on.
pub fn matches<'t>(
    expression: &Regex,
    text: &'t str,
    from: usize,
) -> impl Iterator<Item = Match<'t>> {
    one_by_one(text, from, |at| {
        let found = expression.find_at(text, at)?;
        Some((found, found))
    })
}

/// The matches from a byte on, with their groups.
pub fn captures<'t>(
    expression: &Regex,
    text: &'t str,
    from: usize,
) -> impl Iterator<Item = Captures<'t>> {
    one_by_one(text, from, |at| {
        let found = expression.captures_at(text, at)?;
        found.get(0).map(|whole| (found, whole))
    })
}

/// A group of the n-th match from a byte on, counted from 1; group 0 is the match.
pub fn group_of_nth<'t>(
    expression: &Regex,
    text: &'t str,
    from: usize,
    number: usize,
    group: usize,
) -> Option<Match<'t>> {
    let found = captures(expression, text, from).nth(number.checked_sub(1)?);
    found.and_then(|found| found.get(group))
}

fn one_by_one<'t, T>(
    text: &'t str,
    from: usize,
    search: impl Fn(usize) -> Option<(T, Match<'t>)>,
) -> impl Iterator<Item = T> {
    let mut next = Some(from);
    std::iter::from_fn(move || {
        let (found, whole) = search(next?)?;
        next = if whole.is_empty() {
            let skipped = text[whole.end()..].chars().next();
            skipped.map(|skipped| whole.end() + skipped.len_utf8())
        } else {
            Some(whole.end())
        };
        Some(found)
    })
}
