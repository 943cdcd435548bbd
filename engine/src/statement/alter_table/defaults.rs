//! How do ALTER COLUMN … SET DEFAULT and DROP DEFAULT work?
//!
//! They concern rows that come; rows that are there keep what they have.

use datafusion::sql::sqlparser::ast;

use super::Altered;
use crate::error::PgError;
use crate::session::Session;

/// SET DEFAULT value; `None` drops it.
pub(super) fn set(
    session: &mut Session,
    altered: &mut Altered,
    column: usize,
    value: Option<&ast::Expr>,
) -> Result<(), PgError> {
    let field = altered.schema.fields()[column].clone();
    if altered.table()?.generated.contains_key(field.name()) {
        let error = format!(
            "column \"{}\" of relation \"{}\" is an identity column",
            field.name(),
            altered.relation.name
        );
        return Err(PgError::syntax(error));
    }
    let mut options = altered.options()?;
    match value {
        Some(value) => {
            // Fails now if it could not be evaluated later.
            let nothing = datafusion::common::DFSchema::empty();
            let written = crate::statement::assignment::typed_literal(value.clone(), &field)?;
            session.planner()?.expression(written, &nothing)?;
            options
                .defaults
                .insert(field.name().clone(), value.to_string());
        }
        None => {
            options.defaults.remove(field.name());
        }
    }
    altered.set_options(session, options)
}
