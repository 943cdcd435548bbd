//! How does a grown tree become nodes of the model? Level by level, its features renamed to the inputs that prediction
//! computes.

use super::bins::{Feature, Scale, Source};
use super::encode::Encoded;
use super::grow::Grower;
use super::model::{ColumnKind, Input, MissingSide, Node, Tree, TreesModel};
use super::ranked::Prepared;
use super::sides::Plan;
use crate::matrix::{Column, Dataset, MISSING_LEVEL};

/// The model under construction.
pub(crate) struct Recorder {
    pub(crate) inputs: Vec<Input>,
    pub(crate) trees: Vec<Tree>,
    pub(crate) nodes: Vec<Node>,
    /// (tree, column, gain) of every split.
    gains: Vec<(u32, u32, f64)>,
    /// Per feature, number of the input of each way to ask for it (side of missing values, or level); 0 while unused.
    numbers: Vec<Vec<u16>>,
    /// Nodes of the tree being written, with their depths.
    queue: Vec<(u32, u32)>,
}

impl Recorder {
    pub(crate) fn new(features: &[Feature]) -> Self {
        let width = |feature: &Feature| 2 * if feature.is_levels() { feature.bins } else { 1 };
        Self {
            inputs: Vec::new(),
            trees: Vec::new(),
            nodes: Vec::new(),
            gains: Vec::new(),
            numbers: features
                .iter()
                .map(|feature| vec![0; width(feature)])
                .collect(),
            queue: Vec::new(),
        }
    }

    pub(crate) fn tree_count(&self) -> usize {
        self.trees.len()
    }

    /// Keeps the first `trees` trees.
    pub(crate) fn truncate(&mut self, trees: usize) {
        if let Some(tree) = self.trees.get(trees) {
            self.nodes.truncate(tree.start as usize);
        }
        self.trees.truncate(trees);
        self.gains.retain(|&(tree, ..)| (tree as usize) < trees);
    }

    /// Gain of each column over all trees.
    pub(crate) fn importance(&self, columns: usize) -> Vec<f64> {
        let mut sums = vec![0.0; columns];
        self.gains
            .iter()
            .for_each(|&(_, column, gain)| sums[column as usize] += gain);
        sums
    }

    /// Appends a tree that adds nothing.
    pub(crate) fn stump(&mut self) {
        self.trees.push(Tree {
            start: self.nodes.len() as u32,
            depth: 0,
        });
        self.nodes.push(Node::leaf(0, 0.0));
    }

    /// Appends the tree that `grown` holds; `gain_unit` turns its gains into those of the objective.
    pub(crate) fn tree(&mut self, grown: &Grower, features: &[Feature], gain_unit: f64) {
        let start = self.nodes.len();
        for &(feature, gain) in &grown.gains {
            let column = features[feature as usize].source.column();
            self.gains
                .push((self.trees.len() as u32, column, gain * gain_unit));
        }
        self.queue.clear();
        self.queue.push((0, 0));
        let mut next = 0;
        let mut depth = 0;
        while next < self.queue.len() {
            let (from, level) = self.queue[next];
            let node = grown.nodes[from as usize];
            depth = depth.max(level);
            if node.left == 0 {
                self.nodes.push(Node::leaf(next, node.value as f32));
            } else {
                let feature = &features[node.feature as usize];
                let (cut, input) = self.ask(node.feature, feature, node.bin, node.missing_left);
                self.nodes.push(Node::split(cut, input, self.queue.len()));
                // "Has the level" is an input of 1, which exceeds the cut and so goes right.
                let (first, second) = if feature.is_levels() {
                    (node.left + 1, node.left)
                } else {
                    (node.left, node.left + 1)
                };
                self.queue.extend([(first, level + 1), (second, level + 1)]);
            }
            next += 1;
        }
        self.trees.push(Tree {
            start: start as u32,
            depth,
        });
    }

    /// The model of the recorded trees.
    pub(crate) fn model(
        self,
        data: &Dataset,
        plan: &Plan,
        base: Vec<f64>,
        encoded: &Encoded,
    ) -> TreesModel {
        let columns = data.features().columns();
        let kind = |column: &Column| match column {
            Column::Numeric(_) => ColumnKind::Numeric,
            Column::Categorical { .. } => ColumnKind::Categorical,
        };
        TreesModel {
            columns: columns.iter().map(kind).collect(),
            link: plan.link,
            classes: plan.classes,
            base,
            tables: encoded.tables.clone(),
            importance: self.importance(columns.len()),
            inputs: self.inputs,
            trees: self.trees,
            nodes: self.nodes,
            prepared: Prepared::default(),
        }
    }

    /// Cut and input number of a split in the model's terms.
    fn ask(&mut self, id: u32, feature: &Feature, bin: u8, missing_left: bool) -> (f32, u16) {
        let bin = usize::from(bin);
        let missing = if missing_left {
            MissingSide::Left
        } else {
            MissingSide::Right
        };
        let column = feature.source.column();
        let (way, cut, input) = match (&feature.scale, feature.source) {
            (Scale::Levels { levels }, _) => {
                let level = if bin == 0 {
                    MISSING_LEVEL
                } else {
                    levels[bin - 1]
                };
                (
                    2 * bin + usize::from(missing_left),
                    0.5,
                    Input::Level {
                        column,
                        level,
                        or_missing: missing_left,
                    },
                )
            }
            (Scale::Ordered { cuts }, source) => {
                // The last bin: every number goes left and only missing values right.
                let cut = cuts.get(bin - 1).copied().unwrap_or(f32::INFINITY);
                let input = match source {
                    Source::Column(column) => Input::Number { column, missing },
                    Source::Statistic { column, table } => Input::Statistic {
                        column,
                        table,
                        missing,
                    },
                };
                (usize::from(missing_left), cut, input)
            }
        };
        let number = &mut self.numbers[id as usize][way];
        if *number == 0 {
            self.inputs.push(input);
            *number = self.inputs.len() as u16;
        }
        (cut, *number)
    }
}
