//! How is the tree of a statement walked, without compiling the walk once for every visitor?
//!
//! sqlparser's walk is generic over its visitor, and one walk over every kind of node is a megabyte of code. Here all
//! visitors share two walks, one that reads and one that changes; what they do at a node is called through a table.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, SelectItem, Statement, TableFactor, TableWithJoins,
    ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// A visitor's calls, whatever it breaks with.
trait ReadCalls {
    fn enter_query(&mut self, node: &Query) -> ControlFlow<()>;
    fn leave_query(&mut self, node: &Query) -> ControlFlow<()>;
    fn enter_select(&mut self, node: &Select) -> ControlFlow<()>;
    fn leave_select(&mut self, node: &Select) -> ControlFlow<()>;
    fn enter_relation(&mut self, node: &ObjectName) -> ControlFlow<()>;
    fn leave_relation(&mut self, node: &ObjectName) -> ControlFlow<()>;
    fn enter_table_factor(&mut self, node: &TableFactor) -> ControlFlow<()>;
    fn leave_table_factor(&mut self, node: &TableFactor) -> ControlFlow<()>;
    fn enter_expr(&mut self, node: &Expr) -> ControlFlow<()>;
    fn leave_expr(&mut self, node: &Expr) -> ControlFlow<()>;
    fn enter_statement(&mut self, node: &Statement) -> ControlFlow<()>;
    fn leave_statement(&mut self, node: &Statement) -> ControlFlow<()>;
    fn enter_value(&mut self, node: &ValueWithSpan) -> ControlFlow<()>;
    fn leave_value(&mut self, node: &ValueWithSpan) -> ControlFlow<()>;
}

/// A visitor and what it broke with.
struct Reader<'a, V: Visitor> {
    visitor: &'a mut V,
    broken: Option<V::Break>,
}

impl<V: Visitor> Reader<'_, V> {
    fn keep(&mut self, flow: ControlFlow<V::Break>) -> ControlFlow<()> {
        match flow {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(with) => {
                self.broken = Some(with);
                ControlFlow::Break(())
            }
        }
    }
}

impl<V: Visitor> ReadCalls for Reader<'_, V> {
    fn enter_query(&mut self, node: &Query) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_query(node);
        self.keep(flow)
    }

    fn leave_query(&mut self, node: &Query) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_query(node);
        self.keep(flow)
    }

    fn enter_select(&mut self, node: &Select) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_select(node);
        self.keep(flow)
    }

    fn leave_select(&mut self, node: &Select) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_select(node);
        self.keep(flow)
    }

    fn enter_relation(&mut self, node: &ObjectName) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_relation(node);
        self.keep(flow)
    }

    fn leave_relation(&mut self, node: &ObjectName) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_relation(node);
        self.keep(flow)
    }

    fn enter_table_factor(&mut self, node: &TableFactor) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_table_factor(node);
        self.keep(flow)
    }

    fn leave_table_factor(&mut self, node: &TableFactor) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_table_factor(node);
        self.keep(flow)
    }

    fn enter_expr(&mut self, node: &Expr) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_expr(node);
        self.keep(flow)
    }

    fn leave_expr(&mut self, node: &Expr) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_expr(node);
        self.keep(flow)
    }

    fn enter_statement(&mut self, node: &Statement) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_statement(node);
        self.keep(flow)
    }

    fn leave_statement(&mut self, node: &Statement) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_statement(node);
        self.keep(flow)
    }

    fn enter_value(&mut self, node: &ValueWithSpan) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_value(node);
        self.keep(flow)
    }

    fn leave_value(&mut self, node: &ValueWithSpan) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_value(node);
        self.keep(flow)
    }
}

/// The one visitor that sqlparser's walk is compiled for.
struct AnyReader<'a>(&'a mut dyn ReadCalls);

impl Visitor for AnyReader<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, node: &Query) -> ControlFlow<()> {
        self.0.enter_query(node)
    }

    fn post_visit_query(&mut self, node: &Query) -> ControlFlow<()> {
        self.0.leave_query(node)
    }

    fn pre_visit_select(&mut self, node: &Select) -> ControlFlow<()> {
        self.0.enter_select(node)
    }

    fn post_visit_select(&mut self, node: &Select) -> ControlFlow<()> {
        self.0.leave_select(node)
    }

    fn pre_visit_relation(&mut self, node: &ObjectName) -> ControlFlow<()> {
        self.0.enter_relation(node)
    }

    fn post_visit_relation(&mut self, node: &ObjectName) -> ControlFlow<()> {
        self.0.leave_relation(node)
    }

    fn pre_visit_table_factor(&mut self, node: &TableFactor) -> ControlFlow<()> {
        self.0.enter_table_factor(node)
    }

    fn post_visit_table_factor(&mut self, node: &TableFactor) -> ControlFlow<()> {
        self.0.leave_table_factor(node)
    }

    fn pre_visit_expr(&mut self, node: &Expr) -> ControlFlow<()> {
        self.0.enter_expr(node)
    }

    fn post_visit_expr(&mut self, node: &Expr) -> ControlFlow<()> {
        self.0.leave_expr(node)
    }

    fn pre_visit_statement(&mut self, node: &Statement) -> ControlFlow<()> {
        self.0.enter_statement(node)
    }

    fn post_visit_statement(&mut self, node: &Statement) -> ControlFlow<()> {
        self.0.leave_statement(node)
    }

    fn pre_visit_value(&mut self, node: &ValueWithSpan) -> ControlFlow<()> {
        self.0.enter_value(node)
    }

    fn post_visit_value(&mut self, node: &ValueWithSpan) -> ControlFlow<()> {
        self.0.leave_value(node)
    }
}

/// A visitor's calls, whatever it breaks with.
trait EditCalls {
    fn enter_query(&mut self, node: &mut Query) -> ControlFlow<()>;
    fn leave_query(&mut self, node: &mut Query) -> ControlFlow<()>;
    fn enter_select(&mut self, node: &mut Select) -> ControlFlow<()>;
    fn leave_select(&mut self, node: &mut Select) -> ControlFlow<()>;
    fn enter_relation(&mut self, node: &mut ObjectName) -> ControlFlow<()>;
    fn leave_relation(&mut self, node: &mut ObjectName) -> ControlFlow<()>;
    fn enter_table_factor(&mut self, node: &mut TableFactor) -> ControlFlow<()>;
    fn leave_table_factor(&mut self, node: &mut TableFactor) -> ControlFlow<()>;
    fn enter_expr(&mut self, node: &mut Expr) -> ControlFlow<()>;
    fn leave_expr(&mut self, node: &mut Expr) -> ControlFlow<()>;
    fn enter_statement(&mut self, node: &mut Statement) -> ControlFlow<()>;
    fn leave_statement(&mut self, node: &mut Statement) -> ControlFlow<()>;
    fn enter_value(&mut self, node: &mut ValueWithSpan) -> ControlFlow<()>;
    fn leave_value(&mut self, node: &mut ValueWithSpan) -> ControlFlow<()>;
}

/// A visitor and what it broke with.
struct Editor<'a, V: VisitorMut> {
    visitor: &'a mut V,
    broken: Option<V::Break>,
}

impl<V: VisitorMut> Editor<'_, V> {
    fn keep(&mut self, flow: ControlFlow<V::Break>) -> ControlFlow<()> {
        match flow {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(with) => {
                self.broken = Some(with);
                ControlFlow::Break(())
            }
        }
    }
}

impl<V: VisitorMut> EditCalls for Editor<'_, V> {
    fn enter_query(&mut self, node: &mut Query) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_query(node);
        self.keep(flow)
    }

    fn leave_query(&mut self, node: &mut Query) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_query(node);
        self.keep(flow)
    }

    fn enter_select(&mut self, node: &mut Select) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_select(node);
        self.keep(flow)
    }

    fn leave_select(&mut self, node: &mut Select) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_select(node);
        self.keep(flow)
    }

    fn enter_relation(&mut self, node: &mut ObjectName) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_relation(node);
        self.keep(flow)
    }

    fn leave_relation(&mut self, node: &mut ObjectName) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_relation(node);
        self.keep(flow)
    }

    fn enter_table_factor(&mut self, node: &mut TableFactor) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_table_factor(node);
        self.keep(flow)
    }

    fn leave_table_factor(&mut self, node: &mut TableFactor) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_table_factor(node);
        self.keep(flow)
    }

    fn enter_expr(&mut self, node: &mut Expr) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_expr(node);
        self.keep(flow)
    }

    fn leave_expr(&mut self, node: &mut Expr) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_expr(node);
        self.keep(flow)
    }

    fn enter_statement(&mut self, node: &mut Statement) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_statement(node);
        self.keep(flow)
    }

    fn leave_statement(&mut self, node: &mut Statement) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_statement(node);
        self.keep(flow)
    }

    fn enter_value(&mut self, node: &mut ValueWithSpan) -> ControlFlow<()> {
        let flow = self.visitor.pre_visit_value(node);
        self.keep(flow)
    }

    fn leave_value(&mut self, node: &mut ValueWithSpan) -> ControlFlow<()> {
        let flow = self.visitor.post_visit_value(node);
        self.keep(flow)
    }
}

/// The one visitor that sqlparser's walk is compiled for.
struct AnyEditor<'a>(&'a mut dyn EditCalls);

impl VisitorMut for AnyEditor<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, node: &mut Query) -> ControlFlow<()> {
        self.0.enter_query(node)
    }

    fn post_visit_query(&mut self, node: &mut Query) -> ControlFlow<()> {
        self.0.leave_query(node)
    }

    fn pre_visit_select(&mut self, node: &mut Select) -> ControlFlow<()> {
        self.0.enter_select(node)
    }

    fn post_visit_select(&mut self, node: &mut Select) -> ControlFlow<()> {
        self.0.leave_select(node)
    }

    fn pre_visit_relation(&mut self, node: &mut ObjectName) -> ControlFlow<()> {
        self.0.enter_relation(node)
    }

    fn post_visit_relation(&mut self, node: &mut ObjectName) -> ControlFlow<()> {
        self.0.leave_relation(node)
    }

    fn pre_visit_table_factor(&mut self, node: &mut TableFactor) -> ControlFlow<()> {
        self.0.enter_table_factor(node)
    }

    fn post_visit_table_factor(&mut self, node: &mut TableFactor) -> ControlFlow<()> {
        self.0.leave_table_factor(node)
    }

    fn pre_visit_expr(&mut self, node: &mut Expr) -> ControlFlow<()> {
        self.0.enter_expr(node)
    }

    fn post_visit_expr(&mut self, node: &mut Expr) -> ControlFlow<()> {
        self.0.leave_expr(node)
    }

    fn pre_visit_statement(&mut self, node: &mut Statement) -> ControlFlow<()> {
        self.0.enter_statement(node)
    }

    fn post_visit_statement(&mut self, node: &mut Statement) -> ControlFlow<()> {
        self.0.leave_statement(node)
    }

    fn pre_visit_value(&mut self, node: &mut ValueWithSpan) -> ControlFlow<()> {
        self.0.enter_value(node)
    }

    fn post_visit_value(&mut self, node: &mut ValueWithSpan) -> ControlFlow<()> {
        self.0.leave_value(node)
    }
}

mod sealed {
    use std::ops::ControlFlow;

    /// The two walks of a kind of node, compiled in this crate alone.
    pub trait Walk {
        #[doc(hidden)]
        fn read(&self, visitor: &mut super::AnyReaderRef<'_>) -> ControlFlow<()>;
        #[doc(hidden)]
        fn edit(&mut self, visitor: &mut super::AnyEditorRef<'_>) -> ControlFlow<()>;
    }
}

/// What hides the tables of calls from other crates.
pub struct AnyReaderRef<'a>(AnyReader<'a>);
/// As [`AnyReaderRef`].
pub struct AnyEditorRef<'a>(AnyEditor<'a>);

/// A part of a statement that can be walked.
pub trait Node: sealed::Walk {}

macro_rules! nodes {
    ($($node:ty),* $(,)?) => {
        $(
            impl sealed::Walk for $node {
                fn read(&self, visitor: &mut AnyReaderRef<'_>) -> ControlFlow<()> {
                    Visit::visit(self, &mut visitor.0)
                }

                fn edit(&mut self, visitor: &mut AnyEditorRef<'_>) -> ControlFlow<()> {
                    VisitMut::visit(self, &mut visitor.0)
                }
            }

            impl Node for $node {}
        )*
    };
}

nodes!(
    Statement,
    Query,
    Select,
    SelectItem,
    Expr,
    Vec<TableWithJoins>
);

/// Shows every part of a node to a visitor, as [`Visit::visit`] does.
pub fn walk<N: Node + ?Sized, V: Visitor>(node: &N, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut reader = Reader {
        visitor,
        broken: None,
    };
    let _ = node.read(&mut AnyReaderRef(AnyReader(&mut reader)));
    reader
        .broken
        .map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Lets a visitor change every part of a node, as [`VisitMut::visit`] does.
pub fn walk_mut<N: Node + ?Sized, V: VisitorMut>(
    node: &mut N,
    visitor: &mut V,
) -> ControlFlow<V::Break> {
    let mut editor = Editor {
        visitor,
        broken: None,
    };
    let _ = node.edit(&mut AnyEditorRef(AnyEditor(&mut editor)));
    editor
        .broken
        .map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

struct Expressions<F>(F);

impl<B, F: FnMut(&Expr) -> ControlFlow<B>> Visitor for Expressions<F> {
    type Break = B;

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<B> {
        (self.0)(expr)
    }
}

impl<B, F: FnMut(&mut Expr) -> ControlFlow<B>> VisitorMut for Expressions<F> {
    type Break = B;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
        (self.0)(expr)
    }
}

/// Calls `see` with every expression of a node, the inner ones first.
pub fn each_expression<B>(
    node: &impl Node,
    see: impl FnMut(&Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    walk(node, &mut Expressions(see))
}

/// Calls `change` with every expression of a node, the inner ones first.
pub fn each_expression_mut<B>(
    node: &mut impl Node,
    change: impl FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    walk_mut(node, &mut Expressions(change))
}

struct Relations<F>(F);

impl<B, F: FnMut(&ObjectName) -> ControlFlow<B>> Visitor for Relations<F> {
    type Break = B;

    fn post_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<B> {
        (self.0)(relation)
    }
}

/// Calls `see` with the name of every relation of a node.
pub fn each_relation<B>(
    node: &impl Node,
    see: impl FnMut(&ObjectName) -> ControlFlow<B>,
) -> ControlFlow<B> {
    walk(node, &mut Relations(see))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Ident;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parsed(sql: &str) -> Statement {
        Parser::parse_sql(&PostgreSqlDialect {}, sql)
            .unwrap()
            .remove(0)
    }

    #[test]
    fn a_walk_sees_all_changes_all_and_stops_where_its_visitor_does() {
        let mut statement = parsed("SELECT a FROM t WHERE b IN (SELECT c FROM u)");
        let mut relations = Vec::new();
        let _ = each_relation(&statement, |name| {
            relations.push(name.to_string());
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(relations, ["t", "u"]);
        let _ = each_expression_mut(&mut statement, |expr| {
            if let Expr::Identifier(name) = expr {
                *name = Ident::new(name.value.to_uppercase());
            }
            ControlFlow::<()>::Continue(())
        });
        let shown = statement.to_string();
        assert_eq!(shown, "SELECT A FROM t WHERE B IN (SELECT C FROM u)");
        let stopped = each_expression(&statement, |expr| match expr {
            Expr::Identifier(name) if name.value == "C" => ControlFlow::Break(name.value.clone()),
            _ => ControlFlow::Continue(()),
        });
        assert_eq!(stopped, ControlFlow::Break("C".to_string()));
    }
}
