//! `pg_roles`, `pg_authid`, `pg_user`, `pg_db_role_setting`: who can connect, and what do sessions begin with? No
//! password leaves the server here.

use super::{Contents, Filler};
use crate::system::oids::DATABASE_OWNER_ROLE;
use crate::system::rows::{Rows, Value};

pub(super) const ROLES: Filler = Filler::new("pg_roles", roles);
pub(super) const AUTHID: Filler = Filler::new("pg_authid", authid);
pub(super) const USER: Filler = Filler::new("pg_user", users);
pub(super) const SETTINGS: Filler = Filler::new("pg_db_role_setting", settings);

fn described(contents: &Contents) -> Vec<Vec<(&'static str, Value)>> {
    let predefined = vec![
        ("oid", Value::from(DATABASE_OWNER_ROLE.0)),
        ("rolname", DATABASE_OWNER_ROLE.1.into()),
        ("rolinherit", true.into()),
        ("rolsuper", false.into()),
        ("rolcreaterole", false.into()),
        ("rolcreatedb", false.into()),
        ("rolcanlogin", false.into()),
        ("rolreplication", false.into()),
        ("rolbypassrls", false.into()),
        ("rolconnlimit", (-1).into()),
    ];
    let own = contents.snapshot.roles.iter().map(|role| {
        vec![
            ("oid", role.oid.into()),
            ("rolname", role.name.as_str().into()),
            ("rolsuper", role.superuser.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", role.superuser.into()),
            ("rolcreatedb", role.superuser.into()),
            ("rolcanlogin", role.can_login.into()),
            ("rolreplication", role.superuser.into()),
            ("rolbypassrls", role.superuser.into()),
            ("rolconnlimit", (-1).into()),
        ]
    });
    own.chain([predefined]).collect()
}

fn roles(contents: &Contents, rows: &mut Rows) {
    let own = contents.snapshot.roles.iter();
    let configs = own.map(|role| config(&role.settings)).chain([Value::Null]);
    for (role, config) in described(contents).into_iter().zip(configs) {
        let more = [("rolpassword", "********".into()), ("rolconfig", config)];
        rows.add_all(role.into_iter().chain(more));
    }
}

fn authid(contents: &Contents, rows: &mut Rows) {
    for role in described(contents) {
        rows.add_all(role);
    }
}

fn users(contents: &Contents, rows: &mut Rows) {
    for role in contents.snapshot.roles.iter().filter(|role| role.can_login) {
        rows.add([
            ("usename", role.name.as_str().into()),
            ("usesysid", role.oid.into()),
            ("usecreatedb", role.superuser.into()),
            ("usesuper", role.superuser.into()),
            ("userepl", role.superuser.into()),
            ("usebypassrls", role.superuser.into()),
            ("passwd", "********".into()),
            ("useconfig", config(&role.settings)),
        ]);
    }
}

fn settings(contents: &Contents, rows: &mut Rows) {
    let roles = contents.snapshot.roles.iter();
    let every = (0, &contents.snapshot.settings);
    let all = roles.map(|role| (role.oid, &role.settings)).chain([every]);
    for (role, settings) in all.filter(|(_, settings)| !settings.is_empty()) {
        rows.add([
            ("setdatabase", 0.into()),
            ("setrole", role.into()),
            ("setconfig", config(settings)),
        ]);
    }
}

/// NULL when there are none.
fn config(settings: &[String]) -> Value {
    (!settings.is_empty()).then(|| settings.to_vec()).into()
}
