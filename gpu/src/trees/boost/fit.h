/* What is one fit, and where in a block's memory does each part of it lie? `mod.rs` writes the same layout. */
#ifndef TARN_FIT_H
#define TARN_FIT_H

#include "../../device/block.h"

#define NO_SLOT 0xffffffffu

/* Gradients are scanned in units of 2^30, the largest possible sum. */
#define GRADIENT_UNIT (1.0f / 1073741824.0f)

/* Objectives, numbered as in `mod.rs`. */
#define SQUARED 0
#define HUBER 1
#define POISSON 2
#define TWEEDIE 3
#define LOGISTIC 4
#define SOFTMAX 5

/* Flags of a block of features. */
#define BLOCK_LEVELS 1u
#define BLOCK_PENALISED 2u

/* Parts of `Nodes.split`: grid slot << 16 | bin << 8 | flags. */
#define SPLIT_MISSING_LEFT 1u
#define SPLIT_PENALISED 2u

/* How a fit ended. */
#define STATUS_DONE 1
#define STATUS_LAYOUT 2
#define STATUS_FULL 3

/* One fit. Places are in words of 8 bytes. */
typedef struct {
    f64 learning_rate, l1, l2, category_l2, min_hessian, min_gain, row_fraction, parameter;
    f64 softmax_factor, base_magnitude, train_weight, valid_weight;
    u64 seed, bins_at, labels_at, weights_at, keys_at, grid_at, base_at, scratch_at, output_at;
    u32 rows_train, rows_valid, blocks, features, objective, outputs, weighted, units;
    u32 rounds, depth_max, leaves_max, min_rows, columns_wanted, sampled, early_stopping, train_loss;
    u32 histogram_len, histograms, nodes_max, width_max, runs_len, best_first, node_columns;
    u32 averaged, bootstrap, indicators;
    u32 tables_on_chip, rows_on_chip, bins_on_chip, table_words, row_words;
} Task;

/* What a fit answers, before its losses and trees: `rounds` training losses, as many held-out losses, and one word per
   tree, its first node << 16 | its number of nodes. */
typedef struct {
    u64 status, rounds_run, rounds_kept, trees;
} FitAnswer;

/* A node of a finished tree: two words. */
typedef struct {
    u32 split;
    /* Left child, counted from the tree's root; the right one follows it. 0 marks a leaf. */
    u32 left;
    /* Gain of a split, in the units of the objective, or value of a leaf. */
    f64 number;
} TreeNode;

/* The numbers that a block's threads share. */
typedef struct {
    f64 gradient_sums[SUM_LANES], hessian_sums[SUM_LANES];
    f64 gradient_scale, hessian_scale, leaf_gradient_scale, leaf_hessian_scale;
    /* The rules of splits in the units of the histograms. */
    f64 l1, l2, category_l2, min_hessian, min_gain;
    f64 best_loss, negligible;
    u64 place;
    u32 bag, nodes, level, level_end, depth, slots, leaves;
    u32 trees, rounds_run, rounds_kept, grew, stump, stop, full;
    /* Best first: the split that is taken next, and the nodes of the tree that it belongs to. */
    u64 top_gain, top_node;
    u32 tree_nodes;
    i32 root_g, root_h;
} BlockState;

/* A node's constants in the scan, as in `scan`; the second shift is for penalised blocks. */
typedef struct {
    i32 g, h, floor;
    f32 l1, h_factor, h_shift, penalised_shift, parent;
} ScanTotals;

/* Where everything of the block's fit is. */
typedef struct {
    const Task *task;
    BlockState *state;
    /* Read only. */
    const u8 *bins;
    const f64 *labels, *weights, *base;
    const u64 *keys, *grid;
    const u32 *slot_features, *feature_slots;
    /* Per row. */
    f64 *scores, *shares, *g, *h;
    i32 *packed_g, *packed_h;
    /* How often the bootstrap drew the row. */
    u32 *counts;
    u32 *row_node, *row_turn;
    /* Per node of the tree. */
    f64 *gain;
    u64 *leaf_g, *leaf_h;
    u32 *node_rows, *split, *left, *histogram;
    i32 *node_g, *node_h;
    /* Best first: the smallest gain on the way from the root, the parent, the number in the tree that is kept. */
    f64 *path_gain;
    u32 *parent, *number;
    /* The way from the root; see `child_path` in `grow.rs`. */
    u64 *path;
    /* Per node of the level that seeks a split. */
    u64 *best;
    ScanTotals *totals;
    f64 *slot_gain;
    u32 *slot_node, *slot_split;
    i32 *slot_g, *slot_h;
    /* Sums of runs of bins, per histogram held. */
    i32 *runs_g, *runs_h;
    /* Per histogram held and grid slot: what was drawn, whether the node sees the feature. */
    u64 *node_drawn;
    u32 *node_allowed;
    /* Per grid slot. */
    u64 *drawn;
    u32 *allowed;
    /* Histograms in the GPU's memory: gradients of all, then hessians. */
    i32 *sums;
    /* What comes out. */
    FitAnswer *answer;
    f64 *train_losses, *valid_losses;
    u64 *tree_places;
    u64 *nodes, *nodes_used;
    u64 nodes_max;
} Fit;

/* Bins of a run; see `sum_runs`. */
#define RUN 8
#define RUNS(bins) (((bins) + RUN - 1) / RUN)

typedef struct {
    u32 lanes, bins, offset, runs_offset, flags;
} Block;

DEVICE Block block_at(const Fit *fit, u32 index) {
    u64 shape = fit->grid[2 * index], place = fit->grid[2 * index + 1];
    Block block = {(u32)shape, (u32)(shape >> 32) & 0xffff, (u32)place, (u32)(place >> 32),
                   (u32)(shape >> 48)};
    return block;
}

/* Lays the fit out in the block's memory; 0 when the host laid it out otherwise. A barrier must follow. */
DEVICE int lay_out(Fit *fit, u64 *chip, u64 *scratch) {
    const Task *t = fit->task;
    u64 rows = (u64)t->rows_train + t->rows_valid, nodes = t->nodes_max, width = t->width_max;
    u64 slots = 8 * (u64)t->blocks;
    u64 **tables = t->tables_on_chip ? &chip : &scratch;
    u64 *start = *tables;
    fit->gain = (f64 *)take(tables, nodes);
    fit->leaf_g = take(tables, nodes);
    fit->leaf_h = take(tables, t->units ? 0 : nodes);
    fit->node_rows = (u32 *)take(tables, halves(nodes));
    fit->split = (u32 *)take(tables, halves(nodes));
    fit->left = (u32 *)take(tables, halves(nodes));
    fit->histogram = (u32 *)take(tables, halves(nodes));
    fit->node_g = (i32 *)take(tables, halves(nodes));
    fit->node_h = (i32 *)take(tables, halves(nodes));
    fit->best = take(tables, width);
    fit->totals = (ScanTotals *)take(tables, 4 * width);
    fit->slot_gain = (f64 *)take(tables, width);
    fit->slot_node = (u32 *)take(tables, halves(width));
    fit->slot_split = (u32 *)take(tables, halves(width));
    fit->slot_g = (i32 *)take(tables, halves(width));
    fit->slot_h = (i32 *)take(tables, halves(width));
    u64 ranked = t->best_first ? nodes : 0;
    fit->path_gain = (f64 *)take(tables, ranked);
    fit->parent = (u32 *)take(tables, halves(ranked));
    fit->number = (u32 *)take(tables, halves(ranked));
    fit->path = take(tables, t->node_columns ? nodes : 0);
    u64 node_slots = t->node_columns ? t->histograms * slots : 0;
    fit->node_drawn = take(tables, node_slots);
    fit->node_allowed = (u32 *)take(tables, halves(node_slots));
    u64 runs = (u64)t->histograms * t->runs_len;
    fit->runs_g = (i32 *)take(tables, halves(runs));
    fit->runs_h = (i32 *)take(tables, halves(runs));
    u64 drawn = t->columns_wanted < t->features ? slots : 0;
    fit->drawn = take(tables, drawn);
    fit->allowed = (u32 *)take(tables, halves(drawn));
    int right = *tables == start + t->table_words;
    u64 **region = t->rows_on_chip ? &chip : &scratch;
    start = *region;
    fit->scores = (f64 *)take(region, rows * t->outputs);
    fit->shares = (f64 *)take(region, t->objective == SOFTMAX ? (u64)t->rows_train * t->outputs : 0);
    fit->g = (f64 *)take(region, rows);
    fit->h = (f64 *)take(region, t->units ? 0 : t->rows_train);
    fit->packed_g = (i32 *)take(region, halves(t->rows_train));
    fit->packed_h = (i32 *)take(region, halves(t->rows_train));
    fit->row_node = (u32 *)take(region, halves(rows));
    fit->row_turn = (u32 *)take(region, halves(t->rows_train));
    fit->counts = (u32 *)take(region, t->bootstrap ? halves(t->rows_train) : 0);
    right = right && *region == start + t->row_words;
    if (t->bins_on_chip) {
        u64 *bins = take(&chip, rows * t->blocks);
        for (u32 i = threadIdx.x; i < rows * t->blocks; i += blockDim.x) bins[i] = ((const u64 *)fit->bins)[i];
        fit->bins = (const u8 *)bins;
    }
    fit->sums = (i32 *)scratch;
    return right;
}

#endif
