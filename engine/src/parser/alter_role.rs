//! How is ALTER ROLE … SET and RESET read?

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::parser::Parser;

use super::reader::{expect, later, next_is, take};
use super::settings::{assignment, resettable};
use super::{ReadError, Statement};
use crate::error::PgError;

/// ALTER { ROLE | USER } { role | ALL } { SET … | RESET … }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterRole {
    /// Whose sessions; None is ALL.
    pub role: Option<Ident>,
    /// What they begin with.
    pub change: RoleChange,
}

/// What ALTER ROLE says of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleChange {
    /// SET name = value
    Set(String, String),
    /// RESET name, or SET name = DEFAULT
    Reset(String),
    /// RESET ALL
    ResetAll,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "alter")?;
    if !take(parser, "user") {
        expect(parser, "role")?;
    }
    let role = if take(parser, "all") {
        None
    } else {
        Some(parser.parse_identifier()?)
    };
    if next_is(parser, "in") {
        return Err(later(
            "ALTER ROLE … IN DATABASE",
            "There is one database: leave IN DATABASE out.",
        ));
    }
    let change = if take(parser, "set") {
        match assignment(parser)? {
            (name, Some(value)) => RoleChange::Set(name, value),
            (name, None) => RoleChange::Reset(name),
        }
    } else if take(parser, "reset") {
        resettable(parser)?.map_or(RoleChange::ResetAll, RoleChange::Reset)
    } else {
        let other = "ALTER ROLE can only SET and RESET settings: there is one role";
        return Err(PgError::unsupported(other).into());
    };
    Ok(Statement::AlterRole(AlterRole { role, change }))
}
