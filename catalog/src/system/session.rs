//! Who asks? What the functions and relations of the system catalog need to know of a session.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::error::Result;

use super::snapshot::{Column, SystemSnapshot};

/// A session as the system catalog sees it. The engine implements this once per connection.
#[async_trait]
pub trait SystemSession: Debug + Send + Sync {
    /// What exists, as this session's transaction sees it.
    fn snapshot(&self) -> Arc<SystemSnapshot>;

    /// Columns of a table or view of a user, in order; opens the table's Delta log if need be.
    async fn columns(&self, relation_oid: u32) -> Result<Vec<Column>>;

    /// `current_user`
    fn current_user(&self) -> String;

    /// `session_user`
    fn session_user(&self) -> String;

    /// Schemas in which names are looked up, without `pg_catalog` unless the user put it there.
    fn search_path(&self) -> Vec<String>;

    /// The process id in BackendKeyData.
    fn backend_pid(&self) -> i32;

    /// Every setting with its value in this session.
    fn settings(&self) -> Vec<Setting>;

    /// Value of a setting by its case-insensitive name.
    fn setting(&self, name: &str) -> Option<String> {
        self.settings()
            .into_iter()
            .find(|setting| setting.name.eq_ignore_ascii_case(name))
            .map(|setting| setting.value)
    }

    /// What SET does; gives back the value as SHOW prints it.
    fn set_setting(&self, name: &str, value: &str, is_local: bool) -> Result<String>;

    /// Every open session that this one may see.
    fn activity(&self) -> Vec<Activity>;

    /// Asks the session of a process id to stop its statement or itself; false when there is none.
    fn signal(&self, backend_pid: i32, signal: Signal) -> Result<bool>;

    /// Every function that SQL can call beside those of the system catalog.
    fn functions(&self) -> Arc<Vec<Callable>> {
        Arc::default()
    }

    /// When the server started, in microseconds since 1970.
    fn server_started_at_micros(&self) -> i64;

    /// Address and port of the client, None over a Unix socket.
    fn client_address(&self) -> Option<(String, u16)>;

    /// Address and port of the server, None over a Unix socket.
    fn server_address(&self) -> Option<(String, u16)>;

    /// Bytes of a table's current files, if they are known without opening it.
    fn relation_bytes(&self, relation_oid: u32) -> Option<u64>;

    /// Rows of a table, if they are known without opening it.
    fn relation_rows(&self, relation_oid: u32) -> Option<u64>;
}

/// A function that SQL can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callable {
    /// its name
    pub name: String,
    /// what it is called over
    pub kind: CallableKind,
    /// types of its arguments, the last one of a variadic function included
    pub arguments: Vec<u32>,
    /// Does it take any number of the last one?
    pub is_variadic: bool,
    /// type of its result
    pub result: u32,
    /// Does it give rows?
    pub returns_set: bool,
    /// `i`, `s` or `v`
    pub volatility: &'static str,
    /// Is it meant for users?
    pub is_documented: bool,
}

/// What a function is called over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallableKind {
    /// one row
    Scalar,
    /// a group of rows
    Aggregate,
    /// a row within others
    Window,
}

/// What one session may ask of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `pg_cancel_backend`
    Cancel,
    /// `pg_terminate_backend`
    Terminate,
}

/// A row of `pg_settings`.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// its name
    pub name: String,
    /// as SHOW prints it
    pub value: String,
    /// what its number counts, if it has a unit
    pub unit: Option<String>,
    /// heading in the documentation
    pub category: String,
    /// one sentence
    pub short_description: String,
    /// `bool`, `enum`, `integer`, `real` or `string`
    pub kind: String,
    /// `user`, `superuser`, `postmaster` or `internal`
    pub context: String,
    /// `default`, `global`, `user`, `client` or `session`
    pub source: String,
    /// allowed values of an enum
    pub choices: Vec<String>,
    /// value at the start of the session
    pub reset_value: String,
    /// value without any configuration
    pub boot_value: String,
}

/// A row of `pg_stat_activity`.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// process id
    pub backend_pid: i32,
    /// role
    pub user: String,
    /// as the client named itself
    pub application_name: String,
    /// address of the client, None over a Unix socket
    pub client_address: Option<String>,
    /// port of the client
    pub client_port: Option<i32>,
    /// microseconds since 1970
    pub session_started_at_micros: i64,
    /// microseconds since 1970; None outside of a transaction
    pub transaction_started_at_micros: Option<i64>,
    /// microseconds since 1970
    pub statement_started_at_micros: Option<i64>,
    /// Number of the current or last statement since the server started; the log uses it too.
    pub query_id: Option<i64>,
    /// microseconds since 1970
    pub state_changed_at_micros: Option<i64>,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`
    pub state: String,
    /// text of the statement that runs or ran last
    pub query: String,
}
