//! How does TRUNCATE empty a table?

use datafusion::sql::sqlparser::ast;

use super::insert::target_table;
use crate::error::PgError;
use crate::session::Session;
use crate::session::outcome::Outcome;

/// TRUNCATE [TABLE] t [, …]
pub async fn run(session: &mut Session, truncated: &ast::Truncate) -> Result<Outcome, PgError> {
    session.check_writable("TRUNCATE TABLE")?;
    for target in &truncated.table_names {
        let relation = target_table(session, &target.name)?;
        session.transaction()?.truncate(&relation).await?;
    }
    Ok(Outcome::Command("TRUNCATE TABLE".to_string()))
}
