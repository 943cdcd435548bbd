//! How does ALTER ROLE … SET keep what the sessions of a role begin with?
//!
//! The catalog keeps it; a session takes it up when it begins, before what its client asks for at the start.

use tarn_catalog::state::{EVERY_ROLE, Op};

use super::alter_table::check_owner_name;
use crate::error::PgError;
use crate::parser::{AlterRole, RoleChange};
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::settings::{Settings, StartupSource};
use crate::sqlstate;

/// ALTER { ROLE | USER } { role | ALL } { SET name = value | RESET name | RESET ALL }
pub fn run(session: &mut Session, alter: &AlterRole) -> Result<Outcome, PgError> {
    session.check_writable("ALTER ROLE")?;
    let role = match &alter.role {
        Some(role) => {
            check_owner_name(session, role)?;
            session.user.clone()
        }
        None => EVERY_ROLE.to_string(),
    };
    // A session of its own checks names and values, so that no other one begins with what it would refuse.
    let mut checked = Settings::default();
    let changes: Vec<(String, Option<String>)> = match &alter.change {
        RoleChange::Set(name, value) => {
            checked.set(name, value)?;
            vec![(name.clone(), Some(value.clone()))]
        }
        RoleChange::Reset(name) => {
            checked.reset(name)?;
            vec![(name.clone(), None)]
        }
        RoleChange::ResetAll => {
            let state = session.catalog_state();
            let own = state.role_settings.get(&role).into_iter().flatten();
            own.map(|(name, _)| (name.clone(), None)).collect()
        }
    };
    for (name, value) in changes {
        let role = role.clone();
        let op = Op::SetRoleSetting { role, name, value };
        session.transaction()?.apply(op)?;
    }
    Ok(Outcome::Command("ALTER ROLE".to_string()))
}

/// Gives a session that begins what its role begins with.
pub fn take_up(session: &mut Session) {
    let state = session.catalog_state();
    let own = session.user.clone();
    for (role, source) in [
        (EVERY_ROLE, StartupSource::EveryRole),
        (&own, StartupSource::Role),
    ] {
        for (name, value) in state.role_settings.get(role).into_iter().flatten() {
            if let Err(error) = session.settings.set_startup(name, value, source) {
                // It was set by a server that knew more settings; nobody is locked out for that.
                session.notify(Notice::warning(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("a setting of the role is left out: {}", error.message),
                ));
            }
        }
    }
}
