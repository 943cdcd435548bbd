//! How does CREATE VIEW store a query?
//!
//! The view keeps the query's own text. Unqualified names in it are looked up in the view's schema and then in
//! `public`, whoever reads it; a view whose names mean something else to its creator is refused.

use datafusion::sql::sqlparser::ast;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{ObjectId, Op, Relation, RelationKind, View};
use tarn_catalog::types::PgType;
use uuid::Uuid;

use super::schema::exists_notice;
use crate::error::PgError;
use crate::parser::Parsed;
use crate::plan::names::{fold, qualified};
use crate::plan::syntax::plain_name;
use crate::plan::view_search_path;
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::temporary::is_temporary;
use crate::sqlstate;

/// CREATE [OR REPLACE] VIEW name [(columns)] AS query
pub async fn create(
    session: &mut Session,
    create: &ast::CreateView,
    parsed: &Parsed,
) -> Result<Outcome, PgError> {
    session.check_writable("CREATE VIEW")?;
    if create.materialized || create.temporary {
        return Err(PgError::unsupported("only plain views are supported")
            .with_hint("CREATE TABLE … AS keeps rows."));
    }
    let written = qualified(&create.name)?;
    let names = session.names();
    let schema = names.schema_for_new(&written)?;
    let existing = names.state.relation(&schema, &written.name).cloned();
    let done = Outcome::Command("CREATE VIEW".to_string());
    if existing.is_some() && !create.or_replace {
        if create.if_not_exists {
            session.notify(exists_notice(ObjectKind::Relation, &written.name));
            return Ok(done);
        }
        return Err(CatalogError::AlreadyExists {
            kind: ObjectKind::Relation,
            name: written.name,
        }
        .into());
    }
    let view = define(session, create, parsed, &schema).await?;
    let relation = Relation {
        oid: match &existing {
            Some(old) => old.oid,
            None => session.engine.catalog.allocate_oid()?,
        },
        id: existing.as_ref().map_or_else(Uuid::new_v4, |old| old.id),
        schema,
        name: written.name,
        owner: session.user.clone(),
        comment: None,
        kind: RelationKind::View(view),
    };
    let op = match existing {
        Some(old) => {
            check_replaceable(&old, &relation)?;
            Op::ReplaceRelation { relation }
        }
        None => Op::CreateRelation { relation },
    };
    session.transaction()?.apply(op)?;
    Ok(done)
}

async fn define(
    session: &mut Session,
    create: &ast::CreateView,
    parsed: &Parsed,
    schema: &str,
) -> Result<View, PgError> {
    let own = {
        let mut planner = session.planner()?;
        planner.query((*create.query).clone(), &[]).await?;
        planner.used.objects
    };
    let state = session.catalog_state();
    let reads_temporary = own.iter().any(|object| match object {
        ObjectId::Relation(id) => state
            .relation_by_id(*id)
            .is_some_and(|relation| is_temporary(&relation.schema)),
        ObjectId::Model(_) => false,
    });
    if reads_temporary {
        return Err(
            PgError::unsupported("a view over a temporary table is not supported")
                .with_hint("CREATE TEMP TABLE … AS keeps its rows for the session."),
        );
    }
    let mut planner = session.planner()?;
    planner.names.search_path = view_search_path(schema);
    planner.names.temporary = None;
    let plan = planner.query((*create.query).clone(), &[]).await?;
    let used: Vec<ObjectId> = planner.used.objects.iter().copied().collect();
    if !own.iter().eq(used.iter()) {
        return Err(PgError::new(
            sqlstate::INVALID_TABLE_DEFINITION,
            "a name in the view means another object outside this session's search_path",
        )
        .with_hint("Write the schema in front of the names in the view."));
    }
    let renamed: Vec<String> = create
        .columns
        .iter()
        .map(|column| fold(&column.name))
        .collect();
    let fields = plan.schema().fields();
    if renamed.len() > fields.len() {
        return Err(PgError::syntax(
            "CREATE VIEW specifies more column names than columns",
        ));
    }
    let mut columns: Vec<(String, String)> = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let name = renamed
            .get(index)
            .map_or(plain_name(field.name()), String::as_str)
            .to_string();
        if columns.iter().any(|(earlier, _)| *earlier == name) {
            return Err(PgError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        columns.push((name, PgType::of_field(field).sql_name()));
    }
    Ok(View {
        sql: body_text(&parsed.text, &create.query),
        columns,
        depends_on: used,
        ..View::default()
    })
}

/// The text behind AS.
fn body_text(text: &str, query: &ast::Query) -> String {
    use datafusion::sql::sqlparser::ast::Spanned;
    let start = query.span().start;
    crate::parser::text_from(text, start).unwrap_or_else(|| query.to_string())
}

/// Columns may be added at the end, as in Postgres.
fn check_replaceable(old: &Relation, new: &Relation) -> Result<(), PgError> {
    let (RelationKind::View(old_view), RelationKind::View(new_view)) = (&old.kind, &new.kind)
    else {
        return Err(PgError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a view", old.name),
        ));
    };
    if new_view.columns.len() < old_view.columns.len() {
        return Err(PgError::new(
            sqlstate::INVALID_TABLE_DEFINITION,
            "cannot drop columns from view",
        ));
    }
    for (before, after) in old_view.columns.iter().zip(&new_view.columns) {
        if before.0 != after.0 {
            return Err(PgError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!(
                    "cannot change name of view column \"{}\" to \"{}\"",
                    before.0, after.0
                ),
            ));
        }
        if before.1 != after.1 {
            return Err(PgError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!(
                    "cannot change data type of view column \"{}\" from {} to {}",
                    before.0, before.1, after.1
                ),
            ));
        }
    }
    Ok(())
}
