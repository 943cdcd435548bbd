//! What does a fitted tree model hold, and how does it become bytes? Eight bytes a node: a split is an f32 cut, an input,
//! the side of missing values and the left child (the right one follows it); a leaf keeps its value in place of the cut
//! and points at itself, so that a traversal of fixed length needs no test for leaves.

use super::categories::StatisticTable;
use super::encode::INPUTS_MAX;
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

/// A number that trees ask about, made of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    /// The column's number.
    Number { column: u32 },
    /// 1 when the column has this level, else 0; [`MISSING_LEVEL`] asks whether it is missing.
    Level { column: u32, level: u32 },
    /// The column's level, looked up in a statistics table.
    Statistic { column: u32, table: u32 },
}

impl Input {
    pub(crate) fn column(self) -> u32 {
        match self {
            Self::Number { column }
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

/// One split or leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// Cut of a split, value of a leaf.
    pub(crate) value: f32,
    /// Left child (16 bits), input (15 bits), missing goes left (1 bit).
    pub(crate) packed: u32,
}

/// The input that is always missing; leaves ask for it and so point at themselves.
pub(crate) const ABSENT: u32 = 0;

impl Node {
    /// A leaf at position `at` of its tree.
    pub(crate) fn leaf(at: usize, value: f32) -> Self {
        Self {
            value,
            packed: (at as u32) << 16 | ABSENT << 1 | 1,
        }
    }

    /// A split; `input` counts from 1, since 0 is the absent input.
    pub(crate) fn split(cut: f32, input: u32, missing_left: bool, left: usize) -> Self {
        Self {
            value: cut,
            packed: (left as u32) << 16 | input << 1 | u32::from(missing_left),
        }
    }

    #[inline(always)]
    pub(crate) fn left(self) -> usize {
        (self.packed >> 16) as usize
    }

    #[inline(always)]
    pub(crate) fn input(self) -> usize {
        (self.packed >> 1 & 0x7fff) as usize
    }

    #[inline(always)]
    pub(crate) fn missing_left(self) -> bool {
        self.packed & 1 == 1
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
                out.f32(node.value);
                out.u32(node.packed);
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
        let table_count = from.count("statistics tables", INPUTS_MAX, 12)?;
        let tables = (0..table_count)
            .map(|_| StatisticTable::read(from))
            .collect::<Result<Vec<_>, _>>()?;
        let input_count = from.count("inputs", INPUTS_MAX, 5)?;
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

fn write_input(input: Input, out: &mut Writer) {
    match input {
        Input::Number { column } => {
            out.u8(0);
            out.u32(column);
        }
        Input::Level { column, level } => {
            out.u8(1);
            out.u32(column);
            out.u32(level);
        }
        Input::Statistic { column, table } => {
            out.u8(2);
            out.u32(column);
            out.u32(table);
        }
    }
}

fn read_input(
    from: &mut Reader,
    columns: &[ColumnKind],
    tables: usize,
) -> Result<Input, DecodeError> {
    let kind = from.u8()?;
    let column = from.bounded("an input's column", columns.len().saturating_sub(1))? as u32;
    let found = columns.get(column as usize).ok_or(DecodeError::Invalid {
        what: "an input's column",
    })?;
    let input = match (kind, found) {
        (0, ColumnKind::Numeric) => Input::Number { column },
        (1, ColumnKind::Categorical) => {
            let level = from.u32()?;
            if level != MISSING_LEVEL && level as usize >= LEVELS_MAX {
                return Err(DecodeError::Invalid {
                    what: "an input's level",
                });
            }
            Input::Level { column, level }
        }
        (2, ColumnKind::Categorical) if tables > 0 => Input::Statistic {
            column,
            table: from.bounded("an input's table", tables - 1)? as u32,
        },
        _ => return Err(DecodeError::Invalid { what: "an input" }),
    };
    Ok(input)
}

/// Reads one tree and checks what traversal relies on: children inside the tree and after their parent, inputs that
/// exist, leaves that point at themselves, and a depth that no path exceeds.
fn read_tree(from: &mut Reader, inputs: usize, nodes: &mut Vec<Node>) -> Result<Tree, DecodeError> {
    let depth = from.bounded("a tree's depth", TREE_NODES_MAX)? as u32;
    let count = from.count("a tree's nodes", TREE_NODES_MAX, 8)?;
    let start = nodes.len();
    if count == 0 || start + count > NODES_MAX {
        return Err(DecodeError::Invalid {
            what: "the number of nodes",
        });
    }
    for _ in 0..count {
        nodes.push(Node {
            value: from.f32()?,
            packed: from.u32()?,
        });
    }
    let mut depths = vec![0u32; count];
    for (position, node) in nodes[start..].iter().enumerate() {
        let leaf = node.input() == ABSENT as usize;
        let ok = if leaf {
            *node == Node::leaf(position, node.value) && node.value.is_finite()
        } else {
            node.input() <= inputs
                && node.left() > position
                && node.left() + 1 < count
                && !node.value.is_nan()
        };
        if !ok {
            return Err(DecodeError::Invalid {
                what: "a tree node",
            });
        }
        if !leaf {
            let below = depths[position] + 1;
            for child in [node.left(), node.left() + 1] {
                depths[child] = depths[child].max(below);
            }
        }
    }
    if depths.iter().any(|&found| found > depth) {
        return Err(DecodeError::Invalid {
            what: "a tree's depth",
        });
    }
    Ok(Tree {
        start: start as u32,
        depth,
    })
}
