//! What of ALTER TABLE is there? RENAME TO.

use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::Op;

use crate::error::PgError;
use crate::plan::names::qualified;
use crate::session::Session;
use crate::session::outcome::Outcome;

/// ALTER TABLE t RENAME TO u
pub fn alter_table(session: &mut Session, alter: &ast::AlterTable) -> Result<Outcome, PgError> {
    session.check_writable("ALTER TABLE")?;
    let relation = session.names().relation(&qualified(&alter.name)?)?;
    for operation in &alter.operations {
        let ast::AlterTableOperation::RenameTable { table_name } = operation else {
            return Err(
                PgError::unsupported(format!("ALTER TABLE {operation} is not supported"))
                    .with_hint("CREATE TABLE … AS SELECT … makes a table of another form."),
            );
        };
        let (ast::RenameTableNameKind::As(name) | ast::RenameTableNameKind::To(name)) = table_name;
        session.transaction()?.apply(Op::RenameRelation {
            target: relation.reference(),
            schema: relation.schema.clone(),
            name: qualified(name)?.name,
        })?;
    }
    Ok(Outcome::Command("ALTER TABLE".to_string()))
}
