//! Which relations does a query read, and in which schema are they?

use crate::syntax_walk::{walk, walk_mut};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    DataType as SqlType, Expr, Function, Ident, ObjectName, ObjectNamePart, Query, Statement,
    TableFactor, Visitor, VisitorMut,
};

use crate::system::functions::{REG_TYPES, function_names};
use crate::system::names::is_system_relation;
use crate::types::PgType;

static FUNCTIONS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| function_names().collect());

/// The parts of a name, folded as PostgreSQL folds them.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0
        .iter()
        .filter_map(ObjectNamePart::as_ident)
        .map(|ident| {
            if ident.quote_style.is_some() {
                ident.value.clone()
            } else {
                ident.value.to_lowercase()
            }
        })
        .collect()
}

/// Name of a function without its schema, if that is a system schema or none.
pub(super) fn system_function(name: &ObjectName) -> Option<String> {
    match parts(name).as_slice() {
        [function] => Some(function.clone()),
        [schema, function] if schema == "pg_catalog" || schema == "information_schema" => {
            Some(function.clone())
        }
        _ => None,
    }
}

#[derive(Default)]
struct Survey {
    /// names of common table expressions
    ctes: HashSet<String>,
    /// relations read, each as the parts of its name
    relations: Vec<Vec<String>>,
    /// Is a function or type of the catalog named?
    names_catalog: bool,
}

impl Visitor for Survey {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, args: None, ..
            } => self.relations.push(parts(name)),
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => {
                // Series and lists are everybody's, unless the name says that the catalog's are meant.
                let is_everybodys = parts(name).len() == 1
                    && system_function(name)
                        .is_some_and(|name| matches!(name.as_str(), "generate_series" | "unnest"));
                self.names_catalog |= system_function(name).is_some() && !is_everybodys;
                // A table function of our own reads what it likes.
                if !is_catalog_table_function(name) {
                    self.relations.push(parts(name));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.names_catalog |= match expr {
            Expr::Function(Function { name, .. }) => {
                let names = parts(name);
                names
                    .first()
                    .is_some_and(|schema| names.len() == 2 && schema == "pg_catalog")
                    || system_function(name).is_some_and(|name| FUNCTIONS.contains(name.as_str()))
            }
            Expr::Cast { data_type, .. } => is_reg_type(data_type),
            _ => false,
        };
        ControlFlow::Continue(())
    }
}

fn is_catalog_table_function(name: &ObjectName) -> bool {
    let known = [
        "generate_series",
        "unnest",
        "pg_get_keywords",
        "pg_partition_ancestors",
        "pg_partition_tree",
        "pg_options_to_table",
    ];
    system_function(name).is_some_and(|name| known.contains(&name.as_str()))
}

fn is_reg_type(data_type: &SqlType) -> bool {
    PgType::parse(&data_type.to_string()).is_ok_and(|found| REG_TYPES.contains(&found))
}

fn survey(statement: &Statement) -> Survey {
    let mut survey = Survey::default();
    let _ = walk(statement, &mut survey);
    let ctes = std::mem::take(&mut survey.ctes);
    survey
        .relations
        .retain(|name| !(name.len() == 1 && ctes.contains(&name[0])));
    survey.ctes = ctes;
    survey
}

fn is_system(name: &[String]) -> bool {
    match name {
        [relation] => is_system_relation(None, relation),
        [schema, relation] | [_, schema, relation] => is_system_relation(Some(schema), relation),
        _ => false,
    }
}

pub(super) fn is_catalog_query(statement: &Statement) -> bool {
    if !matches!(statement, Statement::Query(_)) {
        return false;
    }
    let survey = survey(statement);
    survey.relations.iter().all(|name| is_system(name))
        && (!survey.relations.is_empty() || survey.names_catalog)
}

/// Puts `pg_catalog` before relations named without a schema, where PostgreSQL looks first.
pub(super) fn qualify(statement: &mut Statement) {
    let ctes = survey(statement).ctes;
    let _ = walk_mut(statement, &mut Qualify { ctes });
}

struct Qualify {
    ctes: HashSet<String>,
}

impl VisitorMut for Qualify {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
            && let [relation] = parts(name).as_slice()
            && !self.ctes.contains(relation)
            && is_system_relation(None, relation)
        {
            name.0
                .insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
        }
        ControlFlow::Continue(())
    }
}
