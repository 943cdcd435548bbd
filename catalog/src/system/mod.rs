//! What does PostgreSQL's system catalog say here? `pg_catalog`, `information_schema` and the functions over them.
//!
//! The reading order: [`session`] and [`snapshot`] are what the engine gives, [`layout`] and [`builtin`] what
//! PostgreSQL 15 prescribes, `relations` joins both into rows, [`provider`] shows them to DataFusion, `functions` are
//! what clients call, and [`query_rewrite`] makes clients' queries plannable.

mod builtin;
mod definitions;
mod error;
mod functions;
mod layout;
mod names;
pub mod oids;
mod provider;
pub mod query_rewrite;
mod relations;
mod rows;
pub mod session;
pub mod snapshot;
mod snapshot_of_state;

pub use definitions::{quote_ident, quote_literal};
pub use error::SystemError;
pub use functions::register;
pub use names::{print as print_oid, resolve as resolve_oid};
pub use provider::{SystemSchema, is_system_relation};
pub use session::{Activity, Callable, CallableKind, Setting, Signal, SystemSession};
pub use snapshot::SystemSnapshot;
