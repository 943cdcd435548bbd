//! Does the house keep its own rules? Each rule of `docs/STYLE.md` that a program can check is a
//! test here; the message of a failure says what to do.

mod dependencies;
mod documents;
mod sources;

/// Fails with every offence at once, so that one run shows the whole list.
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
