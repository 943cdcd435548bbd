//! How is CREATE MODEL read?
//!
//! `CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name TARGET col [clauses in any order, each once] AS
//! { AUTOML [(options)] | algorithm [(params)] } { query | (query) | TABLE t }`

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{self, later, name, names_in_parentheses, take, take_all, unexpected};
use super::{ReadError, Statement, starts_query};
use crate::error::PgError;

/// CREATE MODEL as written; options are checked where their meaning is known.
#[derive(Debug, Clone)]
pub struct CreateModel {
    /// OR REPLACE: a new version of an existing model.
    pub or_replace: bool,
    /// IF NOT EXISTS: a notice instead of an error.
    pub if_not_exists: bool,
    /// The model's name.
    pub name: ast::ObjectName,
    /// The label column, folded.
    pub target: String,
    /// The group key columns, folded; empty for one model.
    pub partition_by: Vec<String>,
    /// The time column of a time-ordered split.
    pub order_by: Option<String>,
    /// Columns that are no features.
    pub exclude: Vec<String>,
    /// WITH (…), in writing order.
    pub options: Vec<(String, OptionValue)>,
    /// What stands after AS.
    pub learner: Learner,
    /// The training query.
    pub query: Box<ast::Query>,
}

/// AUTOML or a named algorithm, with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Learner {
    /// `automl`, `trees`, `linear`, …, folded.
    pub name: String,
    /// Its arguments, in writing order.
    pub parameters: Vec<(String, OptionValue)>,
}

/// The value of an option as written.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A number in its own spelling.
    Number(String),
    /// A quoted string.
    Text(String),
    /// A bare word, lower case.
    Word(String),
    /// true or false
    Boolean(bool),
}

#[derive(Default)]
struct Clauses {
    target: Option<String>,
    partition_by: Option<Vec<String>>,
    order_by: Option<String>,
    exclude: Option<Vec<String>>,
    options: Option<Vec<(String, OptionValue)>>,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    reader::expect(parser, "create")?;
    let or_replace = take_all(parser, &["or", "replace"]);
    reader::expect(parser, "model")?;
    let if_not_exists = take_all(parser, &["if", "not", "exists"]);
    if or_replace && if_not_exists {
        return Err(PgError::syntax("OR REPLACE and IF NOT EXISTS exclude each other").into());
    }
    let model_name = parser.parse_object_name(false)?;
    let mut clauses = Clauses::default();
    while parse_clause(parser, &mut clauses)? {}
    if !take(parser, "as") {
        return Err(unexpected(
            parser,
            "Expected: TARGET, PARTITION BY, ORDER BY, EXCLUDE, WITH or AS",
        ));
    }
    let learner = parse_learner(parser)?;
    let Some(target) = clauses.target else {
        return Err(PgError::syntax("CREATE MODEL needs a TARGET")
            .with_hint("Write TARGET and the column that the model shall predict.")
            .into());
    };
    let query = parser.parse_query()?;
    Ok(Statement::CreateModel(Box::new(CreateModel {
        or_replace,
        if_not_exists,
        name: model_name,
        target,
        partition_by: clauses.partition_by.unwrap_or_default(),
        order_by: clauses.order_by,
        exclude: clauses.exclude.unwrap_or_default(),
        options: clauses.options.unwrap_or_default(),
        learner,
        query,
    })))
}

fn parse_clause(parser: &mut Parser, clauses: &mut Clauses) -> Result<bool, ReadError> {
    if take(parser, "target") {
        let target = name(parser)?;
        if parser.peek_token_ref().token == Token::Comma {
            return Err(unexpected(parser, "Expected: one TARGET column"));
        }
        once("TARGET", &mut clauses.target, target)?;
    } else if take_all(parser, &["partition", "by"]) {
        refuse_levels(parser)?;
        once(
            "PARTITION BY",
            &mut clauses.partition_by,
            names_in_parentheses(parser)?,
        )?;
    } else if take_all(parser, &["order", "by"]) {
        once("ORDER BY", &mut clauses.order_by, name(parser)?)?;
    } else if take(parser, "exclude") {
        once(
            "EXCLUDE",
            &mut clauses.exclude,
            names_in_parentheses(parser)?,
        )?;
    } else if take(parser, "with") {
        once("WITH", &mut clauses.options, options(parser)?)?;
    } else {
        return refuse_later_clause(parser).map(|()| false);
    }
    Ok(true)
}

fn refuse_levels(parser: &Parser) -> Result<(), ReadError> {
    if reader::next_is(parser, "rollup") || reader::next_is(parser, "grouping") {
        return Err(later(
            "PARTITION BY with levels",
            "PARTITION BY (column, …) trains one model per group with a model of all rows behind it.",
        ));
    }
    Ok(())
}

fn refuse_later_clause(parser: &Parser) -> Result<(), ReadError> {
    for (word, clause) in [
        ("horizon", "HORIZON"),
        ("frequency", "FREQUENCY"),
        ("lookup", "LOOKUP"),
        ("transform", "TRANSFORM"),
        ("metric", "METRIC"),
        ("minimum", "MINIMUM"),
        ("on", "ON ERROR"),
    ] {
        if reader::next_is(parser, word) {
            return Err(later(
                clause,
                "CREATE MODEL knows TARGET, PARTITION BY, ORDER BY, EXCLUDE and WITH; \
                 a metric is set by WITH (metric = …).",
            ));
        }
    }
    if reader::next_is(parser, "from") {
        return Err(later(
            "CREATE MODEL … FROM",
            "Train with AS AUTOML SELECT ….",
        ));
    }
    Ok(())
}

fn once<T>(clause: &str, slot: &mut Option<T>, value: T) -> Result<(), ReadError> {
    if slot.replace(value).is_some() {
        return Err(PgError::syntax(format!("{clause} is given more than once")).into());
    }
    Ok(())
}

fn parse_learner(parser: &mut Parser) -> Result<Learner, ReadError> {
    if starts_query(parser) {
        return Err(
            PgError::syntax("CREATE MODEL needs AUTOML or an algorithm after AS")
                .with_hint("Write AS AUTOML SELECT …, or AS trees (max_depth = 6) SELECT ….")
                .into(),
        );
    }
    let learner_name = name(parser)?;
    let has_parameters =
        parser.peek_token_ref().token == Token::LParen && !parenthesised_query(parser);
    let parameters = if has_parameters {
        options(parser)?
    } else {
        Vec::new()
    };
    Ok(Learner {
        name: learner_name,
        parameters,
    })
}

fn parenthesised_query(parser: &Parser) -> bool {
    match &parser.peek_nth_token_ref(1).token {
        Token::LParen => true,
        Token::Word(word) => ["select", "with", "values", "table"]
            .iter()
            .any(|keyword| word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword)),
        _ => false,
    }
}

/// `( name = value [, …] )`
pub(super) fn options(parser: &mut Parser) -> Result<Vec<(String, OptionValue)>, ReadError> {
    parser.expect_token(&Token::LParen)?;
    let mut pairs = Vec::new();
    if parser.consume_token(&Token::RParen) {
        return Ok(pairs);
    }
    loop {
        let option = name(parser)?;
        if reader::next_is(parser, "between") || reader::next_is(parser, "in") {
            return Err(later(
                "a search space in parentheses",
                "Give one value per parameter, or use AS AUTOML.",
            ));
        }
        if !parser.consume_token(&Token::Eq) && !parser.consume_token(&Token::RArrow) {
            return Err(unexpected(parser, "Expected: ="));
        }
        pairs.push((option, option_value(parser)?));
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    parser.expect_token(&Token::RParen)?;
    Ok(pairs)
}

fn option_value(parser: &mut Parser) -> Result<OptionValue, ReadError> {
    let negative = parser.consume_token(&Token::Minus);
    let token = parser.next_token();
    let value = match token.token {
        Token::Number(digits, _) if negative => OptionValue::Number(format!("-{digits}")),
        Token::Number(digits, _) => OptionValue::Number(digits),
        Token::SingleQuotedString(value) if !negative => OptionValue::Text(value),
        Token::Word(word) if !negative && word.value.eq_ignore_ascii_case("true") => {
            OptionValue::Boolean(true)
        }
        Token::Word(word) if !negative && word.value.eq_ignore_ascii_case("false") => {
            OptionValue::Boolean(false)
        }
        Token::Word(word) if !negative => OptionValue::Word(word.value.to_lowercase()),
        _ => {
            parser.prev_token();
            return Err(unexpected(parser, "Expected: a value"));
        }
    };
    Ok(value)
}
