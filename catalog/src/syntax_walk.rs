//! How is the tree of a statement walked, without compiling the walk once for every visitor?
//!
//! sqlparser's walk is generic over its visitor, and one walk over every kind of node is a megabyte of code. Here all
//! visitors share two walks, one that reads and one that changes; what they do at a node is called through a table.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, SelectItem, Statement, TableFactor, TableWithJoins,
    ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// How a reading visitor is given a node.
type Read<'a, T> = &'a T;
/// How an editing visitor is given a node.
type Edit<'a, T> = &'a mut T;

/// One compiled walk for the visitors of a trait of sqlparser's: `$calls` is the table of a visitor's calls, whatever it
/// breaks with; `$kept` is a visitor and what it broke with; `$any` is the one visitor that the walk is compiled for.
///
/// Reading and editing have a list of calls between them here, so that neither walk can lack what the other has.
macro_rules! compiled_walk {
    ($visitor:ident, $node:ident, $calls:ident, $kept:ident, $any:ident) => {
        compiled_walk!(
            $visitor, $node, $calls, $kept, $any:
            pre_visit_query(Query),
            post_visit_query(Query),
            pre_visit_select(Select),
            post_visit_select(Select),
            pre_visit_relation(ObjectName),
            post_visit_relation(ObjectName),
            pre_visit_table_factor(TableFactor),
            post_visit_table_factor(TableFactor),
            pre_visit_expr(Expr),
            post_visit_expr(Expr),
            pre_visit_statement(Statement),
            post_visit_statement(Statement),
            pre_visit_value(ValueWithSpan),
            post_visit_value(ValueWithSpan),
        );
    };
    (
        $visitor:ident, $node:ident, $calls:ident, $kept:ident, $any:ident:
        $($visit:ident($kind:ty)),+ $(,)?
    ) => {
        trait $calls {
            $(fn $visit(&mut self, node: $node<'_, $kind>) -> ControlFlow<()>;)+
        }

        struct $kept<'a, V: $visitor> {
            visitor: &'a mut V,
            broken: Option<V::Break>,
        }

        impl<V: $visitor> $calls for $kept<'_, V> {
            $(fn $visit(&mut self, node: $node<'_, $kind>) -> ControlFlow<()> {
                self.visitor.$visit(node).map_break(|with| self.broken = Some(with))
            })+
        }

        struct $any<'a>(&'a mut dyn $calls);

        impl $visitor for $any<'_> {
            type Break = ();

            $(fn $visit(&mut self, node: $node<'_, $kind>) -> ControlFlow<()> {
                self.0.$visit(node)
            })+
        }
    };
}

compiled_walk!(Visitor, Read, ReadCalls, Reader, AnyReader);
compiled_walk!(VisitorMut, Edit, EditCalls, Editor, AnyEditor);

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

/// As [`walk`], for a visitor that breaks with an error.
///
/// # Errors
/// What the visitor broke with.
pub fn try_walk<N: Node + ?Sized, E>(
    node: &N,
    visitor: &mut impl Visitor<Break = Box<E>>,
) -> Result<(), E> {
    match walk(node, visitor) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// As [`walk_mut`], for a visitor that breaks with an error.
///
/// # Errors
/// What the visitor broke with.
pub fn try_walk_mut<N: Node + ?Sized, E>(
    node: &mut N,
    visitor: &mut impl VisitorMut<Break = Box<E>>,
) -> Result<(), E> {
    match walk_mut(node, visitor) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
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
