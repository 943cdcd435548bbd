//! How does a session appear to pg_catalog, and pg_catalog to the session?
//!
//! The system relations and functions ask a [`SystemSession`]; this one answers from what the session last
//! published with [`SystemCatalog::refresh`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionContext;
use tarn_catalog::Catalog;
use tarn_catalog::state::{Relation, RelationKind, State};
use tarn_catalog::system::snapshot::Column;
use tarn_catalog::system::{
    Activity, Callable, Setting, Signal, SystemSchema, SystemSession, SystemSnapshot,
};
use tarn_catalog::types::PgType;

use super::Peer;
use super::cancel::{SessionEntry, Sessions};
use super::prepared::PreparedStatements;
use super::settings::{SETTINGS, SettingKind, Settings};
use crate::engine::Engine;
use crate::error::PgError;
use crate::ml_views::{self, MlViews};
use crate::plan::names::{DATABASE, Names, QualifiedName};
use crate::sequences::SequenceMemory;

/// A setting that a function changed while a statement ran.
#[derive(Debug, Clone)]
pub struct PendingSetting {
    /// Its name.
    pub name: String,
    /// Its new value.
    pub value: String,
    /// Until the end of the transaction only.
    pub is_local: bool,
}

/// pg_catalog, information_schema and the views of schema ml, as one session sees them.
pub struct SystemCatalog {
    view: Arc<SessionView>,
    session: Arc<dyn SystemSession>,
    pg_catalog: SystemSchema,
    information_schema: SystemSchema,
    ml: MlViews,
    prepared: PreparedStatements,
    /// What nextval and its kin remember.
    pub sequences: SequenceMemory,
}

impl SystemCatalog {
    /// For a new session.
    pub fn new(
        engine: &Engine,
        entry: &SessionEntry,
        user: &str,
        peer: &Peer,
        prepared: PreparedStatements,
    ) -> Self {
        let view = Arc::new(SessionView {
            catalog: engine.catalog.clone(),
            callables: Arc::clone(&engine.callables),
            sessions: Arc::clone(&engine.sessions),
            entry: entry.clone(),
            peer: peer.clone(),
            user: user.to_string(),
            server_started_at_micros: engine.started_at_micros,
            published: Mutex::new(Published::new(engine.catalog.state())),
        });
        let session: Arc<dyn SystemSession> = Arc::clone(&view) as Arc<dyn SystemSession>;
        SystemCatalog {
            pg_catalog: SystemSchema::pg_catalog(Arc::clone(&session)),
            information_schema: SystemSchema::information_schema(Arc::clone(&session)),
            ml: MlViews::new(Arc::clone(&engine.trainings)),
            sequences: SequenceMemory::default(),
            session,
            view,
            prepared,
        }
    }

    /// Adds the functions that need to know the session.
    pub fn register(&self, base: SessionState) -> Result<SessionState, PgError> {
        let context = SessionContext::new_with_state(base);
        tarn_catalog::system::register(&context, &self.session);
        let view = Arc::clone(&self.view);
        crate::sequences::register(
            &context,
            self.view.catalog.clone(),
            Arc::clone(&self.session),
            Arc::new(move || Arc::clone(&view.published().state)),
            &self.sequences,
        );
        Ok(context.state())
    }

    /// Tells the view what the session sees now.
    pub fn refresh(&self, state: Arc<State>, settings: &Settings, user: &str) {
        let mut published = self.view.published();
        if !Arc::ptr_eq(&published.state, &state) {
            published.snapshot = None;
            published.state = state;
        }
        published.search_path = settings.search_path(user);
        published.settings = settings.clone();
    }

    /// pg_prepared_statements with its own columns; those that are not kept are NULL.
    async fn prepared_statements(&self) -> Result<Option<Arc<dyn TableProvider>>, PgError> {
        let Some(layout) = self.pg_catalog.table("pg_prepared_statements").await? else {
            return Ok(None);
        };
        let prepared = self.prepared.texts();
        let schema = layout.schema();
        let columns = schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                let text = |of: fn(&(String, String)) -> &String| -> ArrayRef {
                    Arc::new(StringArray::from_iter_values(prepared.iter().map(of)))
                };
                match field.name().as_str() {
                    "name" => text(|(name, _)| name),
                    "statement" => text(|(_, text)| text),
                    _ => new_null_array(field.data_type(), prepared.len()),
                }
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Some(Arc::new(MemTable::try_new(
            schema,
            vec![vec![batch]],
        )?)))
    }

    /// Settings that functions changed since the last call.
    pub fn take_pending_settings(&self) -> Vec<PendingSetting> {
        std::mem::take(&mut self.view.published().pending)
    }

    /// The system relation of a name, if it means one.
    pub async fn relation(
        &self,
        name: &QualifiedName,
        names: &Names,
    ) -> Result<Option<Arc<dyn TableProvider>>, PgError> {
        if name.name == "pg_prepared_statements"
            && name
                .schema
                .as_deref()
                .is_none_or(|schema| schema == "pg_catalog")
        {
            return self.prepared_statements().await;
        }
        let found = match name.schema.as_deref() {
            Some("pg_catalog") => self.pg_catalog.table(&name.name).await?,
            Some("information_schema") => self.information_schema.table(&name.name).await?,
            Some("ml") => self.ml.table(&name.name, &names.state)?,
            Some(_) => None,
            // pg_catalog comes first unless the search path puts it elsewhere.
            None if names
                .search_path
                .iter()
                .any(|schema| schema == "pg_catalog") =>
            {
                match names.find_relation(name) {
                    Some(_) => None,
                    None => self.pg_catalog.table(&name.name).await?,
                }
            }
            None => self.pg_catalog.table(&name.name).await?,
        };
        Ok(found)
    }

    /// The columns of a table that this session has just made, or seen.
    pub fn remember_columns(&self, relation_oid: u32, schema: &SchemaRef) {
        self.view
            .published()
            .columns
            .insert(relation_oid, Arc::clone(schema));
    }

    /// Keeps only these columns: all others may have been changed by anybody.
    pub fn remember_only(&self, columns: HashMap<u32, SchemaRef>) {
        self.view.published().columns = columns;
    }

    /// What was remembered.
    pub fn remembered_columns(&self, relation_oid: u32) -> Option<SchemaRef> {
        self.view.published().columns.get(&relation_oid).cloned()
    }

    /// The names that `regclass` and its kin print.
    pub fn session(&self) -> &Arc<dyn SystemSession> {
        &self.session
    }
}

struct SessionView {
    catalog: Catalog,
    callables: Arc<Vec<Callable>>,
    sessions: Arc<Sessions>,
    entry: SessionEntry,
    peer: Peer,
    user: String,
    server_started_at_micros: i64,
    published: Mutex<Published>,
}

struct Published {
    state: Arc<State>,
    snapshot: Option<Arc<SystemSnapshot>>,
    search_path: Vec<String>,
    settings: Settings,
    columns: HashMap<u32, SchemaRef>,
    pending: Vec<PendingSetting>,
}

impl Published {
    fn new(state: Arc<State>) -> Self {
        Published {
            state,
            snapshot: None,
            search_path: Vec::new(),
            settings: Settings::default(),
            columns: HashMap::new(),
            pending: Vec::new(),
        }
    }
}

impl std::fmt::Debug for SessionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionView")
            .field("pid", &self.entry.pid)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl SessionView {
    fn published(&self) -> std::sync::MutexGuard<'_, Published> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The columns as the catalog or the Delta log says.
    async fn load_columns(&self, relation: &Relation) -> Result<Vec<Column>, PgError> {
        match &relation.kind {
            RelationKind::View(view) => view
                .columns
                .iter()
                .map(|(name, spelling)| {
                    Ok(Column {
                        name: name.clone(),
                        pg_type: PgType::parse(spelling)?,
                        not_null: false,
                    })
                })
                .collect(),
            RelationKind::Table(_) => {
                let snapshot = self.catalog.begin().snapshot(relation).await?;
                Ok(columns_of(&snapshot.schema()))
            }
            RelationKind::Sequence(_) => Ok(Vec::new()),
        }
    }
}

fn columns_of(schema: &SchemaRef) -> Vec<Column> {
    schema
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            pg_type: PgType::of_field(field),
            not_null: !field.is_nullable(),
        })
        .collect()
}

#[async_trait]
impl SystemSession for SessionView {
    fn snapshot(&self) -> Arc<SystemSnapshot> {
        let mut published = self.published();
        if let Some(snapshot) = &published.snapshot {
            return Arc::clone(snapshot);
        }
        let mut snapshot = SystemSnapshot::from_state(&published.state, DATABASE);
        snapshot.relations.extend(ml_views::relations());
        let snapshot = Arc::new(snapshot);
        published.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }

    async fn columns(&self, relation_oid: u32) -> DfResult<Vec<Column>> {
        let (remembered, relation) = {
            let published = self.published();
            if let Some(view) = ml_views::columns(relation_oid, &published.state) {
                return Ok(columns_of(&view));
            }
            let relation = published.state.relation_by_oid(relation_oid).cloned();
            (published.columns.get(&relation_oid).cloned(), relation)
        };
        if let Some(schema) = remembered {
            return Ok(columns_of(&schema));
        }
        let Some(relation) = relation else {
            return Ok(Vec::new());
        };
        self.load_columns(&relation)
            .await
            .map_err(PgError::into_datafusion)
    }

    fn current_user(&self) -> String {
        self.user.clone()
    }

    fn session_user(&self) -> String {
        self.user.clone()
    }

    fn search_path(&self) -> Vec<String> {
        self.published().search_path.clone()
    }

    fn backend_pid(&self) -> i32 {
        self.entry.pid
    }

    fn settings(&self) -> Vec<Setting> {
        let published = self.published();
        SETTINGS
            .iter()
            .map(|known| Setting {
                name: known.shown.to_string(),
                value: published.settings.known(known.name).to_string(),
                unit: (known.kind == SettingKind::Milliseconds).then(|| "ms".to_string()),
                category: "Tarn".to_string(),
                short_description: known.description.to_string(),
                kind: match known.kind {
                    SettingKind::Boolean => "bool",
                    SettingKind::Integer(..) | SettingKind::Milliseconds => "integer",
                    SettingKind::Word(_) => "enum",
                    _ => "string",
                }
                .to_string(),
                context: match known.kind {
                    SettingKind::Fixed => "internal",
                    _ => "user",
                }
                .to_string(),
                source: published.settings.source(known.name).to_string(),
                choices: match known.kind {
                    SettingKind::Word(words) => words.iter().map(ToString::to_string).collect(),
                    _ => Vec::new(),
                },
                reset_value: published
                    .settings
                    .reset_value(known.name)
                    .unwrap_or_default()
                    .to_string(),
                boot_value: known.default.to_string(),
            })
            .collect()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.published().settings.shown(name)
    }

    fn set_setting(&self, name: &str, value: &str, is_local: bool) -> DfResult<String> {
        let mut published = self.published();
        published
            .settings
            .set(name, value)
            .map_err(PgError::into_datafusion)?;
        let stored = published.settings.shown(name).unwrap_or_default();
        published.pending.push(PendingSetting {
            name: name.to_string(),
            value: value.to_string(),
            is_local,
        });
        Ok(stored)
    }

    fn activity(&self) -> Vec<Activity> {
        self.sessions
            .list()
            .into_iter()
            .map(|entry| {
                let seen = entry
                    .activity
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                Activity {
                    backend_pid: entry.pid,
                    user: seen.user,
                    application_name: seen.application_name,
                    session_started_at_micros: seen.backend_start_micros,
                    statement_started_at_micros: seen.query_start_micros,
                    state: seen.state.to_string(),
                    query_id: seen.query_id,
                    query: seen.query,
                    ..Activity::default()
                }
            })
            .collect()
    }

    fn signal(&self, backend_pid: i32, signal: Signal) -> DfResult<bool> {
        Ok(match signal {
            Signal::Cancel => self.sessions.cancel(backend_pid),
            Signal::Terminate => self.sessions.terminate(backend_pid),
        })
    }

    fn functions(&self) -> Arc<Vec<Callable>> {
        Arc::clone(&self.callables)
    }

    fn server_started_at_micros(&self) -> i64 {
        self.server_started_at_micros
    }

    fn client_address(&self) -> Option<(String, u16)> {
        match &self.peer {
            Peer::Tcp(client, _) => Some((client.ip().to_string(), client.port())),
            Peer::Unix => None,
        }
    }

    fn server_address(&self) -> Option<(String, u16)> {
        match &self.peer {
            Peer::Tcp(_, server) => Some((server.ip().to_string(), server.port())),
            Peer::Unix => None,
        }
    }

    fn relation_bytes(&self, _relation_oid: u32) -> Option<u64> {
        None
    }

    fn relation_rows(&self, _relation_oid: u32) -> Option<u64> {
        None
    }
}

impl From<tarn_catalog::system::SystemError> for PgError {
    fn from(error: tarn_catalog::system::SystemError) -> Self {
        PgError::new(
            crate::sqlstate::SqlState(error.sqlstate()),
            error.to_string(),
        )
    }
}
