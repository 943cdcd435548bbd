//! Where in a statement's text is what an error is about?
//!
//! Plans do not remember where a literal, an operator or a function's name stood. Errors name what they are about
//! ([`Culprit`]) or quote it, and the statement's tokens say where that is.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::{Parsed, Statement, char_position, tokens_of};
use crate::error::{Culprit, PgError};
use crate::sqlstate;

/// Adds the position of an error in its whole string of statements, where it can be known.
pub fn locate(parsed: &Parsed, error: PgError) -> PgError {
    let known = error
        .location
        .filter(|location| location.line > 0)
        .map(|location| char_position(&parsed.source, location));
    // The planner knows where an operand stood; PostgreSQL points at what does not go with it.
    let position = match error.culprit.is_some() {
        true => found(parsed, &error).or(known),
        false => known.or_else(|| found(parsed, &error)),
    };
    let position = error.position.or(position);
    PgError {
        position,
        location: None,
        culprit: None,
        ..error
    }
}

fn found(parsed: &Parsed, error: &PgError) -> Option<usize> {
    let tokens = Tokens::of(parsed)?;
    let at = match error.culprit.as_deref() {
        Some(Culprit::Literal(text)) => tokens.literal(text),
        Some(Culprit::Function(name)) => tokens.function(name),
        Some(Culprit::Operator(symbol)) => tokens.operator(symbol),
        Some(Culprit::Text(text)) => tokens.text(text),
        None => tokens.of_message(parsed, error),
    }?;
    let location = tokens.all.get(at)?.span.start;
    let before = parsed.source.get(..parsed.start)?.chars().count();
    let inside = char_position(&parsed.text, location);
    Some(before + inside)
}

/// The tokens of one statement that are not blank.
struct Tokens {
    all: Vec<TokenWithSpan>,
}

impl Tokens {
    fn of(parsed: &Parsed) -> Option<Tokens> {
        let mut all = tokens_of(&parsed.text).ok()?;
        all.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        Some(Tokens { all })
    }

    fn position(&self, is_it: impl Fn(&Token) -> bool) -> Option<usize> {
        self.all.iter().position(|token| is_it(&token.token))
    }

    fn word(&self, at: usize) -> Option<&Word> {
        match &self.all.get(at)?.token {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, at: usize, token: &Token) -> bool {
        self.all.get(at).is_some_and(|found| found.token == *token)
    }

    /// A text in quotes; one that is cast on the spot before others.
    fn literal(&self, text: &str) -> Option<usize> {
        let is_it = |at: &usize| literal_text(&self.all[*at].token) == Some(text);
        let all: Vec<usize> = (0..self.all.len()).filter(is_it).collect();
        let is_cast = |at: &&usize| {
            let names_type = at.checked_sub(1).and_then(|before| self.word(before));
            self.is(**at + 1, &Token::DoubleColon)
                || names_type
                    .is_some_and(|word| tarn_catalog::types::PgType::parse(&word.value).is_ok())
        };
        all.iter().find(is_cast).or(all.first()).copied()
    }

    /// The name before a parenthesis, with its schema.
    fn function(&self, name: &str) -> Option<usize> {
        let called = |at: &usize| {
            self.word(*at).is_some_and(|word| folded(word) == name)
                && self.is(at + 1, &Token::LParen)
        };
        let at = (0..self.all.len()).find(called)?;
        Some(self.start_of_name(at))
    }

    /// The first part of a dotted name that ends here.
    fn start_of_name(&self, mut at: usize) -> usize {
        while at >= 2 && self.is(at - 1, &Token::Period) && self.word(at - 2).is_some() {
            at -= 2;
        }
        at
    }

    fn operator(&self, symbol: &str) -> Option<usize> {
        self.position(|token| match token {
            Token::Word(word) => {
                word.quote_style.is_none() && word.value.eq_ignore_ascii_case(symbol)
            }
            other => !is_text(other) && other.to_string() == symbol,
        })
    }

    /// A token as it is written, the last of its kind.
    fn text(&self, text: &str) -> Option<usize> {
        self.all.iter().rposition(|token| {
            !is_text(&token.token) && token.token.to_string().eq_ignore_ascii_case(text)
        })
    }

    /// A name, from some token on.
    fn name(&self, name: &str, from: usize) -> Option<usize> {
        (from..self.all.len()).find(|at| self.word(*at).is_some_and(|word| folded(word) == name))
    }

    /// What the error's own words quote.
    fn of_message(&self, parsed: &Parsed, error: &PgError) -> Option<usize> {
        let quoted = quoted(&error.message);
        match error.code {
            sqlstate::INVALID_TEXT_REPRESENTATION
            | sqlstate::INVALID_DATETIME_FORMAT
            | sqlstate::DATETIME_FIELD_OVERFLOW
            | sqlstate::NUMERIC_VALUE_OUT_OF_RANGE => self.literal(quoted.last()?),
            sqlstate::UNDEFINED_OBJECT if error.message.starts_with("type \"") => {
                let names: Vec<&str> = quoted.first()?.split('.').collect();
                let at = self.name(names.last()?, 1)?;
                Some(self.start_of_name(at))
            }
            sqlstate::UNDEFINED_TABLE | sqlstate::UNDEFINED_COLUMN | sqlstate::DUPLICATE_COLUMN => {
                self.of_change(parsed, error.code, &quoted)
            }
            sqlstate::INVALID_SCHEMA_NAME if is_create_table(parsed) => {
                let at = self.name(quoted.first()?, 2)?;
                Some(self.start_of_name(at))
            }
            _ => None,
        }
    }

    /// Postgres points at the names of INSERT, UPDATE and DELETE only.
    fn of_change(
        &self,
        parsed: &Parsed,
        code: sqlstate::SqlState,
        quoted: &[String],
    ) -> Option<usize> {
        let Statement::Sql(statement) = &parsed.statement else {
            return None;
        };
        if !matches!(
            statement.as_ref(),
            ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_)
        ) {
            return None;
        }
        let name = quoted.first()?.rsplit('.').next()?;
        let at = self.name(name, 1)?;
        match code {
            sqlstate::UNDEFINED_TABLE => Some(self.start_of_name(at)),
            sqlstate::DUPLICATE_COLUMN => self.name(name, at + 1),
            // The relation may have the name that the column has not.
            _ => {
                let relation = quoted.get(1).and_then(|relation| self.name(relation, 1));
                self.name(name, relation.map_or(1, |at| at + 1))
            }
        }
    }
}

fn is_create_table(parsed: &Parsed) -> bool {
    match &parsed.statement {
        Statement::Sql(statement) => matches!(statement.as_ref(), ast::Statement::CreateTable(_)),
        Statement::CreateTableAt(_) => true,
        _ => false,
    }
}

/// What stands in double quotes.
fn quoted(message: &str) -> Vec<String> {
    // Only the last quotation may itself hold quotes: it is a text of the user.
    let mut parts: Vec<String> = message
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_string)
        .collect();
    if let Some((_, rest)) = message.split_once(": \"")
        && let Some(text) = rest.strip_suffix('"')
    {
        parts.push(text.to_string());
    }
    parts
}

fn folded(word: &Word) -> String {
    if word.quote_style.is_some() {
        word.value.clone()
    } else {
        word.value.to_lowercase()
    }
}

fn is_text(token: &Token) -> bool {
    literal_text(token).is_some()
}

fn literal_text(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::NationalStringLiteral(text) => Some(text),
        Token::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Culprit, PgError};
    use crate::parser::parse;
    use crate::sqlstate;

    fn position(sql: &str, error: PgError) -> Option<usize> {
        let parsed = parse(sql).unwrap().pop().unwrap();
        parsed.locate(error).position
    }

    #[test]
    fn what_a_message_quotes_is_found_in_the_statement() {
        let bad = |text: &str| {
            let message = format!("invalid input syntax for type integer: \"{text}\"");
            PgError::new(sqlstate::INVALID_TEXT_REPRESENTATION, message)
        };
        assert_eq!(position("SELECT 'abc'::int", bad("abc")), Some(8));
        assert_eq!(position("SELECT 'abc', 'abc'::int", bad("abc")), Some(15));
        assert_eq!(
            position("SELECT 1; SELECT int 'it''s'", bad("it's")),
            Some(22)
        );
        assert_eq!(position("SELECT 'ä', a\"b FROM t\"", bad("x")), None);
    }

    #[test]
    fn calls_and_operators_are_found() {
        let about = |culprit| PgError {
            culprit: Some(Box::new(culprit)),
            ..PgError::new(sqlstate::UNDEFINED_FUNCTION, "")
        };
        let function = || about(Culprit::Function("f".into()));
        assert_eq!(position("SELECT f, 'f(', s.f(1)", function()), Some(17));
        assert_eq!(position("SELECT F (1)", function()), Some(8));
        let operator = || about(Culprit::Operator("+".into()));
        assert_eq!(position("SELECT '+', a\n + 1", operator()), Some(16));
    }
}
