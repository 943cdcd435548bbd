//! What does PostgreSQL do that the server does not do yet?
//!
//! A gap is a test like any other: it passes against PostgreSQL. Against the server it must fail, so a gap
//! that is closed is found and taken off.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::server::Server;

/// Runs a test that must fail against the server until it can do `what`.
///
/// # Panics
/// When the gap is closed; against PostgreSQL, when the test fails.
pub fn gap(what: &str, test: impl FnOnce(&Server)) {
    let server = Server::start();
    if server.is_oracle() {
        test(&server);
        return;
    }
    let failed = catch_unwind(AssertUnwindSafe(|| test(&server))).is_err();
    assert!(failed, "the gap is closed, make this a plain test: {what}");
}
