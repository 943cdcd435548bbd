//! How does COMMENT ON keep a remark?

use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{CommentTarget, Op};

use super::insert::column_index;
use crate::error::PgError;
use crate::plan::names::{fold, missing_schema, qualified};
use crate::session::Session;
use crate::session::outcome::Outcome;

/// COMMENT ON TABLE | VIEW | COLUMN | SCHEMA name IS 'text' | NULL
pub fn run(session: &mut Session, statement: &ast::Statement) -> Result<Outcome, PgError> {
    session.check_writable("COMMENT")?;
    let ast::Statement::Comment {
        object_type,
        object_name,
        comment,
        ..
    } = statement
    else {
        return Err(PgError::syntax("not a COMMENT"));
    };
    let target = match object_type {
        ast::CommentObject::Table | ast::CommentObject::View | ast::CommentObject::Sequence => {
            let relation = session.names().relation(&qualified(object_name)?)?;
            CommentTarget::Relation(relation.reference())
        }
        ast::CommentObject::Schema => {
            let name = qualified(object_name)?.name;
            if session.catalog_state().schema(&name).is_none() {
                return Err(missing_schema(&name));
            }
            CommentTarget::Schema(name)
        }
        ast::CommentObject::Column => column_target(session, object_name)?,
        other => {
            return Err(PgError::unsupported(format!(
                "COMMENT ON {other} is not supported"
            )));
        }
    };
    session.transaction()?.apply(Op::SetComment {
        target,
        comment: comment.clone(),
    })?;
    Ok(Outcome::Command("COMMENT".to_string()))
}

fn column_target(session: &mut Session, name: &ast::ObjectName) -> Result<CommentTarget, PgError> {
    let mut parts = name.0.clone();
    let column = match parts.pop() {
        Some(ast::ObjectNamePart::Identifier(ident)) if !parts.is_empty() => fold(&ident),
        _ => return Err(PgError::syntax("column name must be qualified")),
    };
    let relation = session
        .names()
        .relation(&qualified(&ast::ObjectName(parts))?)?;
    if let Some(columns) = session.system.remembered_columns(relation.oid) {
        column_index(&columns, &column, &relation)?;
    }
    Ok(CommentTarget::Column(relation.reference(), column))
}
