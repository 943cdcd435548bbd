/* How does one block of a GPU run a whole linear regression? The steps of `cpu.rs`, with the arithmetic of `solver.rs` and
   `inference.rs` in the same order, so that the coefficients are the same to the bit.

   One block is one fit. The rows pass through a tile of shared memory, where their columns become standardised terms; each
   entry of the Gram matrix belongs to a thread, which adds the rows up in their order. The host side is `mod.rs`. */

#include "solver.h"

typedef struct {
    TermsTask terms;
    f64 mean, deviation;
    /* Whether the label has nothing to explain. */
    u64 constant;
} Task;

/* What a fit answers, before the moments of the candidates and, per term, coefficients, means and variances. */
typedef struct {
    u64 status, iterations;
    f64 residual;
    Spreads spreads;
} LinearAnswer;

DEVICE void normal_equations(const Task *task, const Rows *rows, Quadratic *q) {
    u32 count = task->terms.rows, step = task->terms.tile_rows;
    reset(q, rows->width);
    for (u32 first = 0; first < count; first += step) {
        u32 held = smallest(step, count - first);
        for (u32 i = threadIdx.x; i < held; i += blockDim.x) {
            f64 weight = weight_of(rows, first + i);
            q->tile_weights[i] = weight;
            q->tile_values[i] = weight * (rows->labels[first + i] - task->mean) / task->deviation;
        }
        encode_tile(rows, first, held, q->tile);
        add_tile(q, held, q->tile_weights, q->tile_values, task->terms.total);
    }
    finish(q, 1.0 / task->terms.total);
    centre(q, 1.0);
}

/* Weighted sum of squared residuals of the standardised label, for thread 0; ends with a barrier. */
DEVICE f64 residual_sum(const Task *task, const Rows *rows, const Quadratic *q) {
    u32 count = task->terms.rows, step = task->terms.tile_rows, pitch = pitch_of(q->width);
    f64 sum = 0.0;
    for (u32 first = 0; first < count; first += step) {
        u32 held = smallest(step, count - first);
        encode_tile(rows, first, held, q->tile);
        for (u32 i = threadIdx.x; i < held; i += blockDim.x) {
            f64 answer = dot_of(q->tile + i * pitch, q->b, q->width);
            f64 label = (rows->labels[first + i] - task->mean) / task->deviation;
            f64 residual = label - (answer - q->state->offset);
            q->tile_values[i] = weight_of(rows, first + i) * residual * residual;
        }
        __syncthreads();
        if (threadIdx.x == 0)
            for (u32 i = 0; i < held; i++) sum += q->tile_values[i];
        __syncthreads();
    }
    return sum;
}

DEVICE void run(const Task *task, Rows *rows, Quadratic *q, LinearAnswer *answer) {
    u32 candidates = task->terms.candidates;
    f64 *coefficients = (f64 *)(rows->moments + candidates), *means = coefficients + candidates;
    u32 sweeps = 0;
    find_terms(rows, &q->state->width);
    if (threadIdx.x == 0) answer->spreads.told = 0;
    if (!task->constant && rows->width > 0) {
        normal_equations(task, rows, q);
        for (u32 i = threadIdx.x; i < q->width; i += blockDim.x) q->b[i] = 0.0;
        __syncthreads();
        Penalty penalty = {task->terms.l1, task->terms.l2, task->terms.tolerance, task->terms.iterations_max};
        sweeps = minimise(q, &penalty);
        for (u32 i = threadIdx.x; i < q->width; i += blockDim.x) {
            coefficients[i] = q->b[i];
            means[i] = q->means[i];
        }
        if (threadIdx.x == 0) q->state->offset = dot_of(q->b, q->means, q->width);
        __syncthreads();
        if (penalty.l1 == 0.0) {
            f64 residual = residual_sum(task, rows, q);
            if (threadIdx.x == 0) answer->residual = residual;
            spreads(q, rows, penalty.l2, &answer->spreads, means + candidates);
        }
    }
    if (threadIdx.x == 0) {
        answer->iterations = sweeps;
        answer->status = STATUS_DONE;
    }
}

KERNEL void THREADS_MAX(256)
linear(const Task *tasks, const u64 *input, u64 *scratch, u64 *output, u64 *nodes, u64 *nodes_used,
       u64 nodes_max) {
    __shared__ BlockState state;
    DYNAMIC_SHARED(chip);
    (void)nodes, (void)nodes_used, (void)nodes_max;
    const Task *task = &tasks[blockIdx.x];
    LinearAnswer *answer = (LinearAnswer *)(output + task->terms.output_at);
    Rows rows;
    Quadratic q;
    open_rows(&rows, &task->terms, input, (u64 *)(answer + 1));
    u64 *on_chip = chip, *in_memory = scratch + task->terms.scratch_at;
    if (lay_out(&q, &rows, &state, &on_chip, &in_memory))
        run(task, &rows, &q, answer);
    else if (threadIdx.x == 0)
        answer->status = STATUS_LAYOUT;
}
