//! The objects of `clients/schema.sql`, as a session would show them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::error::Result;
use tarn_catalog::system::snapshot::{
    Column, Constraint, ConstraintKind, Identity, Relation, RelationKind, Role, Schema, Sequence,
    Table,
};
use tarn_catalog::system::{Activity, Setting, Signal, SystemSession, SystemSnapshot, oids};
use tarn_catalog::types::PgType;

/// A session of `tarn` over the mirrored objects.
#[derive(Debug)]
pub struct Mirror {
    snapshot: Arc<SystemSnapshot>,
    columns: BTreeMap<u32, Vec<Column>>,
    opened: Mutex<Vec<u32>>,
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn columns(listed: &[(&str, &str, bool)]) -> Vec<Column> {
    listed
        .iter()
        .map(|(name, type_name, not_null)| Column {
            name: name.to_string(),
            pg_type: PgType::parse(type_name).expect("a type of the mirror"),
            not_null: *not_null,
        })
        .collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn relation(oid: u32, schema: &str, name: &str, kind: RelationKind) -> Relation {
    Relation {
        oid,
        schema: schema.to_string(),
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
        column_comments: BTreeMap::new(),
        kind,
    }
}

fn sequence() -> RelationKind {
    RelationKind::Sequence(Sequence {
        pg_type: PgType::INT8,
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        cycle: false,
        last: None,
    })
}

fn constraint(name: &str, kind: ConstraintKind) -> Constraint {
    Constraint {
        name: name.to_string(),
        kind,
    }
}

fn customers() -> Relation {
    let table = Table {
        defaults: map(&[("joined", "now()"), ("active", "true")]),
        identity: BTreeMap::from([("id".to_string(), Identity::ByDefault)]),
        sequences: BTreeMap::from([("id".to_string(), 16403)]),
        constraints: vec![
            constraint(
                "customers_pkey",
                ConstraintKind::PrimaryKey {
                    columns: strings(&["id"]),
                },
            ),
            constraint(
                "customers_email_key",
                ConstraintKind::Unique {
                    columns: strings(&["email"]),
                },
            ),
        ],
    };
    let mut customers = relation(16400, "shop", "customers", RelationKind::Table(table));
    customers.comment = Some("people who buy".to_string());
    customers.column_comments = map(&[("email", "may be missing")]);
    customers
}

fn orders() -> Relation {
    let table = Table {
        defaults: map(&[
            ("id", "nextval('shop.orders_id_seq'::regclass)"),
            ("note", "'none'::text"),
        ]),
        identity: BTreeMap::new(),
        sequences: BTreeMap::from([("id".to_string(), 16404)]),
        constraints: vec![
            constraint(
                "orders_pkey",
                ConstraintKind::PrimaryKey {
                    columns: strings(&["id"]),
                },
            ),
            constraint(
                "orders_amount_check",
                ConstraintKind::Check {
                    sql: "amount >= 0::double precision".to_string(),
                },
            ),
            constraint(
                "orders_customer_id_fkey",
                ConstraintKind::ForeignKey {
                    columns: strings(&["customer_id"]),
                    target_schema: "shop".to_string(),
                    target_table: "customers".to_string(),
                    target_columns: strings(&["id"]),
                },
            ),
        ],
    };
    relation(16401, "shop", "orders", RelationKind::Table(table))
}

fn order_lines() -> Relation {
    let table = Table {
        constraints: vec![constraint(
            "order_lines_pkey",
            ConstraintKind::PrimaryKey {
                columns: strings(&["order_id", "line"]),
            },
        )],
        ..Table::default()
    };
    relation(16402, "shop", "order_lines", RelationKind::Table(table))
}

fn relations() -> Vec<Relation> {
    let view = "SELECT orders.id,\n    orders.amount\n   FROM shop.orders\n  WHERE orders.amount > 100::double precision";
    vec![
        customers(),
        orders(),
        order_lines(),
        relation(16403, "shop", "customers_id_seq", sequence()),
        relation(16404, "shop", "orders_id_seq", sequence()),
        relation(
            16405,
            "shop",
            "big_orders",
            RelationKind::View {
                sql: view.to_string(),
            },
        ),
        relation(
            16406,
            "public",
            "wine",
            RelationKind::Table(Table::default()),
        ),
        relation(16407, "public", "ticket", sequence()),
    ]
}

fn schemas() -> Vec<Schema> {
    let schema = |oid, name: &str, owner: &str, comment: &str| Schema {
        oid,
        name: name.to_string(),
        owner: owner.to_string(),
        comment: Some(comment.to_string()),
    };
    vec![
        schema(
            oids::PUBLIC,
            "public",
            "pg_database_owner",
            "standard public schema",
        ),
        schema(16390, "shop", "tarn", "orders and customers"),
    ]
}

fn columns_of_relations() -> BTreeMap<u32, Vec<Column>> {
    BTreeMap::from([
        (
            16400,
            columns(&[
                ("id", "bigint", true),
                ("name", "varchar(40)", true),
                ("email", "text", false),
                ("joined", "timestamptz", false),
                ("score", "numeric(10,2)", false),
                ("tags", "text[]", false),
                ("active", "boolean", true),
            ]),
        ),
        (
            16401,
            columns(&[
                ("id", "bigint", true),
                ("customer_id", "bigint", true),
                ("placed_on", "date", true),
                ("amount", "double precision", false),
                ("note", "text", false),
            ]),
        ),
        (
            16402,
            columns(&[
                ("order_id", "bigint", true),
                ("line", "smallint", true),
                ("item", "char(8)", false),
                ("quantity", "integer", false),
            ]),
        ),
        (
            16405,
            columns(&[
                ("id", "bigint", false),
                ("amount", "double precision", false),
            ]),
        ),
        (
            16406,
            columns(&[
                ("alcohol", "double precision", false),
                ("color", "text", false),
                ("quality", "integer", false),
            ]),
        ),
    ])
}

impl Mirror {
    /// The objects of `clients/schema.sql`.
    pub fn new() -> Mirror {
        let snapshot = SystemSnapshot {
            database: "tarn".to_string(),
            roles: vec![Role {
                oid: oids::BOOTSTRAP_ROLE,
                name: "tarn".to_string(),
                superuser: true,
                can_login: true,
                settings: Vec::new(),
            }],
            settings: Vec::new(),
            schemas: schemas(),
            relations: relations(),
        };
        Mirror {
            snapshot: Arc::new(snapshot),
            columns: columns_of_relations(),
            opened: Mutex::default(),
        }
    }

    /// OIDs of the relations whose columns were asked for, since the last call.
    pub fn take_opened(&self) -> Vec<u32> {
        std::mem::take(&mut self.opened.lock().expect("no test panics here"))
    }
}

#[async_trait]
impl SystemSession for Mirror {
    fn snapshot(&self) -> Arc<SystemSnapshot> {
        self.snapshot.clone()
    }

    async fn columns(&self, relation_oid: u32) -> Result<Vec<Column>> {
        self.opened
            .lock()
            .expect("no test panics here")
            .push(relation_oid);
        Ok(self.columns.get(&relation_oid).cloned().unwrap_or_default())
    }

    fn current_user(&self) -> String {
        "tarn".to_string()
    }

    fn session_user(&self) -> String {
        "tarn".to_string()
    }

    fn search_path(&self) -> Vec<String> {
        strings(&["$user", "public"])
    }

    fn backend_pid(&self) -> i32 {
        4711
    }

    fn settings(&self) -> Vec<Setting> {
        [
            ("max_index_keys", "32"),
            ("jit", "on"),
            ("default_table_access_method", "heap"),
            ("search_path", "\"$user\", public"),
        ]
        .map(|(name, value)| Setting {
            name: name.to_string(),
            value: value.to_string(),
            ..Setting::default()
        })
        .to_vec()
    }

    fn set_setting(&self, _name: &str, value: &str, _is_local: bool) -> Result<String> {
        Ok(value.to_string())
    }

    fn activity(&self) -> Vec<Activity> {
        Vec::new()
    }

    fn signal(&self, backend_pid: i32, _signal: Signal) -> Result<bool> {
        Ok(backend_pid == 4711)
    }

    fn server_started_at_micros(&self) -> i64 {
        0
    }

    fn client_address(&self) -> Option<(String, u16)> {
        None
    }

    fn server_address(&self) -> Option<(String, u16)> {
        None
    }

    fn relation_bytes(&self, _relation_oid: u32) -> Option<u64> {
        Some(8192)
    }

    fn relation_rows(&self, _relation_oid: u32) -> Option<u64> {
        None
    }
}
