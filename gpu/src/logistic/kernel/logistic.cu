/* How does one block of a GPU run a whole logistic regression? The Newton steps of `cpu.rs`, their quadratics solved as by
   `linear/kernel`, every sum in the CPU's order, so that the coefficients are the same to the bit.

   One block is one fit. What is kept per row are scores, probabilities and curvatures; terms are made afresh from the
   columns on every pass, a tile of rows at a time. The host side is `mod.rs`. */

#include "../../linear/kernel/solver.h"

/* Mean curvature below which a class has nothing left to learn. */
#define CURVATURE_MIN 1e-12

typedef struct {
    TermsTask terms;
    u64 intercepts_at;
    /* Classes that occur; whether standard errors are wanted. */
    u32 present, inference;
} Task;

/* What a fit answers, before the moments of the candidates and what `Fit` has per output, per term and per iteration. */
typedef struct {
    u64 status, iterations;
    /* Curvature of all rows at the end. */
    f64 curvature;
    Spreads spreads;
} LogisticAnswer;

typedef struct {
    const Task *task;
    Rows rows;
    Quadratic quadratic;
    Penalty penalty;
    /* Per output and row. */
    f64 *scores;
    /* Per row; `each` holds what is summed. */
    f64 *scores_from, *scores_to, *shares, *curvature, *each;
    /* Answers: per output, per output and candidate, per candidate, per iteration. */
    f64 *intercepts, *coefficients, *variances, *train_losses;
} Fit;

/* Lays the rows out; 0 when the host laid them out otherwise. */
DEVICE int lay_out_rows(Fit *fit, u64 **chip, u64 **scratch) {
    const TermsTask *t = fit->rows.task;
    u64 **region = t->rows_on_chip ? chip : scratch, *start = *region;
    fit->scores = (f64 *)take(region, (u64)t->rows * t->outputs);
    fit->scores_from = (f64 *)take(region, t->rows);
    fit->scores_to = (f64 *)take(region, t->rows);
    fit->shares = (f64 *)take(region, t->rows);
    fit->curvature = (f64 *)take(region, t->rows);
    fit->each = (f64 *)take(region, t->rows);
    return *region == start + t->row_words;
}

/* The largest score of a row, and the sum of all relative to it. */
DEVICE f64 softmax_terms(const Fit *fit, u32 row, f64 *top) {
    const TermsTask *t = fit->rows.task;
    const f64 *scores = fit->scores + row;
    f64 sum = NO_SUM;
    *top = -INFINITE;
    for (u32 k = 0; k < t->outputs; k++) *top = largest(scores[(u64)k * t->rows], *top);
    for (u32 k = 0; k < t->outputs; k++) sum += exponential(scores[(u64)k * t->rows] - *top);
    return sum;
}

DEVICE f64 row_loss(const Fit *fit, u32 row) {
    const TermsTask *t = fit->rows.task;
    f64 label = fit->rows.labels[row], score = fit->scores[row], top;
    if (t->outputs == 1) return fit->task->present < 2 ? 0.0 : softplus(score) - label * score;
    f64 sum = softmax_terms(fit, row, &top);
    return logarithm(sum) + top - fit->scores[(u64)label * t->rows + row];
}

/* The sum of a list, in its order; for one thread. */
DEVICE f64 sum_of(const f64 *values, u32 count) {
    f64 sum = NO_SUM;
    for (u32 i = 0; i < count; i++) sum += values[i];
    return sum;
}

/* Mean log loss of the training rows into `loss_tried`, with the penalty into `objective`; ends with a barrier. */
DEVICE void judge(const Fit *fit) {
    const TermsTask *t = fit->rows.task;
    BlockState *state = fit->quadratic.state;
    for (u32 row = threadIdx.x; row < t->rows; row += blockDim.x)
        fit->each[row] = weight_of(&fit->rows, row) * row_loss(fit, row);
    __syncthreads();
    if (threadIdx.x == 0) {
        f64 held_back = NO_SUM;
        for (u32 output = 0; output < t->outputs; output++)
            for (u32 i = 0; i < fit->rows.width; i++) {
                f64 b = fit->coefficients[(u64)output * t->candidates + i];
                held_back += fit->penalty.l1 * magnitude(b) + 0.5 * fit->penalty.l2 * b * b;
            }
        state->loss_tried = sum_of(fit->each, t->rows) / t->total;
        state->objective = state->loss_tried + held_back;
    }
    __syncthreads();
}

/* Finds the probability and the curvature of each row, and in `each` what the curvature times the working response is;
   answers the curvature of all, or a negative number when there is nothing left to learn. Ends with a barrier. */
DEVICE f64 weigh(const Fit *fit, u32 output) {
    const TermsTask *t = fit->rows.task;
    BlockState *state = fit->quadratic.state;
    const f64 *scores = fit->scores + (u64)output * t->rows;
    f64 asked = t->outputs == 1 ? 1.0 : (f64)output;
    for (u32 row = threadIdx.x; row < t->rows; row += blockDim.x) {
        f64 share, top, weight = weight_of(&fit->rows, row);
        if (t->outputs == 1) {
            share = sigmoid(scores[row]);
        } else {
            f64 sum = softmax_terms(fit, row, &top);
            share = exponential(scores[row] - top) / sum;
        }
        f64 curvature = weight * largest(share * (1.0 - share), 1e-9);
        fit->shares[row] = share;
        fit->curvature[row] = curvature;
        fit->each[row] = curvature * scores[row] + weight * ((fit->rows.labels[row] == asked ? 1.0 : 0.0) - share);
    }
    __syncthreads();
    if (threadIdx.x == 0) state->sums[0] = sum_of(fit->curvature, t->rows);
    /* A thread of another warp, where there is one. */
    if (threadIdx.x == (blockDim.x > 32 ? 32 : 0)) state->sums[1] = sum_of(fit->each, t->rows);
    __syncthreads();
    f64 total = state->sums[0];
    return total / t->total >= CURVATURE_MIN ? total : -1.0;
}

/* The least-squares problem of the present curvature and response, its terms centred; answers the mean response. Ends with
   a barrier. */
DEVICE f64 weighted_squares(Fit *fit, f64 total) {
    const TermsTask *t = fit->rows.task;
    Quadratic *q = &fit->quadratic;
    reset(q, fit->rows.width);
    for (u32 first = 0; first < t->rows; first += t->tile_rows) {
        u32 held = smallest(t->tile_rows, t->rows - first);
        encode_tile(&fit->rows, first, held, q->tile);
        add_tile(q, held, fit->curvature + first, fit->each + first, total);
    }
    finish(q, 1.0 / t->total);
    f64 response_mean = q->state->sums[1] / total, share = total / t->total;
    for (u32 i = threadIdx.x; i < q->width; i += blockDim.x)
        q->linear[i] -= share * q->means[i] * response_mean;
    centre(q, share);
    return response_mean;
}

/* Scores of the quadratic's solution; ends with a barrier. */
DEVICE void score(const Fit *fit, f64 intercept) {
    const TermsTask *t = fit->rows.task;
    const Quadratic *q = &fit->quadratic;
    for (u32 first = 0; first < t->rows; first += t->tile_rows) {
        u32 held = smallest(t->tile_rows, t->rows - first);
        encode_tile(&fit->rows, first, held, q->tile);
        for (u32 i = threadIdx.x; i < held; i += blockDim.x) {
            const f64 *line = q->tile + i * pitch_of(q->width);
            f64 sum = intercept;
            for (u32 k = 0; k < q->width; k++) sum += line[k] * q->b[k];
            fit->scores_to[first + i] = sum;
        }
        __syncthreads();
    }
}

/* Goes a part of the way from where the step starts to where it ends; ends with a barrier. */
DEVICE void move(const Fit *fit, u32 output, f64 size, f64 intercept_from, f64 intercept_to) {
    const TermsTask *t = fit->rows.task;
    const Quadratic *q = &fit->quadratic;
    f64 *coefficients = fit->coefficients + (u64)output * t->candidates;
    f64 *scores = fit->scores + (u64)output * t->rows;
    /* Where the step starts is kept in `toward`. */
    for (u32 i = threadIdx.x; i < q->width; i += blockDim.x)
        coefficients[i] = q->toward[i] + size * (q->b[i] - q->toward[i]);
    for (u32 row = threadIdx.x; row < t->rows; row += blockDim.x)
        scores[row] = fit->scores_from[row] + size * (fit->scores_to[row] - fit->scores_from[row]);
    if (threadIdx.x == 0)
        fit->intercepts[output] = intercept_from + size * (intercept_to - intercept_from);
    __syncthreads();
}

/* Goes back to where the step started; ends with a barrier. */
DEVICE void stay(const Fit *fit, u32 output, f64 intercept) {
    const TermsTask *t = fit->rows.task;
    f64 *coefficients = fit->coefficients + (u64)output * t->candidates;
    f64 *scores = fit->scores + (u64)output * t->rows;
    for (u32 i = threadIdx.x; i < fit->rows.width; i += blockDim.x) coefficients[i] = fit->quadratic.toward[i];
    for (u32 row = threadIdx.x; row < t->rows; row += blockDim.x) scores[row] = fit->scores_from[row];
    if (threadIdx.x == 0) fit->intercepts[output] = intercept;
    __syncthreads();
}

/* One Newton step of one output; answers the penalised loss after it. Ends with a barrier. */
DEVICE f64 step(Fit *fit, u32 output, f64 held) {
    const TermsTask *t = fit->rows.task;
    Quadratic *q = &fit->quadratic;
    f64 total = weigh(fit, output);
    if (total < 0.0) return held;
    f64 response_mean = weighted_squares(fit, total);
    for (u32 i = threadIdx.x; i < q->width; i += blockDim.x)
        q->b[i] = q->toward[i] = fit->coefficients[(u64)output * t->candidates + i];
    for (u32 row = threadIdx.x; row < t->rows; row += blockDim.x)
        fit->scores_from[row] = fit->scores[(u64)output * t->rows + row];
    __syncthreads();
    minimise(q, &fit->penalty);
    if (threadIdx.x == 0) q->state->offset = dot_of(q->b, q->means, q->width);
    __syncthreads();
    f64 from = fit->intercepts[output], to = response_mean - q->state->offset;
    score(fit, to);
    for (f64 size = 1.0; size > 1e-4; size *= 0.5) {
        move(fit, output, size, from, to);
        judge(fit);
        f64 objective = q->state->objective;
        if (objective <= held) {
            if (threadIdx.x == 0) q->state->loss = q->state->loss_tried;
            __syncthreads();
            return objective;
        }
    }
    stay(fit, output, from);
    return held;
}

/* Iterates to the answer; answers the iterations. Ends with a barrier. */
DEVICE u32 run(Fit *fit, const f64 *starting) {
    const TermsTask *t = fit->rows.task;
    BlockState *state = fit->quadratic.state;
    for (u32 output = 0; output < t->outputs; output++) {
        if (threadIdx.x == 0) fit->intercepts[output] = starting[output];
        for (u32 row = threadIdx.x; row < t->rows; row += blockDim.x)
            fit->scores[(u64)output * t->rows + row] = starting[output];
        for (u32 i = threadIdx.x; i < fit->rows.width; i += blockDim.x)
            fit->coefficients[(u64)output * t->candidates + i] = 0.0;
    }
    __syncthreads();
    judge(fit);
    f64 held = state->objective;
    if (threadIdx.x == 0) state->loss = state->loss_tried;
    __syncthreads();
    for (u32 iteration = 0; iteration < t->iterations_max; iteration++) {
        f64 before = held;
        if (fit->task->present >= 2 && fit->rows.width > 0)
            for (u32 output = 0; output < t->outputs; output++) held = step(fit, output, held);
        if (threadIdx.x == 0) fit->train_losses[iteration] = state->loss;
        if (before - held <= t->tolerance * (1.0 + magnitude(held))) return iteration + 1;
    }
    return t->iterations_max;
}

/* Standard errors of the coefficients of two classes. */
DEVICE void infer(Fit *fit, LogisticAnswer *answer) {
    if (threadIdx.x == 0) answer->spreads.told = 0;
    if (!fit->task->inference || fit->rows.width == 0) return;
    __syncthreads();
    f64 total = weigh(fit, 0);
    if (total < 0.0) return;
    weighted_squares(fit, total);
    if (threadIdx.x == 0) answer->curvature = total;
    spreads(&fit->quadratic, &fit->rows, fit->penalty.l2, &answer->spreads, fit->variances);
}

KERNEL void THREADS_MAX(256)
logistic(const Task *tasks, const u64 *input, u64 *scratch, u64 *output, u64 *nodes, u64 *nodes_used,
         u64 nodes_max) {
    __shared__ BlockState state;
    DYNAMIC_SHARED(chip);
    (void)nodes, (void)nodes_used, (void)nodes_max;
    Fit fit;
    fit.task = &tasks[blockIdx.x];
    const TermsTask *terms = &fit.task->terms;
    LogisticAnswer *answer = (LogisticAnswer *)(output + terms->output_at);
    open_rows(&fit.rows, terms, input, (u64 *)(answer + 1));
    fit.intercepts = (f64 *)(fit.rows.moments + terms->candidates);
    fit.coefficients = fit.intercepts + terms->outputs;
    fit.variances = fit.coefficients + (u64)terms->outputs * terms->candidates;
    fit.train_losses = fit.variances + terms->candidates;
    Penalty penalty = {terms->l1, terms->l2, 1e-9, 1000};
    fit.penalty = penalty;
    u64 *on_chip = chip, *in_memory = scratch + terms->scratch_at;
    if (lay_out(&fit.quadratic, &fit.rows, &state, &on_chip, &in_memory) && lay_out_rows(&fit, &on_chip, &in_memory)) {
        find_terms(&fit.rows, &state.width);
        u32 iterations = run(&fit, (const f64 *)(input + fit.task->intercepts_at));
        infer(&fit, answer);
        if (threadIdx.x == 0) {
            answer->iterations = iterations;
            answer->status = STATUS_DONE;
        }
    } else if (threadIdx.x == 0) {
        answer->status = STATUS_LAYOUT;
    }
}
