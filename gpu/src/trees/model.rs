//! What does a fitted tree model hold, and how does it become bytes? Eight bytes a node: a split is an f32 cut, an input
//! and the left child (the right one follows it); a leaf keeps its value in place of the cut and points at itself, so that
//! a traversal of fixed length needs no test for leaves.

use super::bins::{from_order_key, order_key};
use super::categories::StatisticTable;
use super::encode::FEATURES_MAX;
use super::ranked::Prepared;
use crate::bytes::{Reader, Writer};
use crate::error::DecodeError;
use crate::matrix::{CLASSES_MAX, COLUMNS_MAX, LEVELS_MAX, MISSING_LEVEL};

/// Nodes of one tree at most; children are 16-bit numbers.
pub(crate) const TREE_NODES_MAX: usize = 65_535;
/// Trees of one model at most.
const TREES_MAX: usize = 10_000_000;
/// Nodes of one model at most.
const NODES_MAX: usize = 1 << 30;

/// What a column must be when the model scores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Numeric,
    Categorical,
}

/// Where a row goes whose input is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingSide {
    Left,
    Right,
}

/// A number that trees ask about, made of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The column's number.
    Number { column: u32, missing: MissingSide },
    /// 1 when the column has this level (or is missing, if so asked), else 0; [`MISSING_LEVEL`] asks for missing alone.
    Level {
        column: u32,
        level: u32,
        or_missing: bool,
    },
    /// The column's level, looked up in a statistics table.
    Statistic {
        column: u32,
        table: u32,
        missing: MissingSide,
    },
}

impl Input {
    pub(crate) fn column(self) -> u32 {
        match self {
            Self::Number { column, .. }
            | Self::Level { column, .. }
            | Self::Statistic { column, .. } => column,
        }
    }
}

/// How summed scores become answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// The score itself.
    Identity,
    /// e^score.
    Exp,
    /// Probability of class 1.
    Logistic,
    /// Probabilities of all classes.
    Softmax,
    /// Scores are class shares; clipped and scaled to sum to 1.
    Shares,
}

/// One split or leaf: a row goes to `left` when its input's key is at most `key`, else to the node after.
///
/// Keys are floats mapped to unsigned integers of the same order (see [`super::bins::order_key`]), so that a step is one
/// comparison whose carry is added to the child's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Node {
    /// Key of the cut; for a leaf, the bits of its value.
    pub(crate) key: u32,
    /// Input number, counted from 1; [`ABSENT`] marks a leaf.
    pub(crate) input: u16,
    /// Left child; the right one follows it. A leaf points at itself.
    pub(crate) left: u16,
}

/// The input whose key is always 0 and never exceeds anything, so that rows stay on a leaf.
pub(crate) const ABSENT: u16 = 0;

impl Node {
    /// A leaf at position `at` of its tree; a value beyond all numbers, as a learning rate of 10 makes them, is the last
    /// one.
    pub(crate) fn leaf(at: usize, value: f32) -> Self {
        Self {
            key: value.clamp(f32::MIN, f32::MAX).to_bits(),
            input: ABSENT,
            left: at as u16,
        }
    }

    pub(crate) fn split(cut: f32, input: u16, left: usize) -> Self {
        Self {
            key: order_key(cut),
            input,
            left: left as u16,
        }
    }

    pub(crate) fn is_leaf(self) -> bool {
        self.input == ABSENT
    }

    /// Value of a leaf.
    #[inline(always)]
    pub(crate) fn value(self) -> f32 {
        f32::from_bits(self.key)
    }
}

/// Where a tree starts among the nodes, and its longest path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) start: u32,
    pub(crate) depth: u32,
}

/// A fitted tree ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct TreesModel {
    pub(crate) columns: Vec<ColumnKind>,
    pub(crate) link: Link,
    /// Number of classes; 0 for numbers.
    pub(crate) classes: u32,
    /// Starting score of each output.
    pub(crate) base: Vec<f64>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) tables: Vec<StatisticTable>,
    /// Tree `t` adds to output `t % base.len()`.
    pub(crate) trees: Vec<Tree>,
    pub(crate) nodes: Vec<Node>,
    /// Gain that each column's splits brought.
    pub(crate) importance: Vec<f64>,
    pub(crate) prepared: Prepared,
}

impl TreesModel {
    /// Columns the model scores.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Trees, over all outputs.
    pub fn tree_count(&self) -> usize {
        self.trees.len()
    }

    /// Splits and leaves of all trees.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Longest path of any tree, in splits.
    pub fn depth(&self) -> u32 {
        self.trees.iter().map(|tree| tree.depth).max().unwrap_or(0)
    }

    /// Loss reduction that each column's splits brought, in the units of the objective.
    pub fn importance(&self) -> &[f64] {
        &self.importance
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(match self.link {
            Link::Identity => 0,
            Link::Exp => 1,
            Link::Logistic => 2,
            Link::Softmax => 3,
            Link::Shares => 4,
        });
        out.u32(self.classes);
        out.count(self.columns.len());
        for (kind, &gain) in self.columns.iter().zip(&self.importance) {
            out.u8(u8::from(*kind == ColumnKind::Categorical));
            out.f64(gain);
        }
        out.f64s(&self.base);
        out.count(self.tables.len());
        self.tables.iter().for_each(|table| table.write(out));
        out.count(self.inputs.len());
        self.inputs
            .iter()
            .for_each(|&input| write_input(input, out));
        out.count(self.trees.len());
        for (position, tree) in self.trees.iter().enumerate() {
            let nodes = self.tree_nodes(position);
            out.u32(tree.depth);
            out.count(nodes.len());
            for node in nodes {
                out.f32(if node.is_leaf() {
                    node.value()
                } else {
                    from_order_key(node.key)
                });
                out.u16(node.input);
                out.u16(node.left);
            }
        }
    }

    pub(crate) fn tree_nodes(&self, position: usize) -> &[Node] {
        let start = self.trees[position].start as usize;
        let end = self
            .trees
            .get(position + 1)
            .map_or(self.nodes.len(), |next| next.start as usize);
        &self.nodes[start..end]
    }

    pub(crate) fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        let link = match from.u8()? {
            0 => Link::Identity,
            1 => Link::Exp,
            2 => Link::Logistic,
            3 => Link::Softmax,
            4 => Link::Shares,
            _ => return Err(DecodeError::Invalid { what: "the link" }),
        };
        let classes = from.bounded("classes", CLASSES_MAX)? as u32;
        let column_count = from.count("columns", COLUMNS_MAX, 9)?;
        let (mut columns, mut importance) = (
            Vec::with_capacity(column_count),
            Vec::with_capacity(column_count),
        );
        for _ in 0..column_count {
            columns.push(if from.u8()? == 0 {
                ColumnKind::Numeric
            } else {
                ColumnKind::Categorical
            });
            importance.push(from.finite("an importance")?);
        }
        let base = from.finite_f64s("starting scores", CLASSES_MAX)?;
        check_outputs(link, classes, base.len())?;
        let table_count = from.count("statistics tables", FEATURES_MAX, 12)?;
        let tables = (0..table_count)
            .map(|_| StatisticTable::read(from))
            .collect::<Result<Vec<_>, _>>()?;
        let input_count = from.count("inputs", 2 * FEATURES_MAX, 5)?;
        let inputs = (0..input_count)
            .map(|_| read_input(from, &columns, table_count))
            .collect::<Result<Vec<_>, _>>()?;
        let tree_count = from.count("trees", TREES_MAX, 16)?;
        let mut trees = Vec::with_capacity(tree_count);
        let mut nodes = Vec::new();
        for _ in 0..tree_count {
            trees.push(read_tree(from, input_count, &mut nodes)?);
        }
        Ok(Self {
            columns,
            link,
            classes,
            base,
            inputs,
            tables,
            trees,
            nodes,
            importance,
            prepared: Prepared::default(),
        })
    }
}

fn check_outputs(link: Link, classes: u32, outputs: usize) -> Result<(), DecodeError> {
    let fits = match link {
        Link::Identity | Link::Exp => classes == 0 && outputs == 1,
        Link::Logistic => (1..=2).contains(&classes) && outputs == 1,
        Link::Softmax => classes >= 1 && outputs == classes as usize,
        Link::Shares => {
            classes >= 1 && (outputs == classes as usize || (classes <= 2 && outputs == 1))
        }
    };
    if fits {
        Ok(())
    } else {
        Err(DecodeError::Invalid {
            what: "the number of outputs",
        })
    }
}

/// Kind of an input, with the side of its missing values.
fn write_input(input: Input, out: &mut Writer) {
    let side = |missing| u8::from(missing == MissingSide::Left);
    match input {
        Input::Number { column, missing } => {
            out.u8(side(missing));
            out.u32(column);
        }
        Input::Statistic {
            column,
            table,
            missing,
        } => {
            out.u8(2 + side(missing));
            out.u32(column);
            out.u32(table);
        }
        Input::Level {
            column,
            level,
            or_missing,
        } => {
            out.u8(4 + u8::from(or_missing));
            out.u32(column);
            out.u32(level);
        }
    }
}

fn read_input(
    from: &mut Reader,
    columns: &[ColumnKind],
    tables: usize,
) -> Result<Input, DecodeError> {
    const WHAT: &str = "an input";
    let kind = from.u8()?;
    let column = from.bounded("an input's column", columns.len().saturating_sub(1))? as u32;
    let found = columns
        .get(column as usize)
        .ok_or(DecodeError::Invalid { what: WHAT })?;
    let missing = if kind % 2 == 1 {
        MissingSide::Left
    } else {
        MissingSide::Right
    };
    match (kind, found) {
        (0 | 1, ColumnKind::Numeric) => Ok(Input::Number { column, missing }),
        (2 | 3, ColumnKind::Categorical) if tables > 0 => {
            let table = from.bounded("an input's table", tables - 1)? as u32;
            Ok(Input::Statistic {
                column,
                table,
                missing,
            })
        }
        (4 | 5, ColumnKind::Categorical) => {
            let level = from.u32()?;
            if level != MISSING_LEVEL && level as usize >= LEVELS_MAX {
                return Err(DecodeError::Invalid { what: WHAT });
            }
            Ok(Input::Level {
                column,
                level,
                or_missing: kind == 5,
            })
        }
        _ => Err(DecodeError::Invalid { what: WHAT }),
    }
}

/// Reads one tree and checks what traversal relies on: children inside the tree, after their parent and no other's, inputs
/// that exist, leaves that point at themselves, and a depth that is the longest path's.
fn read_tree(from: &mut Reader, inputs: usize, nodes: &mut Vec<Node>) -> Result<Tree, DecodeError> {
    let depth = from.bounded("a tree's depth", TREE_NODES_MAX)? as u32;
    let count = from.count("a tree's nodes", TREE_NODES_MAX, 8)?;
    let start = nodes.len();
    if count == 0 || start + count > NODES_MAX {
        return Err(DecodeError::Invalid {
            what: "the number of nodes",
        });
    }
    let mut depths = vec![0u32; count];
    for position in 0..count {
        if position > 0 && depths[position] == 0 {
            return Err(DecodeError::Invalid {
                what: "a node without a parent",
            });
        }
        let (value, input, left) = (from.f32()?, from.u16()?, from.u16()?);
        let first = usize::from(left);
        if input == ABSENT {
            if first != position || !value.is_finite() {
                return Err(DecodeError::Invalid { what: "a leaf" });
            }
            nodes.push(Node::leaf(position, value));
            continue;
        }
        if usize::from(input) > inputs || first <= position || first + 1 >= count || value.is_nan()
        {
            return Err(DecodeError::Invalid { what: "a split" });
        }
        nodes.push(Node::split(value, input, first));
        for child in [first, first + 1] {
            if depths[child] != 0 {
                return Err(DecodeError::Invalid {
                    what: "a child of two splits",
                });
            }
            depths[child] = depths[position] + 1;
        }
    }
    // A depth beyond the longest path would only make walks longer.
    if depths.iter().max() != Some(&depth) {
        return Err(DecodeError::Invalid {
            what: "a tree's depth",
        });
    }
    Ok(Tree {
        start: start as u32,
        depth,
    })
}
