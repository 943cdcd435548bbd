//! `pg_proc`: which functions can a session call? Those of PostgreSQL that are there, and our own.
//!
//! Functions behind types, casts and operators are always listed (`static/pg_proc.tsv`), since other rows refer to
//! them. Of PostgreSQL's others (`static/functions.tsv`) those are listed whose name can be called.

use std::collections::HashSet;

use super::{Contents, Filler};
use crate::system::builtin::{PROC, other_functions};
use crate::system::functions::function_names;
use crate::system::oids::{self, Derived};
use crate::system::rows::{Rows, Value};
use crate::system::session::{Callable, CallableKind};

pub(super) const FILLER: Filler = Filler::new("pg_proc", rows);

/// Functions that SQL calls by words of their own.
const WORDS: [&str; 6] = [
    "extract",
    "overlay",
    "position",
    "substring",
    "unnest",
    "generate_series",
];

fn rows(contents: &Contents, rows: &mut Rows) {
    let own = contents.session.functions();
    let mut called: HashSet<&str> = own.iter().map(|own| own.name.as_str()).collect();
    for name in function_names().chain(WORDS) {
        called.insert(name);
    }
    other_functions().add_named(rows, "proname", |name| called.contains(name));
    for function in own.iter().filter(|function| function.is_own()) {
        add_own(contents, function, rows);
    }
}

impl Callable {
    /// Has PostgreSQL no function of this name, and can users make use of it?
    fn is_own(&self) -> bool {
        self.is_documented && !PROC.contains(self.name.as_str())
    }

    /// `pg_proc.oid` of a function that PostgreSQL does not have.
    pub(in crate::system) fn own_oid(&self) -> u32 {
        oids::derived(Derived::Function, 0, &self.name)
    }
}

fn add_own(contents: &Contents, function: &Callable, rows: &mut Rows) {
    let types = |oids: &[u32]| oids.iter().map(|oid| i64::from(*oid)).collect::<Vec<_>>();
    let (owner, _) = contents.snapshot.bootstrap_role();
    rows.add([
        ("oid", function.own_oid().into()),
        ("proname", function.name.as_str().into()),
        ("pronamespace", oids::PG_CATALOG.into()),
        ("proowner", owner.into()),
        ("prolang", oids::INTERNAL_LANGUAGE.into()),
        ("procost", 1.0.into()),
        (
            "prorows",
            if function.returns_set { 1000.0 } else { 0.0 }.into(),
        ),
        (
            "provariadic",
            if function.is_variadic { oids::ANY } else { 0 }.into(),
        ),
        (
            "prokind",
            match function.kind {
                CallableKind::Scalar => "f",
                CallableKind::Aggregate => "a",
                CallableKind::Window => "w",
            }
            .into(),
        ),
        ("proisstrict", false.into()),
        ("proretset", function.returns_set.into()),
        ("provolatile", function.volatility.into()),
        ("proparallel", "s".into()),
        ("pronargs", (function.arguments.len() as i64).into()),
        ("prorettype", function.result.into()),
        ("proargtypes", Value::Ints(types(&function.arguments))),
        ("prosrc", function.name.as_str().into()),
    ]);
}
