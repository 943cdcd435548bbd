//! What do the options of a fit come to? The order of splits, the columns of a tree and the factor on softmax's hessian,
//! for the CPU and the GPU alike.

use super::grow::Order;
use super::model::TREE_NODES_MAX;
use super::options::{CheckedTreesOptions, Growth};
use super::sides::Plan;

/// Leaves of one tree at most.
const LEAVES_MAX: usize = TREE_NODES_MAX.div_ceil(2);

/// Which leaf is split next, the most leaves and the most splits between root and leaf.
pub(crate) fn order(options: &CheckedTreesOptions) -> (Order, usize, usize) {
    let asked = if options.max_leaves == 0 {
        LEAVES_MAX
    } else {
        options.max_leaves as usize
    };
    let depth_max = if options.max_depth == 0 {
        usize::MAX
    } else {
        options.max_depth as usize
    };
    let depth_caps = options.max_leaves == 0 && depth_max <= 15;
    let order = match options.growth {
        _ if depth_caps => Order::Newest,
        Growth::Leaf if options.max_leaves != 0 => Order::LargestGain,
        _ => Order::Oldest,
    };
    (order, asked.min(LEAVES_MAX), depth_max)
}

/// Columns that a tree sees of `count`.
pub(crate) fn columns_wanted(options: &CheckedTreesOptions, count: usize) -> usize {
    (options.column_fraction * count as f64).ceil().max(1.0) as usize
}

/// Factor on the hessian of softmax.
pub(crate) fn softmax_factor(options: &CheckedTreesOptions, plan: &Plan) -> f64 {
    let classes = plan.outputs as f64;
    match options.softmax_factor {
        0.0 => classes / (classes - 1.0).max(1.0),
        factor => factor,
    }
}
