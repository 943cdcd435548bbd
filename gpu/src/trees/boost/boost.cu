/* How does one block of a GPU run a whole fit of boosted trees? The rounds of `cpu.rs`, with the arithmetic of
   `histogram.rs`, `scan` and `split.rs` in the same order, so that the trees are the same to the bit.

   One block is one fit. Rows carry the number of the node that they are in; trees grow level by level, and a level counts the
   histograms of as many of its nodes at once as fit in memory, always from the rows, since integer sums don't care how they
   came about. A tree that takes the best split first is grown larger in the same way, and then cut back to the splits that
   the CPU takes. The host side, with the same layout of `Task`, is `mod.rs`. */

#include "rows.h"
#include "tree.h"

DEVICE void tree(const Fit *fit, i32 *sums, u32 output, u32 number) {
    BlockState *state = fit->state;
    quantise(fit, output);
    if (state->stump) {
        if (threadIdx.x == 0) {
            plant(fit, 0, 0, 0, 0);
            fit->gain[0] = 0.0;
            state->nodes = state->tree_nodes = 1;
        }
        __syncthreads();
    } else {
        grow(fit, sums, number);
        if (fit->task->best_first) keep_best(fit);
        set_leaves(fit);
        apply_leaves(fit, output);
    }
    record(fit);
}

/* Notes a round's losses and decides whether to go on; ends with a barrier. */
DEVICE void end_round(const Fit *fit, u32 round) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    if (t->train_loss) {
        f64 loss = mean_loss(fit, 0, t->rows_train, t->train_weight, 0);
        if (threadIdx.x == 0) fit->train_losses[round] = loss;
        __syncthreads();
    }
    f64 loss = 0.0;
    /* The scores of averaged trees mean something only when all are there. */
    if (t->rows_valid > 0 && (!t->averaged || round + 1 == t->rounds)) {
        loss = valid_loss(fit);
        if (threadIdx.x == 0) fit->valid_losses[round] = loss;
    }
    if (threadIdx.x == 0) {
        u32 done = round + 1;
        state->rounds_run = done;
        if (t->early_stopping == 0 || t->rows_valid == 0) {
            state->rounds_kept = done;
        } else if (loss < state->best_loss) {
            state->best_loss = loss;
            state->rounds_kept = done;
        } else if (done - state->rounds_kept >= t->early_stopping) {
            state->stop = 1;
        }
    }
    __syncthreads();
}

DEVICE void run_rounds(const Fit *fit, i32 *sums) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    u64 rows = (u64)t->rows_train + t->rows_valid;
    for (u32 output = 0; output < t->outputs; output++)
        for (u32 row = threadIdx.x; row < rows; row += blockDim.x)
            fit->scores[output * rows + row] = fit->base[output];
    __syncthreads();
    for (u32 round = 0; round < t->rounds; round++) {
        u32 before = state->trees;
        draw_rows(fit, round);
        draw_columns(fit, round);
        if (t->objective == SOFTMAX) class_shares(fit);
        if (threadIdx.x == 0) state->grew = 0;
        __syncthreads();
        for (u32 output = 0; output < t->outputs; output++)
            tree(fit, sums, output, round * t->outputs + output);
        if (state->full) return;
        if (!state->grew && !t->sampled) {
            __syncthreads();
            if (threadIdx.x == 0) state->trees = before;
            return;
        }
        end_round(fit, round);
        if (state->stop) return;
    }
}

DEVICE void answer(const Fit *fit, int right) {
    const BlockState *state = fit->state;
    __syncthreads();
    if (threadIdx.x != 0) return;
    fit->answer->status = !right ? STATUS_LAYOUT : state->full ? STATUS_FULL : STATUS_DONE;
    fit->answer->rounds_run = state->rounds_run;
    fit->answer->rounds_kept = state->rounds_kept;
    fit->answer->trees = state->trees;
}

/* Finds the block's fit and starts its state. */
DEVICE void open_fit(Fit *fit, BlockState *state, const Task *task, const u64 *input, u64 *output) {
    fit->task = task;
    fit->state = state;
    fit->bins = (const u8 *)(input + task->bins_at);
    fit->labels = (const f64 *)(input + task->labels_at);
    fit->weights = (const f64 *)(input + task->weights_at);
    fit->keys = input + task->keys_at;
    fit->base = (const f64 *)(input + task->base_at);
    fit->grid = input + task->grid_at;
    fit->slot_features = (const u32 *)(fit->grid + 2 * task->blocks);
    fit->feature_slots = fit->slot_features + 8 * task->blocks;
    fit->answer = (FitAnswer *)(output + task->output_at);
    fit->train_losses = (f64 *)(fit->answer + 1);
    fit->valid_losses = fit->train_losses + task->rounds;
    fit->tree_places = (u64 *)(fit->valid_losses + task->rounds);
    if (threadIdx.x == 0) {
        state->best_loss = INFINITE;
        state->negligible = 0.0;
        state->trees = state->rounds_run = state->rounds_kept = 0;
        state->grew = state->stump = state->stop = state->full = 0;
    }
    __syncthreads();
}

/* Histograms in the block's shared memory, so that adding to them never leaves the chip. */
KERNEL void THREADS_MAX(512)
boost_on_chip(const Task *tasks, const u64 *input, u64 *scratch, u64 *output, u64 *nodes, u64 *nodes_used,
              u64 nodes_max) {
    __shared__ BlockState state;
    DYNAMIC_SHARED(chip);
    Fit fit;
    open_fit(&fit, &state, &tasks[blockIdx.x], input, output);
    fit.nodes = nodes;
    fit.nodes_used = nodes_used;
    fit.nodes_max = nodes_max;
    /* Histograms come first, so that their place doesn't depend on what else is on chip. */
    u64 words = (u64)fit.task->histograms * fit.task->histogram_len;
    int right = lay_out(&fit, chip + words, scratch + fit.task->scratch_at);
    if (right) run_rounds(&fit, (i32 *)chip);
    answer(&fit, right);
}

/* Histograms in the GPU's memory, for fits whose histograms are larger than a block's shared memory. */
KERNEL void THREADS_MAX(512)
boost_in_memory(const Task *tasks, const u64 *input, u64 *scratch, u64 *output, u64 *nodes, u64 *nodes_used,
                u64 nodes_max) {
    __shared__ BlockState state;
    DYNAMIC_SHARED(chip);
    Fit fit;
    open_fit(&fit, &state, &tasks[blockIdx.x], input, output);
    fit.nodes = nodes;
    fit.nodes_used = nodes_used;
    fit.nodes_max = nodes_max;
    int right = lay_out(&fit, chip, scratch + fit.task->scratch_at);
    if (right) run_rounds(&fit, fit.sums);
    answer(&fit, right);
}
