//! How are BEGIN, COMMIT, ROLLBACK and SAVEPOINT read?

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, name, take, take_all, unexpected};
use super::{ReadError, Statement};

/// BEGIN's modes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begin {
    /// It was written START TRANSACTION.
    pub is_start: bool,
    /// READ ONLY or READ WRITE, when said.
    pub read_only: Option<bool>,
    /// ISOLATION LEVEL, when said: lower case.
    pub isolation: Option<String>,
}

/// The statements that move a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionStatement {
    /// BEGIN or START TRANSACTION
    Begin(Begin),
    /// COMMIT or END
    Commit {
        /// AND CHAIN
        chain: bool,
    },
    /// ROLLBACK or ABORT
    Rollback {
        /// AND CHAIN
        chain: bool,
    },
    /// SAVEPOINT name
    Savepoint(String),
    /// RELEASE [SAVEPOINT] name
    Release(String),
    /// ROLLBACK TO [SAVEPOINT] name
    RollbackTo(String),
}

pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    let statement = if take(parser, "begin") {
        work(parser);
        TransactionStatement::Begin(modes(parser)?)
    } else if take(parser, "start") {
        expect(parser, "transaction")?;
        TransactionStatement::Begin(Begin {
            is_start: true,
            ..modes(parser)?
        })
    } else if take(parser, "commit") || take(parser, "end") {
        work(parser);
        TransactionStatement::Commit {
            chain: chain(parser)?,
        }
    } else if take(parser, "savepoint") {
        TransactionStatement::Savepoint(name(parser)?)
    } else if take(parser, "release") {
        take(parser, "savepoint");
        TransactionStatement::Release(name(parser)?)
    } else if take(parser, "rollback") || take(parser, "abort") {
        work(parser);
        if take(parser, "to") {
            take(parser, "savepoint");
            TransactionStatement::RollbackTo(name(parser)?)
        } else {
            TransactionStatement::Rollback {
                chain: chain(parser)?,
            }
        }
    } else {
        return Err(unexpected(parser, "Expected: a transaction statement"));
    };
    Ok(Statement::Transaction(statement))
}

fn work(parser: &mut Parser) {
    if !take(parser, "work") {
        take(parser, "transaction");
    }
}

fn chain(parser: &mut Parser) -> Result<bool, ReadError> {
    if !take(parser, "and") {
        return Ok(false);
    }
    let chained = !take(parser, "no");
    expect(parser, "chain")?;
    Ok(chained)
}

/// `ISOLATION LEVEL …`, `READ ONLY`, … separated by commas or blanks.
pub(super) fn modes(parser: &mut Parser) -> Result<Begin, ReadError> {
    let mut begin = Begin::default();
    loop {
        if take_all(parser, &["isolation", "level"]) {
            begin.isolation = Some(isolation(parser)?);
        } else if take_all(parser, &["read", "only"]) {
            begin.read_only = Some(true);
        } else if take_all(parser, &["read", "write"]) {
            begin.read_only = Some(false);
        } else if take(parser, "deferrable") || take_all(parser, &["not", "deferrable"]) {
            // Nothing waits for a deferrable snapshot here: every snapshot is safe from the start.
        } else {
            return Ok(begin);
        }
        let _ = parser.consume_token(&Token::Comma);
    }
}

fn isolation(parser: &mut Parser) -> Result<String, ReadError> {
    for words in [
        ["read", "uncommitted"].as_slice(),
        &["read", "committed"],
        &["repeatable", "read"],
        &["serializable"],
    ] {
        if take_all(parser, words) {
            return Ok(words.join(" "));
        }
    }
    Err(unexpected(parser, "Expected: an isolation level"))
}
