//! Which OID does an object have that the catalog state does not number?
//!
//! Constraints, their indexes, row types, defaults and rules get theirs from the OID of their relation and their
//! name, so that they stay the same over restarts and sessions. They lie in the upper half of the OID space, which
//! the catalog's own counter does not reach.

/// Schema `pg_catalog`
pub const PG_CATALOG: u32 = 11;
/// Schema `pg_toast`
pub const PG_TOAST: u32 = 99;
/// Schema `information_schema`, where PostgreSQL 15 happens to have it
pub const INFORMATION_SCHEMA: u32 = 13212;
/// Schema `public`
pub const PUBLIC: u32 = 2200;
/// The role that initdb would make
pub const BOOTSTRAP_ROLE: u32 = 10;
/// The predefined role that owns schema `public`
pub const DATABASE_OWNER_ROLE: (u32, &str) = (6171, "pg_database_owner");
/// The one database
pub const DATABASE: u32 = 5;
/// Tablespace `pg_default`
pub const PG_DEFAULT_TABLESPACE: u32 = 1663;
/// Access method `heap`, which clients expect of a table
pub const HEAP: u32 = 2;
/// Access method `btree`, which clients expect of an index
pub const BTREE: u32 = 403;
/// Collation `default`
pub const DEFAULT_COLLATION: u32 = 100;
/// Collation `C`, that of type `name`
pub const C_COLLATION: u32 = 950;
/// `pg_class` as a relation
pub const PG_CLASS: u32 = 1259;
/// `pg_namespace` as a relation
pub const PG_NAMESPACE: u32 = 2615;
/// `pg_constraint` as a relation
pub const PG_CONSTRAINT: u32 = 2606;
/// `pg_attrdef` as a relation
pub const PG_ATTRDEF: u32 = 2604;
/// `pg_rewrite` as a relation
pub const PG_REWRITE: u32 = 2618;
/// `pg_authid` as a relation
pub const PG_AUTHID: u32 = 1260;
/// Language `internal`
pub const INTERNAL_LANGUAGE: u32 = 12;
/// Pseudo-type `"any"`
pub const ANY: u32 = 2276;
/// First OID that PostgreSQL gives to an object of a user
pub const FIRST_USER: u32 = 16384;

/// What kind of object an OID is derived for; one relation may have several of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Derived {
    /// a constraint
    Constraint,
    /// the index behind a constraint
    Index,
    /// the type of a relation's rows
    RowType,
    /// the array type over a relation's rows
    RowArray,
    /// the default of a column
    Default,
    /// the rule of a view
    Rule,
    /// a function that PostgreSQL does not have
    Function,
    /// a view that the server makes
    View,
}

/// A stable OID for an object of a relation.
pub fn derived(kind: Derived, relation: u32, name: &str) -> u32 {
    // FNV-1a, 32 bit.
    let bytes = [kind as u8]
        .into_iter()
        .chain(relation.to_le_bytes())
        .chain(name.bytes());
    let hash = bytes.fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash | 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::{Derived, derived};

    #[test]
    fn derived_oids_are_stable_and_differ_by_kind_relation_and_name() {
        let one = derived(Derived::Constraint, 16400, "orders_pkey");
        assert_eq!(one, derived(Derived::Constraint, 16400, "orders_pkey"));
        assert_ne!(one, derived(Derived::Index, 16400, "orders_pkey"));
        assert_ne!(one, derived(Derived::Constraint, 16401, "orders_pkey"));
        assert_ne!(one, derived(Derived::Constraint, 16400, "orders_key"));
        assert!(one >= 0x8000_0000);
    }
}
