//! Which object does a name mean?
//!
//! Unqualified names are looked up along the session's search path, as in Postgres; a database name in front
//! must be the one database there is.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use tarn_catalog::state::{Model, Relation, State};

use crate::error::PgError;
use crate::parser::time_travel::split_name;
use crate::sqlstate;
use tarn_udfs::suggest;

/// The one database.
pub const DATABASE: &str = "tarn";

/// Names as one session sees them.
#[derive(Debug, Clone)]
pub struct Names {
    /// What exists, with the transaction's own changes.
    pub state: Arc<State>,
    /// Where unqualified names are looked up, in order.
    pub search_path: Vec<String>,
    /// The session's own schema, which comes before all others and is also called `pg_temp`.
    pub temporary: Option<String>,
}

/// A name in its parts, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// The schema, when written.
    pub schema: Option<String>,
    /// The object.
    pub name: String,
}

/// An identifier as Postgres folds it.
pub fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Splits `[database.][schema.]name`.
pub fn qualified(name: &ObjectName) -> Result<QualifiedName, PgError> {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
            ObjectNamePart::Function(_) => Err(PgError::syntax(format!("improper name: {name}"))),
        })
        .collect::<Result<_, _>>()?;
    from_parts(&parts)
}

/// Splits a name given as text, such as the model's name in `predict('sales.price', …)`.
pub fn qualified_text(text: &str) -> Result<QualifiedName, PgError> {
    let parts: Vec<String> = text
        .split('.')
        .map(
            |part| match part.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
                Some(quoted) => quoted.to_string(),
                None => part.trim().to_lowercase(),
            },
        )
        .collect();
    from_parts(&parts)
}

fn from_parts(parts: &[String]) -> Result<QualifiedName, PgError> {
    match parts {
        [name] => Ok(QualifiedName {
            schema: None,
            name: name.clone(),
        }),
        [schema, name] => Ok(QualifiedName {
            schema: Some(schema.clone()),
            name: name.clone(),
        }),
        [database, schema, name] if database == DATABASE => Ok(QualifiedName {
            schema: Some(schema.clone()),
            name: name.clone(),
        }),
        [database, _, _] => Err(PgError::unsupported(format!(
            "cross-database references are not implemented: \"{database}\""
        ))
        .with_hint(format!("There is one database: {DATABASE}."))),
        _ => Err(PgError::syntax(
            "improper qualified name (too many dotted names)",
        )),
    }
}

impl Names {
    /// The relation of a name, if there is one.
    pub fn find_relation(&self, name: &QualifiedName) -> Option<Arc<Relation>> {
        let own_name = split_name(&name.name).0;
        let temporary = self.temporary.as_ref();
        match &name.schema {
            Some(schema) if schema == "pg_temp" => {
                self.state.relation(temporary?, own_name).cloned()
            }
            Some(schema) => self.state.relation(schema, own_name).cloned(),
            None => temporary
                .into_iter()
                .chain(&self.search_path)
                .find_map(|schema| self.state.relation(schema, own_name).cloned()),
        }
    }

    /// The relation of a name, or 42P01 with a suggestion.
    pub fn relation(&self, name: &QualifiedName) -> Result<Arc<Relation>, PgError> {
        self.find_relation(name)
            .ok_or_else(|| self.missing_relation(name))
    }

    /// The error for a relation that is not there.
    pub fn missing_relation(&self, name: &QualifiedName) -> PgError {
        let own_name = split_name(&name.name).0;
        let shown = match &name.schema {
            Some(schema) => format!("{schema}.{own_name}"),
            None => own_name.to_string(),
        };
        let failure = PgError::new(
            sqlstate::UNDEFINED_TABLE,
            format!("relation \"{shown}\" does not exist"),
        );
        let names = self
            .state
            .relations
            .keys()
            .map(|(_, relation)| relation.as_str());
        match suggest::nearest(own_name, names) {
            Some(near) => failure.with_hint(format!("Perhaps you meant \"{near}\".")),
            None => failure,
        }
    }

    /// The model of a name, if there is one.
    pub fn find_model(&self, name: &QualifiedName) -> Option<Arc<Model>> {
        match &name.schema {
            Some(schema) => self.state.model(schema, &name.name).cloned(),
            None => self
                .search_path
                .iter()
                .find_map(|schema| self.state.model(schema, &name.name).cloned()),
        }
    }

    /// The model of a name, or 42704 with a suggestion.
    pub fn model(&self, name: &QualifiedName) -> Result<Arc<Model>, PgError> {
        self.find_model(name).ok_or_else(|| {
            let failure = PgError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("model \"{}\" does not exist", name.name),
            );
            let names = self.state.models.keys().map(|(_, model)| model.as_str());
            match suggest::nearest(&name.name, names) {
                Some(near) => failure.with_hint(format!("Perhaps you meant \"{near}\".")),
                None => failure.with_hint("SHOW MODELS lists the models."),
            }
        })
    }

    /// The relation of a name that is to be changed or dropped: the system's own are refused.
    pub fn alterable(&self, name: &QualifiedName) -> Result<Arc<Relation>, PgError> {
        self.refuse_system(name)?;
        self.relation(name)
    }

    /// 42501 for a relation of the system.
    pub fn refuse_system(&self, name: &QualifiedName) -> Result<(), PgError> {
        let is_system = match &name.schema {
            Some(schema) => SYSTEM_SCHEMAS.contains(&schema.as_str()),
            None => {
                self.find_relation(name).is_none()
                    && tarn_catalog::system::is_system_relation(&name.name)
            }
        };
        if is_system {
            return Err(PgError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{}\" is a system catalog", name.name),
            ));
        }
        Ok(())
    }

    /// Where a new object goes: the schema as written, or the first of the search path that exists.
    pub fn schema_for_new(&self, name: &QualifiedName) -> Result<String, PgError> {
        if let Some(schema) = &name.schema
            && let Some(refused) = system_schema_refused(schema, &name.name)
        {
            return Err(refused);
        }
        match &name.schema {
            Some(schema) if self.state.schema(schema).is_some() => Ok(schema.clone()),
            Some(schema) => Err(missing_schema(schema)),
            None => self
                .search_path
                .iter()
                .find(|schema| self.state.schema(schema).is_some())
                .cloned()
                .ok_or_else(|| {
                    PgError::new(
                        sqlstate::INVALID_SCHEMA_NAME,
                        "no schema has been selected to create in",
                    )
                }),
        }
    }
}

/// The schemas whose contents belong to the system.
const SYSTEM_SCHEMAS: [&str; 4] = ["pg_catalog", "information_schema", "pg_toast", "ml"];

/// 42501 for an object that somebody wants to make in a schema of the system.
pub fn system_schema_refused(schema: &str, name: &str) -> Option<PgError> {
    SYSTEM_SCHEMAS.contains(&schema).then(|| {
        PgError::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            format!("permission denied to create \"{schema}.{name}\""),
        )
        .with_detail("System catalog modifications are currently disallowed.")
    })
}

/// 3F000
pub fn missing_schema(schema: &str) -> PgError {
    PgError::new(
        sqlstate::INVALID_SCHEMA_NAME,
        format!("schema \"{schema}\" does not exist"),
    )
}
