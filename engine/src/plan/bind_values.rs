//! How do `train_trees(y, t.*, max_leaves => 7)` and `predict(m.model, t.*)` become calls with columns alone?
//!
//! Both take any columns of a query by name, and no model's signature says which: a wildcard stands for all columns of
//! the FROM clause that can be features. What the statement wrote beside columns (names, parameters, a class) becomes
//! one constant text in front. Inner queries are bound before the query around them, so that the columns of a FROM
//! clause can be asked for by planning `SELECT * FROM …` of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{Node, try_walk_mut, walk, walk_mut};

use datafusion::arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    Cte, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Statement, TableWithJoins, UnaryOperator, Value, ValueWithSpan, Visitor, VisitorMut, With,
};
use tarn_udfs::fit::call_spec::{CallSpec, TRAINING_FUNCTIONS};
use tarn_udfs::fit::option_value::OptionValue;
use tarn_udfs::model::features::SourceFamily;
use tarn_udfs::scalar::value_call::ValueCall;

use super::bind_calls::{collect_aliases, is_scoring, last_word, text_literal};
use super::names::fold;
use super::training_calls::CALL_MARK;
use crate::error::PgError;
use crate::sqlstate;

/// Names and types of the columns of a query.
pub type Columns = Vec<(String, DataType)>;

/// Tells the columns of a query.
pub type ColumnsOf<'a> = &'a dyn Fn(Query) -> Result<Columns, PgError>;

/// Rewrites every call of a training function and every scoring call on a model value.
pub fn bind(statement: &mut Statement, columns_of: ColumnsOf<'_>) -> Result<(), PgError> {
    if !has_unbound(statement) {
        return Ok(());
    }
    let mut binder = Binder {
        columns_of,
        scopes: Vec::new(),
    };
    try_walk_mut(statement, &mut binder)
}

/// Which of our functions a call is, if it is not bound yet.
fn unbound(function: &Function) -> Option<Kind> {
    let is_training = function.name.0.len() == 1
        && TRAINING_FUNCTIONS
            .iter()
            .any(|(name, ..)| *name == last_word(&function.name));
    let FunctionArguments::List(list) = &function.args else {
        return is_training.then_some(Kind::Training);
    };
    let first_text = match list.args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        })))) => Some(text),
        _ => None,
    };
    if is_training {
        let bound = first_text.is_some_and(|text| text.starts_with(CALL_MARK));
        return (!bound).then_some(Kind::Training);
    }
    (is_scoring(&function.name) && first_text.is_none() && !list.args.is_empty())
        .then_some(Kind::Scoring)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Training,
    Scoring,
}

struct Finder;

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if unbound(function).is_some() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn has_unbound(part: &impl Node) -> bool {
    walk(part, &mut Finder).is_break()
}

/// What can be named inside one query.
#[derive(Default)]
struct Scope {
    ctes: Option<With>,
    from: Vec<TableWithJoins>,
    aliases: BTreeSet<String>,
}

struct Binder<'a> {
    columns_of: ColumnsOf<'a>,
    scopes: Vec<Scope>,
}

type Flow = ControlFlow<Box<PgError>>;

impl VisitorMut for Binder<'_> {
    type Break = Box<PgError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        self.scopes.push(Scope::default());
        if let Some(with) = &mut query.with {
            // Each WITH query sees those before it, bound.
            let empty = Self::empty(with);
            let mut seen: Vec<Cte> = Vec::with_capacity(with.cte_tables.len());
            for cte in &mut with.cte_tables {
                if has_unbound(cte.query.as_ref()) {
                    walk_mut(cte.query.as_mut(), self)?;
                }
                seen.push(cte.clone());
                self.top().ctes = Some(With {
                    cte_tables: seen.clone(),
                    ..empty.clone()
                });
            }
        }
        if let SetExpr::Select(select) = query.body.as_mut() {
            self.enter_from(select)?;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> Flow {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        self.scopes.push(Scope::default());
        self.enter_from(select)
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> Flow {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let bound = match unbound(function) {
            None => Ok(()),
            Some(Kind::Training) => self.bind_training(function),
            Some(Kind::Scoring) => self.bind_scoring(function),
        };
        match bound {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// The columns that a call takes, in their order.
#[derive(Default)]
struct Given {
    names: Vec<String>,
    expressions: BTreeMap<String, Expr>,
}

impl Given {
    fn add(&mut self, name: String, expr: Expr) -> Result<(), PgError> {
        if self.expressions.insert(name.clone(), expr).is_some() {
            return Err(PgError::new(
                sqlstate::AMBIGUOUS_COLUMN,
                format!("feature \"{name}\" is given more than once"),
            ));
        }
        self.names.push(name);
        Ok(())
    }

    /// Columns that stand for themselves; those that are given already keep what they were given.
    fn add_all(&mut self, qualifier: Option<&[Ident]>, columns: Columns, without: &str) {
        for (name, data_type) in columns {
            let is_feature = SourceFamily::of(&data_type).is_some();
            if !is_feature || name == without || self.expressions.contains_key(&name) {
                continue;
            }
            let own = Ident::with_quote('"', &name);
            let expr = match qualifier {
                Some(qualifier) => {
                    Expr::CompoundIdentifier(qualifier.iter().cloned().chain([own]).collect())
                }
                None => Expr::Identifier(own),
            };
            self.names.push(name.clone());
            self.expressions.insert(name, expr);
        }
    }

    fn into_arguments(mut self) -> (Vec<String>, Vec<Expr>) {
        let names = self.names;
        let expressions = names
            .iter()
            .filter_map(|name| self.expressions.remove(name))
            .collect();
        (names, expressions)
    }
}

impl Binder<'_> {
    fn top(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn empty(with: &With) -> With {
        With {
            with_token: with.with_token.clone(),
            recursive: with.recursive,
            cte_tables: Vec::new(),
        }
    }

    fn enter_from(&mut self, select: &mut Select) -> Flow {
        if has_unbound(&select.from) {
            walk_mut(&mut select.from, self)?;
        }
        let mut aliases = BTreeSet::new();
        collect_aliases(&select.from, &mut aliases);
        let from = select.from.clone();
        let top = self.top();
        (top.from, top.aliases) = (from, aliases);
        ControlFlow::Continue(())
    }

    /// The columns that a wildcard stands for.
    fn expand(&self, qualifier: Option<&ObjectName>) -> Result<Columns, PgError> {
        let from = self.scopes.last().map(|scope| scope.from.clone());
        let mut probe = crate::parser::parse_query("SELECT *")?;
        if let SetExpr::Select(select) = probe.body.as_mut() {
            select.from = from.unwrap_or_default();
            if let Some(name) = qualifier {
                let kind = SelectItemQualifiedWildcardKind::ObjectName(name.clone());
                select.projection = vec![SelectItem::QualifiedWildcard(kind, Default::default())];
            }
        }
        for with in self.scopes.iter().filter_map(|scope| scope.ctes.as_ref()) {
            match &mut probe.with {
                None => probe.with = Some(with.clone()),
                Some(known) => {
                    known.recursive |= with.recursive;
                    known.cte_tables.extend(with.cte_tables.iter().cloned());
                }
            }
        }
        (self.columns_of)(probe)
    }

    /// A column by its own name, a whole row by its table's name or as `t.*`.
    fn add(
        &self,
        given: &mut Given,
        argument: FunctionArgExpr,
        label: &str,
    ) -> Result<(), PgError> {
        let expr = match argument {
            FunctionArgExpr::Wildcard => {
                let columns = self.expand(None)?;
                refuse_twins(&columns)?;
                given.add_all(None, columns, label);
                return Ok(());
            }
            FunctionArgExpr::QualifiedWildcard(name) => {
                return self.add_row(given, &name, label);
            }
            FunctionArgExpr::Expr(expr) => expr,
            other => return Err(PgError::syntax(format!("\"{other}\" is not a feature"))),
        };
        let name = match &expr {
            Expr::Identifier(ident) => {
                let is_table = self
                    .scopes
                    .last()
                    .is_some_and(|scope| scope.aliases.contains(&fold(ident)));
                if is_table && !self.is_column(&fold(ident))? {
                    return self.add_row(given, &ObjectName::from(vec![ident.clone()]), label);
                }
                fold(ident)
            }
            Expr::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
            other => {
                return Err(PgError::syntax(format!("the feature \"{other}\" has no name"))
                    .with_hint("Give it one in a subquery: SELECT … FROM (SELECT …, expression AS name FROM t) q."));
            }
        };
        given.add(name, expr)
    }

    fn add_row(&self, given: &mut Given, name: &ObjectName, label: &str) -> Result<(), PgError> {
        let columns = self.expand(Some(name))?;
        let qualifier: Vec<Ident> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident().cloned())
            .collect();
        given.add_all(Some(&qualifier), columns, label);
        Ok(())
    }

    fn is_column(&self, name: &str) -> Result<bool, PgError> {
        Ok(self.expand(None)?.iter().any(|(column, _)| column == name))
    }

    fn bind_training(&self, function: &mut Function) -> Result<(), PgError> {
        let name = last_word(&function.name);
        let arguments = plain_arguments(function, &name)?;
        let mut spec = CallSpec {
            function: name.clone(),
            label: String::new(),
            weighted: false,
            features: Vec::new(),
            parameters: Vec::new(),
        };
        let (mut columns, mut weight) = (Vec::new(), None);
        for argument in arguments {
            match named(argument)? {
                Argument::Column(column) => columns.push(column),
                Argument::Named(parameter, FunctionArgExpr::Expr(expr))
                    if parameter == "weight" =>
                {
                    spec.weighted = true;
                    weight = Some(double(expr)?);
                }
                Argument::Named(parameter, FunctionArgExpr::Expr(expr)) => {
                    let value = parameter_value(&parameter, &expr)?;
                    spec.parameters.push((parameter, value));
                }
                Argument::Named(parameter, _) => {
                    return Err(PgError::syntax(format!(
                        "parameter \"{parameter}\" needs one value"
                    )));
                }
            }
        }
        let mut columns = columns.into_iter();
        let Some(FunctionArgExpr::Expr(label)) = columns.next() else {
            return Err(needs_columns(&name));
        };
        spec.label = match &label {
            Expr::Identifier(ident) => fold(ident),
            Expr::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
            _ => "label".to_string(),
        };
        let mut given = Given::default();
        for column in columns {
            self.add(&mut given, column, &spec.label)?;
        }
        let (names, expressions) = given.into_arguments();
        if names.is_empty() {
            return Err(needs_columns(&name));
        }
        spec.features = names;
        spec.check()?;
        let text = text_literal(&format!("{CALL_MARK}{}", spec.to_json()));
        let all = [text, label].into_iter().chain(weight).chain(expressions);
        put_arguments(function, all.collect());
        Ok(())
    }

    fn bind_scoring(&self, function: &mut Function) -> Result<(), PgError> {
        let name = last_word(&function.name);
        let mut arguments = plain_arguments(function, &name)?.into_iter().peekable();
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(model))) = arguments.next() else {
            return Err(super::bind_calls::needs_model(function));
        };
        let mut call = ValueCall {
            columns: Vec::new(),
            class: None,
        };
        if name == "predict_proba"
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) =
                arguments.peek()
            && let Value::SingleQuotedString(class) = &value.value
        {
            call.class = Some(class.clone());
            arguments.next();
        }
        let (mut given, mut columns) = (Given::default(), Vec::new());
        for argument in arguments {
            match named(argument)? {
                Argument::Column(column) => columns.push(column),
                Argument::Named(feature, FunctionArgExpr::Expr(expr)) => {
                    given.add(feature, expr)?
                }
                Argument::Named(feature, _) => {
                    return Err(PgError::syntax(format!(
                        "feature \"{feature}\" needs one value"
                    )));
                }
            }
        }
        for column in columns {
            self.add(&mut given, column, "")?;
        }
        let (names, expressions) = given.into_arguments();
        call.columns = names;
        let text = text_literal(&call.to_text());
        put_arguments(
            function,
            [text, model].into_iter().chain(expressions).collect(),
        );
        Ok(())
    }
}

enum Argument {
    Column(FunctionArgExpr),
    Named(String, FunctionArgExpr),
}

fn named(argument: FunctionArg) -> Result<Argument, PgError> {
    match argument {
        FunctionArg::Unnamed(value) => Ok(Argument::Column(value)),
        FunctionArg::Named { name, arg, .. }
        | FunctionArg::ExprNamed {
            name: Expr::Identifier(name),
            arg,
            ..
        } => Ok(Argument::Named(fold(&name), arg)),
        FunctionArg::ExprNamed { name, .. } => {
            Err(PgError::syntax(format!("\"{name}\" is not a name")))
        }
    }
}

/// The arguments of a call that has nothing else.
fn plain_arguments(function: &mut Function, name: &str) -> Result<Vec<FunctionArg>, PgError> {
    if function.over.is_some() || !function.within_group.is_empty() {
        return Err(PgError::unsupported(format!(
            "{name} cannot be used as a window function"
        )));
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return Err(needs_columns(name));
    };
    let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    if distinct || !list.clauses.is_empty() {
        return Err(
            PgError::unsupported(format!("{name} takes neither DISTINCT nor ORDER BY"))
                .with_hint("Choose the rows in a subquery; their order never matters."),
        );
    }
    Ok(std::mem::take(&mut list.args))
}

fn put_arguments(function: &mut Function, arguments: Vec<Expr>) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = arguments
            .into_iter()
            .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
            .collect();
    }
}

fn needs_columns(name: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!("{name} needs a label and at least one column to learn from"),
    )
    .with_hint(format!(
        "Write {name}(label, t.*) or {name}(label, a, b, parameter => value)."
    ))
}

fn refuse_twins(columns: &Columns) -> Result<(), PgError> {
    let mut seen = BTreeSet::new();
    match columns.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some((name, _)) => Err(PgError::new(
            sqlstate::AMBIGUOUS_COLUMN,
            format!("column reference \"{name}\" is ambiguous"),
        )
        .with_hint("Name the table: t.*.")),
    }
}

fn double(expr: Expr) -> Result<Expr, PgError> {
    let mut cast = crate::parser::parse_expression("CAST(NULL AS double precision)")?;
    if let Expr::Cast { expr: inner, .. } = &mut cast {
        **inner = expr;
    }
    Ok(cast)
}

/// A parameter's value, which must be a constant.
fn parameter_value(name: &str, expr: &Expr) -> Result<OptionValue, PgError> {
    let constant = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(OptionValue::Number(digits.to_string())),
            Value::SingleQuotedString(text) => Some(OptionValue::Text(text.clone())),
            Value::Boolean(truth) => Some(OptionValue::Word(truth.to_string())),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match parameter_value(name, expr)? {
            OptionValue::Number(digits) => Some(OptionValue::Number(format!("-{digits}"))),
            _ => None,
        },
        Expr::Identifier(word) => Some(OptionValue::Word(fold(word))),
        _ => None,
    };
    constant.ok_or_else(|| {
        PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("parameter \"{name}\" needs a constant"),
        )
    })
}
