/* How does a block grow one tree? As `grow.rs`, level by level, with the arithmetic of `histogram.rs`, `scan` and
   `split.rs`. */
#ifndef TARN_TREE_H
#define TARN_TREE_H

#include "fit.h"

/* In `Fit.histogram`, a node whose split is in the kept tree. */
#define TAKEN 0xfffffffeu

DEVICE int can_split(const Fit *fit, u32 depth, u32 node) {
    const Task *t = fit->task;
    f64 rows = (f64)fit->node_rows[node];
    return (t->depth_max == 0 || depth < t->depth_max) && rows >= 2.0 &&
           (t->bootstrap || rows >= 2.0 * (f64)t->min_rows) &&
           (f64)fit->node_h[node] >= 2.0 * fit->state->min_hessian;
}

/* Starts a node's entries in the tables; for one thread. */
DEVICE void plant(const Fit *fit, u32 node, i32 g, i32 h, u32 flags) {
    fit->node_g[node] = g;
    fit->node_h[node] = h;
    fit->node_rows[node] = 0;
    fit->split[node] = flags;
    fit->left[node] = 0;
    fit->histogram[node] = NO_SLOT;
    fit->leaf_g[node] = 0;
    if (!fit->task->units) fit->leaf_h[node] = 0;
    if (fit->task->best_first) {
        fit->path_gain[node] = 0.0;
        fit->number[node] = node == 0 ? 0 : NO_SLOT;
    }
    if (fit->task->node_columns && node == 0) fit->path[node] = 1;
}

/* Gives the nodes of a level that may split their turns; for one thread. */
DEVICE void queue_level(const Fit *fit, u32 level, u32 end, u32 depth) {
    BlockState *state = fit->state;
    u32 slots = 0;
    int room = fit->task->best_first ? fit->task->leaves_max > 1 : state->leaves < fit->task->leaves_max;
    if (room && fit->task->blocks > 0) {
        for (u32 node = level; node < end; node++) {
            if (!can_split(fit, depth, node)) continue;
            fit->slot_node[slots] = node;
            fit->histogram[node] = slots++;
        }
    }
    state->level = level;
    state->level_end = end;
    state->depth = depth;
    state->slots = slots;
}

DEVICE ScanTotals scan_totals(const Fit *fit, u32 node) {
    const BlockState *state = fit->state;
    f64 h = (f64)fit->node_h[node], weight = h + state->l2;
    u32 rows = fit->node_rows[node];
    f64 by_rows = (f64)fit->task->min_rows * h / (f64)(rows > 1 ? rows : 1);
    f64 floor = ceil(largest(largest(by_rows, state->min_hessian), 1.0));
    ScanTotals totals;
    totals.g = fit->node_g[node];
    totals.h = fit->node_h[node];
    totals.floor = floor < 2147483647.0 ? (i32)floor : 2147483647;
    totals.l1 = (f32)state->l1 * GRADIENT_UNIT;
    totals.h_factor = (f32)(1.0 / weight);
    totals.h_shift = (f32)(state->l2 / weight);
    totals.penalised_shift = (f32)((state->l2 + state->category_l2) / weight);
    f32 whole = (f32)totals.g * GRADIENT_UNIT;
    whole = whole < 0.0f ? -whole : whole;
    if (state->l1 > 0.0) whole = whole - totals.l1 > 0.0f ? whole - totals.l1 : 0.0f;
    totals.parent = whole * whole;
    return totals;
}

DEVICE f32 shrunk(int shrinks, i32 units, f32 l1) {
    f32 g = (f32)units * GRADIENT_UNIT;
    if (!shrinks) return g;
    g = (g < 0.0f ? -g : g) - l1;
    return g > 0.0f ? g : 0.0f;
}

/* Improvement of a left side, as in `scan`; 0 when it must not be. */
DEVICE f32 candidate_gain(const ScanTotals *totals, int shrinks, f32 shift, i32 gl, i32 hl) {
    i32 gr = (i32)((u32)totals->g - (u32)gl), hr = (i32)((u32)totals->h - (u32)hl);
    if (hl < totals->floor || hr < totals->floor) return 0.0f;
    f32 a = shrunk(shrinks, gl, totals->l1), b = shrunk(shrinks, gr, totals->l1);
    f32 wl = (f32)hl * totals->h_factor + shift;
    f32 wr = (f32)hr * totals->h_factor + shift;
    f32 gain = (a * a * wr + b * b * wl) / (wl * wr);
    return gain > totals->parent ? gain : 0.0f;
}

/* Orders candidates by gain; among equals the lower feature, missing on the right, the lower bin. */
DEVICE u64 candidate_key(f32 gain, u32 feature, u32 missing_left, u32 bin) {
    return (u64)bits_of_f32(gain) << 32 | (0xffffffffu - (feature << 9 | missing_left << 8 | bin));
}

/* Whether the tree sees the feature of a grid slot. */
DEVICE int seen(const Fit *fit, u32 slot) {
    return fit->task->columns_wanted >= fit->task->features || fit->allowed[slot];
}

/* Walks over `count` histograms, `entries` each, without a division at every step. */
typedef struct {
    u32 turn, entry, turns_by, entries_by, entries;
} Walk;

DEVICE Walk walk(u32 entries) {
    Walk w = {threadIdx.x / entries, threadIdx.x % entries, blockDim.x / entries, blockDim.x % entries,
              entries};
    return w;
}

DEVICE void step(Walk *w) {
    w->turn += w->turns_by;
    w->entry += w->entries_by;
    if (w->entry >= w->entries) {
        w->entry -= w->entries;
        w->turn += 1;
    }
}

/* Notes the turn of each row's node, which counting asks for again and again. */
DEVICE void take_turns(const Fit *fit) {
    u32 level = fit->state->level;
    for (u32 row = threadIdx.x; row < fit->task->rows_train; row += blockDim.x) {
        u32 node = fit->row_node[row];
        int counts = node >= level && fit->packed_h[row] > 0;
        fit->row_turn[row] = counts ? fit->histogram[node] : NO_SLOT;
    }
}

/* Counts the rows of the nodes in turns `first..first + count`. */
DEVICE void count_rows(const Fit *fit, i32 *sums, u32 first, u32 count) {
    const Task *t = fit->task;
    u32 len = t->histogram_len, entries = count * len;
    i32 *sums_h = sums + (u64)t->histograms * len;
    u64 rows = (u64)t->rows_train + t->rows_valid;
    for (u32 i = threadIdx.x; i < entries; i += blockDim.x) {
        sums[i] = 0;
        sums_h[i] = 0;
    }
    __syncthreads();
    for (u32 index = 0; index < t->blocks; index++) {
        Block block = block_at(fit, index);
        const u8 *bins = fit->bins + 8 * rows * index;
        u32 lane = threadIdx.x & 7;
        if (blockDim.x % 8 == 0 && (lane >= block.lanes || !seen(fit, 8 * index + lane))) continue;
        for (u32 i = threadIdx.x; i < 8 * t->rows_train; i += blockDim.x) {
            u32 row = i >> 3, turn = fit->row_turn[row] - first;
            if (turn >= count) continue;
            lane = i & 7;
            if (blockDim.x % 8 != 0 && (lane >= block.lanes || !seen(fit, 8 * index + lane))) continue;
            u32 at = turn * len + block.offset + 8 * (u32)bins[i] + lane;
            atomicAdd(&sums[at], fit->packed_g[row]);
            atomicAdd(&sums_h[at], fit->packed_h[row]);
        }
    }
    __syncthreads();
}

/* Sums runs of RUN bins of ordered features, without bin 0, which is what is missing: where a run begins, the sums of those
   before it say what lies to its left. */
DEVICE void sum_runs(const Fit *fit, i32 *sums, u32 count) {
    const Task *t = fit->task;
    u32 len = t->histogram_len;
    i32 *sums_h = sums + (u64)t->histograms * len;
    for (u32 index = 0; index < t->blocks; index++) {
        Block block = block_at(fit, index);
        if (block.flags & BLOCK_LEVELS) continue;
        for (Walk w = walk(8 * RUNS(block.bins)); w.turn < count; step(&w)) {
            u32 lane = w.entry & 7, run = w.entry >> 3, zero = w.turn * len + block.offset + lane;
            u32 end = RUN * (run + 1) < block.bins ? RUN * (run + 1) : block.bins;
            i32 g = 0, h = 0;
            for (u32 bin = run ? RUN * run : 1; bin < end; bin++) {
                g += sums[zero + 8 * bin];
                h += sums_h[zero + 8 * bin];
            }
            u32 at = w.turn * t->runs_len + block.runs_offset + w.entry;
            fit->runs_g[at] = g;
            fit->runs_h[at] = h;
        }
    }
    __syncthreads();
}

/* Left side of an ordered candidate before its run: the sums of all runs before. */
DEVICE void sum_before(const Fit *fit, const Block *block, u32 turn, u32 run, u32 lane, i32 *g, i32 *h) {
    u32 at = turn * fit->task->runs_len + block->runs_offset + lane;
    for (u32 before = 0; before < run; before++) {
        *g += fit->runs_g[at + 8 * before];
        *h += fit->runs_h[at + 8 * before];
    }
}

/* Draws the columns of the nodes in turns `first..first + count`, as `draw_columns` in `grow.rs`. */
DEVICE void draw_node_columns(const Fit *fit, u32 first, u32 count, u32 tree) {
    const Task *t = fit->task;
    u32 slots = 8 * t->blocks;
    if (!t->node_columns) return;
    for (Walk w = walk(slots); w.turn < count; step(&w)) {
        u64 key = fit->path[fit->slot_node[first + w.turn]] + ((u64)fit->slot_features[w.entry] << 32);
        fit->node_drawn[w.turn * slots + w.entry] = draw(t->seed, STREAM_NODE_COLUMNS, tree, key);
    }
    __syncthreads();
    for (Walk w = walk(slots); w.turn < count; step(&w)) {
        const u64 *drawn = fit->node_drawn + w.turn * slots;
        u32 before = 0;
        for (u32 other = 0; other < slots; other++)
            before += fit->slot_features[other] != NO_SLOT && seen(fit, other) && drawn[other] < drawn[w.entry];
        fit->node_allowed[w.turn * slots + w.entry] = before < t->node_columns;
    }
    __syncthreads();
}

/* Judges every candidate of the nodes in turns `first..first + count`. */
DEVICE void judge(const Fit *fit, const i32 *sums, u32 first, u32 count) {
    const Task *t = fit->task;
    u32 len = t->histogram_len;
    const i32 *sums_h = sums + (u64)t->histograms * len;
    int shrinks = fit->state->l1 > 0.0;
    for (u32 index = 0; index < t->blocks; index++) {
        Block block = block_at(fit, index);
        u32 levels = block.flags & BLOCK_LEVELS;
        for (Walk w = walk(8 * RUNS(block.bins)); w.turn < count; step(&w)) {
            u32 lane = w.entry & 7, run = w.entry >> 3, slot = 8 * index + lane;
            if (lane >= block.lanes || !seen(fit, slot)) continue;
            if (t->node_columns && !fit->node_allowed[w.turn * 8 * t->blocks + slot]) continue;
            ScanTotals totals = fit->totals[first + w.turn];
            if ((i64)totals.floor * 2 > (i64)totals.h) continue;
            f32 shift = block.flags & BLOCK_PENALISED ? totals.penalised_shift : totals.h_shift;
            u32 zero = w.turn * len + block.offset + lane, feature = fit->slot_features[slot];
            u32 end = RUN * (run + 1) < block.bins ? RUN * (run + 1) : block.bins;
            i32 g_missing = sums[zero], h_missing = sums_h[zero], g = 0, h = 0;
            if (!levels) sum_before(fit, &block, w.turn, run, lane, &g, &h);
            u64 key = 0;
            for (u32 bin = run || levels ? RUN * run : 1; bin < end; bin++) {
                i32 g_bin = sums[zero + 8 * bin], h_bin = sums_h[zero + 8 * bin];
                /* An empty bin cuts as the one before it does, or as nothing at all. */
                if (h_bin == 0) continue;
                g = levels ? g_bin : g + g_bin;
                h = levels ? h_bin : h + h_bin;
                f32 gain = candidate_gain(&totals, shrinks, shift, g, h);
                u64 right = gain > 0.0f ? candidate_key(gain, feature, 0, bin) : 0;
                key = right > key ? right : key;
                if (h_missing == 0 || bin == 0) continue;
                gain = candidate_gain(&totals, shrinks, shift, g + g_missing, h + h_missing);
                u64 left = gain > 0.0f ? candidate_key(gain, feature, 1, bin) : 0;
                key = left > key ? left : key;
            }
            u64 *best = &fit->best[first + w.turn];
            if (key > PEEK(best)) atomicMax(best, key);
        }
    }
    __syncthreads();
}

DEVICE f64 shrink(f64 g, f64 l1) {
    return copysign(1.0, g) * largest(magnitude(g) - l1, 0.0);
}

/* Judges the best candidate of a turn once more, in f64. */
DEVICE void confirm(const Fit *fit, const i32 *sums, u32 first, u32 turn) {
    const Task *t = fit->task;
    const BlockState *state = fit->state;
    u32 len = t->histogram_len, at_slot = first + turn, node = fit->slot_node[at_slot];
    const i32 *sums_h = sums + (u64)t->histograms * len;
    u64 key = fit->best[at_slot];
    fit->slot_gain[at_slot] = 0.0;
    if (key == 0) return;
    u32 choice = 0xffffffffu - (u32)key, bin = choice & 255, missing_left = choice >> 8 & 1;
    u32 slot = fit->feature_slots[choice >> 9];
    Block block = block_at(fit, slot >> 3);
    u32 zero = turn * len + block.offset + (slot & 7);
    i32 h_missing = sums_h[zero];
    i32 gl = missing_left ? sums[zero] : 0, hl = missing_left ? h_missing : 0;
    u32 from = bin;
    if (!(block.flags & BLOCK_LEVELS)) {
        u32 run = bin / RUN;
        sum_before(fit, &block, turn, run, slot & 7, &gl, &hl);
        from = run ? RUN * run : 1;
    }
    for (u32 each = from; each <= bin; each++) {
        gl += sums[zero + 8 * each];
        hl += sums_h[zero + 8 * each];
    }
    i32 gr = fit->node_g[node] - gl, hr = fit->node_h[node] - hl;
    f64 l1 = state->l1, l2 = state->l2, min_gain = state->min_gain;
    f64 child_l2 = l2 + (block.flags & BLOCK_PENALISED ? state->category_l2 : 0.0);
    f64 w = shrink((f64)fit->node_g[node], l1), a = shrink((f64)gl, l1), b = shrink((f64)gr, l1);
    f64 whole = w * w / ((f64)fit->node_h[node] + l2);
    f64 gain = a * a / ((f64)hl + child_l2) + b * b / ((f64)hr + child_l2) - whole;
    if (!(gain > min_gain && gain > 1e-9 * whole)) return;
    u32 side = h_missing != 0 ? missing_left : hl >= hr;
    fit->slot_gain[at_slot] = gain;
    fit->slot_g[at_slot] = gl;
    fit->slot_h[at_slot] = hl;
    fit->slot_split[at_slot] = slot << 16 | bin << 8 | (side ? SPLIT_MISSING_LEFT : 0) |
                               (block.flags & BLOCK_PENALISED ? SPLIT_PENALISED : 0);
}

/* Finds the splits of all nodes of the level. */
DEVICE void find_splits(const Fit *fit, i32 *sums, u32 tree) {
    const Task *t = fit->task;
    u32 slots = fit->state->slots;
    for (u32 i = threadIdx.x; i < slots; i += blockDim.x) {
        fit->best[i] = 0;
        fit->totals[i] = scan_totals(fit, fit->slot_node[i]);
    }
    take_turns(fit);
    for (u32 first = 0; first < slots; first += t->histograms) {
        u32 count = slots - first < t->histograms ? slots - first : t->histograms;
        count_rows(fit, sums, first, count);
        sum_runs(fit, sums, count);
        draw_node_columns(fit, first, count, tree);
        judge(fit, sums, first, count);
        for (u32 turn = threadIdx.x; turn < count; turn += blockDim.x) confirm(fit, sums, first, turn);
        __syncthreads();
    }
}

/* Keeps back the splits of the level that can't be among the first `leaves_max - 1`. A split is taken when the smallest
   gain on the way to it is the largest, so as many splits with a larger one are in its way, and later levels only add. */
DEVICE void hold_back(const Fit *fit) {
    const BlockState *state = fit->state;
    for (u32 slot = threadIdx.x; slot < state->slots; slot += blockDim.x) {
        u32 node = fit->slot_node[slot];
        f64 gain = fit->slot_gain[slot];
        if (node > 0 && fit->path_gain[fit->parent[node]] < gain) gain = fit->path_gain[fit->parent[node]];
        fit->path_gain[node] = gain;
    }
    __syncthreads();
    for (u32 slot = threadIdx.x; slot < state->slots; slot += blockDim.x) {
        f64 gain = fit->path_gain[fit->slot_node[slot]];
        u32 before = 0;
        for (u32 other = 0; other < state->nodes; other++) before += fit->path_gain[other] > gain;
        if (before >= fit->task->leaves_max - 1) fit->slot_gain[slot] = 0.0;
    }
    __syncthreads();
}

/* Makes the children of the nodes that split, in the order of the level, up to the most leaves; for one thread. */
DEVICE void make_children(const Fit *fit) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    for (u32 slot = 0; slot < state->slots; slot++) {
        f64 gain = fit->slot_gain[slot];
        if (!t->best_first && state->leaves >= t->leaves_max) break;
        if (!(gain > 0.0)) continue;
        u32 node = fit->slot_node[slot], left = state->nodes, split = fit->slot_split[slot];
        i32 g = fit->slot_g[slot], h = fit->slot_h[slot];
        plant(fit, left, g, h, split & SPLIT_PENALISED);
        plant(fit, left + 1, fit->node_g[node] - g, fit->node_h[node] - h, split & SPLIT_PENALISED);
        for (u32 right = 0; right < 2; right++) {
            if (t->best_first) fit->parent[left + right] = node;
            if (t->node_columns)
                fit->path[left + right] = fit->path[node] * 6364136223846793005ull + (1 + 2 * right);
        }
        fit->split[node] = (split & ~SPLIT_PENALISED) | (fit->split[node] & SPLIT_PENALISED);
        fit->left[node] = left;
        fit->gain[node] = gain;
        state->nodes += 2;
        state->leaves += 1;
    }
}

/* Sends the rows of the nodes that split to their children. */
DEVICE void send_rows(const Fit *fit) {
    const Task *t = fit->task;
    u32 level = fit->state->level;
    u64 rows = (u64)t->rows_train + t->rows_valid;
    for (u32 row = threadIdx.x; row < rows; row += blockDim.x) {
        u32 node = fit->row_node[row];
        if (node < level || fit->left[node] == 0) continue;
        u32 split = fit->split[node], slot = split >> 16, cut = split >> 8 & 255;
        u32 bin = fit->bins[8 * (rows * (slot >> 3) + row) + (slot & 7)];
        u32 levels = (u32)(fit->grid[2 * (slot >> 3)] >> 48) & BLOCK_LEVELS;
        u32 missing_left = split & SPLIT_MISSING_LEFT;
        u32 goes_left;
        if (levels)
            goes_left = bin == cut || (missing_left && bin == 0);
        else
            goes_left = bin == 0 ? missing_left : bin <= cut;
        u32 child = fit->left[node] + !goes_left;
        fit->row_node[row] = child;
        if (row < t->rows_train && fit->packed_h[row] > 0) atomicAdd(&fit->node_rows[child], 1u);
    }
    __syncthreads();
}

/* Grows one tree over the packed rows. */
DEVICE void grow(const Fit *fit, i32 *sums, u32 tree) {
    BlockState *state = fit->state;
    if (threadIdx.x == 0) {
        plant(fit, 0, state->root_g, state->root_h, 0);
        fit->node_rows[0] = state->bag;
        state->nodes = 1;
        state->leaves = 1;
        queue_level(fit, 0, 1, 0);
    }
    __syncthreads();
    while (state->slots > 0) {
        find_splits(fit, sums, tree);
        if (fit->task->best_first) hold_back(fit);
        u32 end = state->level_end, depth = state->depth;
        if (threadIdx.x == 0) make_children(fit);
        __syncthreads();
        send_rows(fit);
        if (threadIdx.x == 0) queue_level(fit, end, state->nodes, depth + 1);
        __syncthreads();
    }
}

/* Whether a node of the grown tree may be the next to split: in the kept tree, with children, and not split there yet. */
DEVICE int is_open(const Fit *fit, u32 node) {
    return fit->number[node] != NO_SLOT && fit->left[node] != 0 && fit->histogram[node] != TAKEN;
}

/* Takes the best splits of the grown tree, as `choose` in `grow.rs`: the largest gain first, the lower number among equals;
   what is not taken is cut off. Numbers are those of the CPU's nodes. */
DEVICE void keep_best(const Fit *fit) {
    BlockState *state = fit->state;
    if (threadIdx.x == 0) {
        state->tree_nodes = 1;
        state->top_gain = state->top_node = 0;
    }
    __syncthreads();
    for (u32 taken = 0; taken < fit->task->leaves_max - 1; taken++) {
        u64 top = 0;
        for (u32 node = threadIdx.x; node < state->nodes; node += blockDim.x)
            if (is_open(fit, node) && bits_of(fit->gain[node]) > top) top = bits_of(fit->gain[node]);
        if (top > 0) atomicMax(&state->top_gain, top);
        __syncthreads();
        top = state->top_gain;
        if (top == 0) break;
        for (u32 node = threadIdx.x; node < state->nodes; node += blockDim.x)
            if (is_open(fit, node) && bits_of(fit->gain[node]) == top)
                atomicMax(&state->top_node, (u64)(0xffffffffu - fit->number[node]) << 32 | node);
        __syncthreads();
        if (threadIdx.x == 0) {
            u32 node = (u32)state->top_node, left = fit->left[node];
            fit->histogram[node] = TAKEN;
            fit->number[left] = state->tree_nodes;
            fit->number[left + 1] = state->tree_nodes + 1;
            state->tree_nodes += 2;
            state->top_gain = state->top_node = 0;
        }
        __syncthreads();
    }
    u64 rows = (u64)fit->task->rows_train + fit->task->rows_valid;
    for (u32 row = threadIdx.x; row < rows; row += blockDim.x) {
        u32 node = fit->row_node[row];
        while (fit->number[node] == NO_SLOT) node = fit->parent[node];
        fit->row_node[row] = node;
    }
    for (u32 node = threadIdx.x; node < state->nodes; node += blockDim.x)
        if (is_open(fit, node)) fit->left[node] = 0;
    __syncthreads();
}

/* Sets leaf values from sums in wide fixed point, as `set_leaves`. */
DEVICE void set_leaves(const Fit *fit) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    f64 g_scale = state->leaf_gradient_scale, h_scale = state->leaf_hessian_scale;
    for (u32 row = threadIdx.x; row < t->rows_train; row += blockDim.x) {
        if (fit->packed_h[row] == 0) continue;
        u32 node = fit->row_node[row];
        atomicAdd(&fit->leaf_g[node], (u64)(i64)(fit->g[row] * g_scale));
        if (!t->units) atomicAdd(&fit->leaf_h[node], (u64)(i64)(fit->h[row] * h_scale));
    }
    __syncthreads();
    for (u32 node = threadIdx.x; node < state->nodes; node += blockDim.x) {
        if (fit->left[node] != 0 || (t->best_first && fit->number[node] == NO_SLOT)) continue;
        f64 g = (f64)(i64)fit->leaf_g[node] / g_scale;
        f64 h = t->units ? (f64)fit->node_rows[node] : (f64)(i64)fit->leaf_h[node] / h_scale;
        f64 penalty = fit->split[node] & SPLIT_PENALISED ? t->category_l2 : 0.0;
        f64 weight = h + (t->l2 + penalty);
        f64 value = weight <= 0.0 ? 0.0 : -shrink(g, t->l1) / weight;
        fit->gain[node] = (f64)(f32)(t->learning_rate * value);
    }
    __syncthreads();
}

/* Adds the leaves' values to the scores of every row. */
DEVICE void apply_leaves(const Fit *fit, u32 output) {
    const Task *t = fit->task;
    u64 rows = (u64)t->rows_train + t->rows_valid;
    f64 *scores = fit->scores + output * rows;
    /* Averaged trees are independent: their gradients stay those of the start. */
    u32 from = t->averaged ? t->rows_train : 0;
    for (u32 row = from + threadIdx.x; row < rows; row += blockDim.x)
        scores[row] += fit->gain[fit->row_node[row]];
}

/* Appends the tree to the nodes that all fits share. */
DEVICE void record(const Fit *fit) {
    BlockState *state = fit->state;
    int best_first = fit->task->best_first;
    u32 count = best_first ? state->tree_nodes : state->nodes;
    if (threadIdx.x == 0) {
        u64 place = atomicAdd(fit->nodes_used, (u64)count);
        state->place = place;
        if (place + count > fit->nodes_max) state->full = 1;
        fit->tree_places[state->trees] = place << 16 | count;
        state->trees += 1;
        if (count > 1) state->grew = 1;
    }
    __syncthreads();
    if (!state->full) {
        f64 gain_unit = state->hessian_scale / (state->gradient_scale * state->gradient_scale);
        for (u32 node = threadIdx.x; node < state->nodes; node += blockDim.x) {
            u32 number = best_first ? fit->number[node] : node, left = fit->left[node];
            if (number == NO_SLOT) continue;
            u64 *out = fit->nodes + 2 * (state->place + number);
            u32 child = left && best_first ? fit->number[left] : left;
            out[0] = (u64)child << 32 | fit->split[node];
            out[1] = bits_of(left ? fit->gain[node] * gain_unit : fit->gain[node]);
        }
    }
    __syncthreads();
}

#endif
