//! `pg_stat_activity` and the statistics of tables: what is going on?

use super::{Contents, Filler};
use crate::system::oids;
use crate::system::rows::Rows;

pub(super) const ACTIVITY: Filler = Filler::new("pg_stat_activity", activity);
pub(super) const ALL_TABLES: Filler = Filler::new("pg_stat_all_tables", tables);
pub(super) const USER_TABLES: Filler = Filler::new("pg_stat_user_tables", tables);
pub(super) const DATABASE: Filler = Filler::new("pg_stat_database", database);

fn activity(contents: &Contents, rows: &mut Rows) {
    for session in contents.session.activity() {
        rows.add([
            ("datid", oids::DATABASE.into()),
            ("datname", contents.snapshot.database.as_str().into()),
            ("pid", session.backend_pid.into()),
            ("usesysid", contents.owner(&session.user).into()),
            ("usename", session.user.into()),
            ("application_name", session.application_name.into()),
            ("client_addr", session.client_address.into()),
            // PostgreSQL writes -1 for a Unix socket.
            ("client_port", session.client_port.unwrap_or(-1).into()),
            ("backend_start", session.session_started_at_micros.into()),
            ("xact_start", session.transaction_started_at_micros.into()),
            ("query_start", session.statement_started_at_micros.into()),
            ("state_change", session.state_changed_at_micros.into()),
            ("state", session.state.into()),
            ("query_id", session.query_id.into()),
            ("query", session.query.into()),
            ("backend_type", "client backend".into()),
        ]);
    }
}

fn tables(contents: &Contents, rows: &mut Rows) {
    for (relation, _) in contents.snapshot.tables() {
        let live = contents
            .session
            .relation_rows(relation.oid)
            .map(|rows| rows as i64);
        rows.add([
            ("relid", relation.oid.into()),
            ("schemaname", relation.schema.as_str().into()),
            ("relname", relation.name.as_str().into()),
            ("seq_scan", 0.into()),
            ("seq_tup_read", 0.into()),
            ("n_tup_ins", 0.into()),
            ("n_tup_upd", 0.into()),
            ("n_tup_del", 0.into()),
            ("n_live_tup", live.unwrap_or(0).into()),
            ("n_dead_tup", 0.into()),
        ]);
    }
}

fn database(contents: &Contents, rows: &mut Rows) {
    rows.add([
        ("datid", oids::DATABASE.into()),
        ("datname", contents.snapshot.database.as_str().into()),
        (
            "numbackends",
            (contents.session.activity().len() as i64).into(),
        ),
    ]);
}
