//! What do the trees of a model ask, and what do they answer? A read-only view for whoever exports or explains a model.

use super::bins::from_order_key;
use super::model::{Input, MissingSide, TreesModel};

/// What a split asks of a row; the answer "yes" leads to its first child.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Question {
    /// Is the column's number at most `cut`?
    AtMost {
        /// Position of the column.
        column: u32,
        /// Infinity where every number says yes and only missing ones say no.
        cut: f32,
        /// The answer of a missing number.
        missing: bool,
    },
    /// Is the statistic of the column's level at most `cut`?
    StatisticAtMost {
        /// Position of the column.
        column: u32,
        /// Number of the statistics table.
        table: u32,
        /// As in [`Question::AtMost`].
        cut: f32,
        /// The answer of a missing level.
        missing: bool,
    },
    /// Is the column's level another than `level`?
    Differs {
        /// Position of the column.
        column: u32,
        /// Code of the level, or [`crate::matrix::MISSING_LEVEL`] to ask whether there is one.
        level: u32,
        /// The answer of a missing level.
        missing: bool,
    },
}

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TreeNode {
    /// Adds `value` to the score.
    Leaf {
        /// What is added.
        value: f32,
    },
    /// Sends a row on.
    Split {
        /// What decides.
        question: Question,
        /// Position in the tree of the child for yes.
        yes: u32,
        /// Position in the tree of the child for no.
        no: u32,
    },
}

impl TreesModel {
    /// Starting score of each output; tree `t` adds to output `t` modulo their number.
    pub fn base_scores(&self) -> &[f64] {
        &self.base
    }

    /// The nodes of a tree, root first, children after their parents.
    ///
    /// # Panics
    /// When `tree` is not below [`TreesModel::tree_count`].
    pub fn tree(&self, tree: usize) -> impl Iterator<Item = TreeNode> + '_ {
        self.tree_nodes(tree).iter().map(|node| {
            if node.is_leaf() {
                return TreeNode::Leaf {
                    value: node.value(),
                };
            }
            let cut = from_order_key(node.key);
            let left = |side| side == MissingSide::Left;
            let question = match self.inputs[usize::from(node.input) - 1] {
                Input::Number { column, missing } => Question::AtMost {
                    column,
                    cut,
                    missing: left(missing),
                },
                Input::Statistic {
                    column,
                    table,
                    missing,
                } => Question::StatisticAtMost {
                    column,
                    table,
                    cut,
                    missing: left(missing),
                },
                Input::Level {
                    column,
                    level,
                    or_missing,
                } => Question::Differs {
                    column,
                    level,
                    missing: !or_missing,
                },
            };
            TreeNode::Split {
                question,
                yes: u32::from(node.left),
                no: u32::from(node.left) + 1,
            }
        })
    }
}
