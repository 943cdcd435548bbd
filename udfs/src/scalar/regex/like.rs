//! `regexp_like(text, expression [, flags])`: does an expression match somewhere?

use datafusion::logical_expr::Volatility;

use super::flags::Flags;
use super::memo::Memo;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `regexp_like`
pub static REGEXP_LIKE: ColumnFunction = ColumnFunction {
    name: "regexp_like",
    syntax: "regexp_like(text, expression [, flags])",
    description: "Whether a regular expression matches somewhere in a text",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Text], Kind::Boolean),
        Overload::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Boolean),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let texts = columns.text(0);
        let memo = Memo::new(columns, 1, 2, |letters| {
            Flags::parse_single(letters, "regexp_like")
        });
        columns.map_boolean(|row| Ok(memo.at(row)?.0.is_match(texts.value(row))))
    },
};
