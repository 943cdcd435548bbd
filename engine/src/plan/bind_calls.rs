//! How do `predict('m', t.*)`, `predict('m', t)`, `predict('m', age, plan)` and `predict('m', age => 41)`
//! become one resolved call?
//!
//! Features are bound by name. The model says which columns it needs, so every form becomes
//! `predict('schema.model@version#sha' [, 'class'], key columns …, feature columns …)` with one expression per
//! column, before DataFusion plans anything: it refuses names on variadic signatures and leaves `t.*` in a
//! call alone. Named arguments are always features.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{try_walk, try_walk_mut};

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, Select, SetExpr, Statement, TableFactor, TableWithJoins, Value,
    ValueWithSpan, Visitor, VisitorMut,
};

use super::names::fold;
use crate::error::PgError;
use crate::sqlstate;
use tarn_udfs::suggest;

/// The scoring functions.
const FUNCTIONS: [&str; 3] = ["predict", "predict_proba", "predict_struct"];

/// What a call must know of its model.
#[derive(Debug, Clone)]
pub struct CallTarget {
    /// The literal of the resolved call.
    pub id: String,
    /// The name for messages.
    pub name: String,
    /// Key and feature columns in the order of the resolved call.
    pub columns: Vec<String>,
    /// Their types in SQL, in the same order.
    pub types: Vec<String>,
    /// The classes of a classifier.
    pub classes: Vec<String>,
}

/// The model names that a statement calls, as written.
pub fn called_models(statement: &Statement) -> Result<BTreeSet<String>, PgError> {
    let mut collector = Collector(BTreeSet::new());
    try_walk(statement, &mut collector)?;
    Ok(collector.0)
}

struct Collector(BTreeSet<String>);

impl Visitor for Collector {
    type Break = Box<PgError>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        if !is_scoring(&function.name) || is_on_value(function) {
            return ControlFlow::Continue(());
        }
        match model_name(function) {
            Ok(name) => {
                self.0.insert(name);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// Rewrites every scoring call; `models` holds the target of every name that [`called_models`] gave.
pub fn bind(
    statement: &mut Statement,
    models: &HashMap<String, CallTarget>,
) -> Result<(), PgError> {
    let mut binder = Binder {
        models,
        scopes: Vec::new(),
    };
    try_walk_mut(statement, &mut binder)
}

struct Binder<'a> {
    models: &'a HashMap<String, CallTarget>,
    /// The table aliases of each enclosing query.
    scopes: Vec<BTreeSet<String>>,
}

impl VisitorMut for Binder<'_> {
    type Break = Box<PgError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let mut aliases = BTreeSet::new();
        if let SetExpr::Select(select) = query.body.as_ref() {
            collect_aliases(&select.from, &mut aliases);
        }
        self.scopes.push(aliases);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        let mut aliases = BTreeSet::new();
        collect_aliases(&select.from, &mut aliases);
        self.scopes.push(aliases);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        if !is_scoring(&function.name) || is_on_value(function) {
            return ControlFlow::Continue(());
        }
        match self.bind_call(function) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

pub(super) fn collect_aliases(from: &[TableWithJoins], aliases: &mut BTreeSet<String>) {
    for item in from {
        collect_factor(&item.relation, aliases);
        for join in &item.joins {
            collect_factor(&join.relation, aliases);
        }
    }
}

fn collect_factor(factor: &TableFactor, aliases: &mut BTreeSet<String>) {
    match factor {
        TableFactor::Table { name, alias, .. } => {
            let shown = match (alias, name.0.last()) {
                (Some(alias), _) => Some(fold(&alias.name)),
                (None, Some(ObjectNamePart::Identifier(ident))) => Some(fold(ident)),
                _ => None,
            };
            aliases.extend(shown);
        }
        TableFactor::Derived {
            alias: Some(alias), ..
        }
        | TableFactor::TableFunction {
            alias: Some(alias), ..
        }
        | TableFactor::Function {
            alias: Some(alias), ..
        } => {
            aliases.insert(fold(&alias.name));
        }
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => collect_aliases(std::slice::from_ref(table_with_joins), aliases),
        _ => {}
    }
}

/// What the arguments of one call give.
#[derive(Default)]
struct Given {
    /// `t.*` or `*`: where columns come from that nothing else gives.
    wildcard: Option<Option<Vec<Ident>>>,
    /// Columns given one by one.
    columns: BTreeMap<String, Expr>,
    /// Names given with `=>`, which override the wildcard.
    named: BTreeMap<String, Expr>,
}

impl Binder<'_> {
    fn bind_call(&self, function: &mut Function) -> Result<(), PgError> {
        let written = model_name(function)?;
        let Some(target) = self.models.get(&written) else {
            return Err(PgError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("model \"{written}\" does not exist"),
            ));
        };
        let FunctionArguments::List(list) = &mut function.args else {
            return Err(needs_model(function));
        };
        let mut arguments: Vec<FunctionArg> = std::mem::take(&mut list.args);
        arguments.remove(0);
        let class = take_class(&function.name, target, &mut arguments)?;
        let given = self.read_arguments(target, arguments)?;
        let mut resolved = vec![text_literal(&target.id)];
        resolved.extend(class.map(|class| text_literal(&class)));
        for (column, sql_type) in target.columns.iter().zip(&target.types) {
            let expr = given.expression(column, target)?;
            resolved.push(typed_parameter(expr, sql_type)?);
        }
        list.args = resolved
            .into_iter()
            .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
            .collect();
        Ok(())
    }

    fn read_arguments(
        &self,
        target: &CallTarget,
        arguments: Vec<FunctionArg>,
    ) -> Result<Given, PgError> {
        let mut given = Given::default();
        for argument in arguments {
            match argument {
                FunctionArg::Named { name, arg, .. } => {
                    given.add_named(target, fold(&name), arg)?;
                }
                FunctionArg::ExprNamed {
                    name: Expr::Identifier(name),
                    arg,
                    ..
                } => given.add_named(target, fold(&name), arg)?,
                FunctionArg::ExprNamed { name, .. } => {
                    return Err(PgError::syntax(format!(
                        "\"{name}\" is not a feature's name"
                    )));
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => given.add_wildcard(None)?,
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                    given.add_wildcard(Some(idents(&name)))?;
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    self.add_positional(target, &mut given, expr)?;
                }
                FunctionArg::Unnamed(other) => {
                    return Err(PgError::syntax(format!("\"{other}\" is not a feature")));
                }
            }
        }
        Ok(given)
    }

    /// A column by its own name, or a whole row by its table's name.
    fn add_positional(
        &self,
        target: &CallTarget,
        given: &mut Given,
        expr: Expr,
    ) -> Result<(), PgError> {
        let name = match &expr {
            Expr::Identifier(ident) => fold(ident),
            Expr::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
            other => {
                return Err(PgError::syntax(format!(
                    "the argument \"{other}\" of a prediction has no name"
                ))
                .with_hint("Write feature => expression."));
            }
        };
        if let Expr::Identifier(ident) = &expr
            && !target.columns.contains(&name)
            && self.scopes.iter().any(|scope| scope.contains(&name))
        {
            return given.add_wildcard(Some(vec![ident.clone()]));
        }
        target.check_column(&name)?;
        if given.columns.insert(name.clone(), expr).is_some() {
            return Err(duplicate(&name));
        }
        Ok(())
    }
}

impl Given {
    fn add_wildcard(&mut self, qualifier: Option<Vec<Ident>>) -> Result<(), PgError> {
        if self.wildcard.replace(qualifier).is_some() {
            return Err(PgError::new(
                sqlstate::AMBIGUOUS_COLUMN,
                "a prediction takes the columns of one row source",
            )
            .with_hint("Join the tables in a subquery and pass its row: predict('m', q.*)."));
        }
        Ok(())
    }

    fn add_named(
        &mut self,
        target: &CallTarget,
        name: String,
        value: FunctionArgExpr,
    ) -> Result<(), PgError> {
        target.check_column(&name)?;
        let FunctionArgExpr::Expr(expr) = value else {
            return Err(PgError::syntax(format!(
                "feature \"{name}\" needs one value"
            )));
        };
        if self.named.insert(name.clone(), expr).is_some() || self.columns.contains_key(&name) {
            return Err(duplicate(&name));
        }
        Ok(())
    }

    fn expression(&self, column: &str, target: &CallTarget) -> Result<Expr, PgError> {
        if let Some(expr) = self.named.get(column).or_else(|| self.columns.get(column)) {
            return Ok(expr.clone());
        }
        let own = Ident::with_quote('"', column);
        match &self.wildcard {
            Some(Some(qualifier)) => {
                let mut parts = qualifier.clone();
                parts.push(own);
                Ok(Expr::CompoundIdentifier(parts))
            }
            Some(None) => Ok(Expr::Identifier(own)),
            None => Err(PgError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!(
                    "feature \"{column}\" of model \"{}\" is not given",
                    target.name
                ),
            )
            .with_detail(format!("The model needs: {}.", target.columns.join(", ")))
            .with_hint(format!(
                "Pass the whole row as t.*, or add {column} => value (NULL if it is unknown)."
            ))),
        }
    }
}

impl CallTarget {
    fn check_column(&self, name: &str) -> Result<(), PgError> {
        if self.columns.iter().any(|column| column == name) {
            return Ok(());
        }
        let failure = PgError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!("model \"{}\" has no feature \"{name}\"", self.name),
        )
        .with_detail(format!("Its features are: {}.", self.columns.join(", ")));
        Err(
            match suggest::nearest(name, self.columns.iter().map(String::as_str)) {
                Some(near) => failure.with_hint(format!("Perhaps you meant \"{near}\".")),
                None => failure,
            },
        )
    }
}

/// A parameter that stands alone has its feature's type.
fn typed_parameter(expr: Expr, sql_type: &str) -> Result<Expr, PgError> {
    let is_parameter = matches!(
        &expr,
        Expr::Value(ValueWithSpan {
            value: Value::Placeholder(_),
            ..
        })
    );
    if !is_parameter {
        return Ok(expr);
    }
    let mut cast = crate::parser::parse_expression(&format!("CAST(NULL AS {sql_type})"))?;
    if let Expr::Cast { expr: inner, .. } = &mut cast {
        **inner = expr;
    }
    Ok(cast)
}

fn duplicate(name: &str) -> PgError {
    PgError::new(
        sqlstate::AMBIGUOUS_COLUMN,
        format!("feature \"{name}\" is given more than once"),
    )
}

/// The class of `predict_proba('m', 'yes', t.*)`.
fn take_class(
    function: &ObjectName,
    target: &CallTarget,
    arguments: &mut Vec<FunctionArg>,
) -> Result<Option<String>, PgError> {
    if last_word(function) != "predict_proba" {
        return Ok(None);
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) = arguments.first() else {
        return Ok(None);
    };
    let class = match expr {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(class),
            ..
        }) => class.clone(),
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => number.to_string(),
        Expr::Value(ValueWithSpan {
            value: Value::Boolean(truth),
            ..
        }) => truth.to_string(),
        _ => return Ok(None),
    };
    if !target.classes.contains(&class) {
        return Err(PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("model \"{}\" has no class \"{class}\"", target.name),
        )
        .with_detail(format!("Its classes are: {}.", target.classes.join(", "))));
    }
    arguments.remove(0);
    Ok(Some(class))
}

pub(super) fn is_scoring(name: &ObjectName) -> bool {
    name.0.len() == 1 && FUNCTIONS.contains(&last_word(name).as_str())
}

pub(super) fn last_word(name: &ObjectName) -> String {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => fold(ident),
        _ => String::new(),
    }
}

/// Whether the model is a value of the row, such as a column; see [`super::bind_values`].
fn is_on_value(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else {
        return false;
    };
    match list.args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_)))) | None => false,
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(_))) => true,
        Some(_) => false,
    }
}

/// The first argument, which must be a text.
fn model_name(function: &Function) -> Result<String, PgError> {
    let FunctionArguments::List(list) = &function.args else {
        return Err(needs_model(function));
    };
    match list.args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(name),
            ..
        })))) => Ok(name.clone()),
        _ => Err(needs_model(function)),
    }
}

pub(super) fn needs_model(function: &Function) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!(
            "{} needs a model's name as its first argument",
            last_word(&function.name)
        ),
    )
    .with_hint("Write the name as a constant text: predict('my_model', t.*).")
}

fn idents(name: &ObjectName) -> Vec<Ident> {
    name.0
        .iter()
        .filter_map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident.clone()),
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

pub(super) fn text_literal(text: &str) -> Expr {
    Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(text.to_string()),
        span: datafusion::sql::sqlparser::tokenizer::Span::empty(),
    })
}
