//! Which error stands in a text that a library made of it?
//!
//! The Parquet reader evaluates conditions while it reads, and passes on what goes wrong only as a debug text. The
//! memory pool tells in lines of its own who holds how much.

use crate::error::PgError;
use crate::sqlstate;

const MARK: &str = "Error evaluating filter predicate: ";

/// The error of a condition inside the reader's complaint; None when it is about the file.
pub fn of_condition(text: &str) -> Option<PgError> {
    let (_, inner) = text.split_once(MARK)?;
    if let Some(known) = coded(inner) {
        return Some(known);
    }
    if inner.contains("DivideByZero") || inner.contains("DivisionByZero") {
        return Some(PgError::new(sqlstate::DIVISION_BY_ZERO, "division by zero"));
    }
    if inner.contains("verflow") || inner.contains("OutOfRange") {
        return Some(PgError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            "value out of range",
        ));
    }
    Some(PgError::new(sqlstate::DATA_EXCEPTION, inner))
}

/// `… SqlState("22P02"), message: "…"` or `… sqlstate: "22P02", message: "…"`
fn coded(text: &str) -> Option<PgError> {
    let code = ["SqlState(\"", "sqlstate: \""]
        .iter()
        .find_map(|mark| text.split_once(mark))
        .and_then(|(_, rest)| rest.get(..5))?;
    let code = sqlstate::ALL.iter().find(|known| known.0 == code)?;
    let (_, rest) = text.split_once("message: \"")?;
    Some(PgError::new(*code, unescaped(rest)))
}

/// A quoted text up to its end, without the backslashes.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// What did not fit into the memory budget, and who holds most of it, as sentences.
pub fn of_memory_pool(text: &str) -> String {
    let reason = text.lines().find_map(|line| line.strip_prefix("Error: "));
    let reason = reason.or_else(|| text.lines().next()).unwrap_or_default();
    let holders: Vec<String> = text.lines().filter_map(holder).collect();
    let reason = reason.trim().trim_end_matches('.');
    match holders.is_empty() {
        true => format!("{reason}."),
        false => format!("{reason}. Most is held by {}.", holders.join(", ")),
    }
}

/// `name#3(can spill: true) consumed 15.2 MB, peak 16.0 MB,`
fn holder(line: &str) -> Option<String> {
    let (name, rest) = line.trim().split_once('#')?;
    let (_, consumed) = rest.split_once(") consumed ")?;
    let (size, _) = consumed.split_once(',')?;
    (size != "0.0 B").then(|| format!("{name} ({size})"))
}

#[cfg(test)]
mod tests {
    use super::{of_condition, of_memory_pool};
    use crate::error::PgError;
    use crate::sqlstate;

    #[test]
    fn the_error_of_a_condition_is_found_in_its_debug_text() {
        let inner = PgError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            "invalid input syntax for type integer: \"a\\b\"",
        );
        let told = |text: String| {
            let error = of_condition(&format!("Compute error: {}{text}", super::MARK));
            error.map(|error| (error.code.0, error.message))
        };
        let expected = Some(("22P02", inner.message.clone()));
        assert_eq!(told(format!("External({inner:?})")), expected);
        let expected = Some(("22012", "division by zero".to_string()));
        assert_eq!(
            told("ArrowError(DivideByZero, Some(\"\"))".to_string()),
            expected
        );
        assert!(of_condition("EOF: file size of 3 is less than footer").is_none());
    }

    #[test]
    fn who_holds_the_memory_is_told_in_a_sentence() {
        let told = "Additional allocation failed for group fits with top memory consumers (across reservations) as:\n  \
            rows#3(can spill: true) consumed 15.2 MB, peak 15.2 MB,\n  \
            group fits#11(can spill: false) consumed 0.0 B, peak 0.0 B.\n\
            Error: Failed to allocate additional 292.6 KB for group fits - 0.0 B remain available";
        assert_eq!(
            of_memory_pool(told),
            "Failed to allocate additional 292.6 KB for group fits - 0.0 B remain available. Most is held by rows (15.2 MB)."
        );
        assert_eq!(of_memory_pool("no room"), "no room.");
    }
}
