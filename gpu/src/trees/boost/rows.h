/* Which rows and columns does a round see, with what gradients, and how well does it do? As `objective.rs` and `cpu.rs`. */
#ifndef TARN_ROWS_H
#define TARN_ROWS_H

#include "fit.h"

/* What a row is to learn for an output: its label, or whether it is of the output's class. */
DEVICE f64 label_of(const Fit *fit, u32 row, u32 output) {
    f64 label = fit->labels[row];
    if (!fit->task->indicators) return label;
    f64 asked = fit->task->outputs == 1 ? 1.0 : (f64)output;
    return label == asked ? 1.0 : 0.0;
}

DEVICE f64 label_loss(const Task *t, f64 y, f64 s) {
    f64 r = s - y;
    switch (t->objective) {
    case HUBER:
        r = magnitude(r);
        return r <= t->parameter ? 0.5 * r * r : t->parameter * (r - 0.5 * t->parameter);
    case POISSON:
        return exponential(s) - y * s;
    case TWEEDIE:
        return exponential((2.0 - t->parameter) * s) / (2.0 - t->parameter) -
               y * exponential((1.0 - t->parameter) * s) / (1.0 - t->parameter);
    case LOGISTIC:
        return softplus(s) - y * s;
    default:
        return r * r;
    }
}

DEVICE f64 class_loss(const Fit *fit, u32 row) {
    const Task *t = fit->task;
    u64 rows = (u64)t->rows_train + t->rows_valid;
    const f64 *score = fit->scores + row;
    f64 top = -INFINITE, total = 0.0;
    for (u32 k = 0; k < t->outputs; k++) top = largest(score[k * rows], top);
    for (u32 k = 0; k < t->outputs; k++) total += exponential(score[k * rows] - top);
    u32 label = (u32)fit->labels[row];
    if (label > t->outputs - 1) label = t->outputs - 1;
    return logarithm(total) + top - score[label * rows];
}

/* Mean loss of an output over rows `from..from + rows`, for every thread; ends with a barrier. */
DEVICE f64 mean_loss(const Fit *fit, u32 from, u32 rows, f64 weight, u32 output) {
    const Task *t = fit->task;
    f64 *each = fit->g, *lanes = fit->state->gradient_sums;
    const f64 *scores = fit->scores + (u64)output * (t->rows_train + (u64)t->rows_valid);
    for (u32 i = threadIdx.x; i < rows; i += blockDim.x) {
        u32 row = from + i;
        f64 loss = t->objective == SOFTMAX ? class_loss(fit, row)
                                           : label_loss(t, label_of(fit, row, output), scores[row]);
        each[i] = t->weighted ? fit->weights[row] * loss : loss;
    }
    __syncthreads();
    for (u32 lane = threadIdx.x; lane < SUM_LANES; lane += blockDim.x) {
        f64 sum = 0.0;
        for (u32 i = lane; i < rows; i += SUM_LANES) sum += each[i];
        lanes[lane] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        f64 mean = fold_lanes(lanes) / weight;
        lanes[0] = t->objective == SQUARED ? sqrt(mean) : mean;
    }
    __syncthreads();
    f64 mean = lanes[0];
    __syncthreads();
    return mean;
}

/* Mean loss of the held-out rows over all outputs; ends with a barrier. */
DEVICE f64 valid_loss(const Fit *fit) {
    const Task *t = fit->task;
    u32 outputs = t->indicators ? t->outputs : 1;
    f64 sum = 0.0;
    for (u32 output = 0; output < outputs; output++)
        sum += mean_loss(fit, t->rows_train, t->rows_valid, t->valid_weight, output);
    return t->indicators ? sum / (f64)outputs : sum;
}

/* Poisson(1) by inversion, as `poisson_count` in `cpu.rs`. */
DEVICE u32 poisson_count(f64 u) {
    f64 probability = 0.36787944117144233, below = probability;
    u32 count = 0;
    while (u >= below && count < 12) {
        count += 1;
        probability /= (f64)count;
        below += probability;
    }
    return count;
}

/* Draws the rows of a round; a row of the sample has a positive packed hessian. */
DEVICE void draw_rows(const Fit *fit, u32 round) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    if (round > 0 && !(t->row_fraction < 1.0) && !t->bootstrap) return;
    if (threadIdx.x == 0) state->bag = 0;
    __syncthreads();
    u32 count = 0;
    for (u32 row = threadIdx.x; row < t->rows_train; row += blockDim.x) {
        int drawn = 1;
        if (t->bootstrap) {
            fit->counts[row] = poisson_count(unit(t->seed, STREAM_ROWS, round, fit->keys[row]));
            drawn = fit->counts[row] > 0;
        } else if (t->row_fraction < 1.0) {
            drawn = unit(t->seed, STREAM_ROWS, round, fit->keys[row]) < t->row_fraction;
        }
        fit->packed_h[row] = drawn;
        count += drawn;
    }
    atomicAdd(&state->bag, count);
    __syncthreads();
}

/* Draws the columns of a round: those with the smallest words, the lower number first among equals. */
DEVICE void draw_columns(const Fit *fit, u32 round) {
    const Task *t = fit->task;
    if (t->columns_wanted >= t->features) return;
    u32 slots = 8 * t->blocks;
    for (u32 slot = threadIdx.x; slot < slots; slot += blockDim.x)
        fit->drawn[slot] = draw(t->seed, STREAM_TREE_COLUMNS, round, fit->slot_features[slot]);
    __syncthreads();
    for (u32 slot = threadIdx.x; slot < slots; slot += blockDim.x) {
        u32 feature = fit->slot_features[slot], before = 0;
        u64 word = fit->drawn[slot];
        for (u32 other = 0; other < slots; other++) {
            u32 id = fit->slot_features[other];
            u64 rival = fit->drawn[other];
            before += id != NO_SLOT && (rival < word || (rival == word && id < feature));
        }
        fit->allowed[slot] = feature != NO_SLOT && before < t->columns_wanted;
    }
    __syncthreads();
}

/* Class probabilities of the training rows, as `math::softmax`. */
DEVICE void class_shares(const Fit *fit) {
    const Task *t = fit->task;
    u64 rows = (u64)t->rows_train + t->rows_valid, stride = t->rows_train;
    for (u32 row = threadIdx.x; row < t->rows_train; row += blockDim.x) {
        f64 top = -INFINITE, sum = 0.0;
        for (u32 k = 0; k < t->outputs; k++) top = largest(top, fit->scores[k * rows + row]);
        for (u32 k = 0; k < t->outputs; k++) {
            f64 share = exponential(fit->scores[k * rows + row] - top);
            fit->shares[k * stride + row] = share;
            sum += share;
        }
        for (u32 k = 0; k < t->outputs; k++) fit->shares[k * stride + row] /= sum;
    }
    __syncthreads();
}

/* Gradient and hessian of a row, without its weight. */
DEVICE void derivatives(const Fit *fit, u32 row, u32 output, f64 *g, f64 *h) {
    const Task *t = fit->task;
    f64 y = label_of(fit, row, output);
    *h = 1.0;
    if (t->objective == SOFTMAX) {
        f64 p = fit->shares[(u64)output * t->rows_train + row];
        *g = p - (y == (f64)output ? 1.0 : 0.0);
        *h = largest(t->softmax_factor * p * (1.0 - p), 1e-16);
        return;
    }
    u64 rows = (u64)t->rows_train + t->rows_valid;
    f64 s = fit->scores[(t->indicators ? output * rows : 0) + row], power = t->parameter;
    switch (t->objective) {
    case HUBER:
        *g = clamped(s - y, -power, power);
        break;
    case POISSON:
        *g = exponential(s) - y;
        *h = exponential(s + 0.7);
        break;
    case TWEEDIE: {
        f64 a = exponential((1.0 - power) * s), b = exponential((2.0 - power) * s);
        *g = b - y * a;
        *h = largest((2.0 - power) * b - y * (1.0 - power) * a, 1e-16);
        break;
    }
    case LOGISTIC: {
        f64 p = sigmoid(s);
        *g = p - y;
        *h = largest(p * (1.0 - p), 1e-16);
        break;
    }
    default:
        *g = s - y;
    }
}

/* Units of leaf sums: a power of two, as `sums::LeafScale`. */
DEVICE f64 leaf_scale(f64 histogram_scale) {
    u64 exponent = (bits_of(histogram_scale) >> 52 & 0x7ff) + 30;
    return from_bits((exponent < 2046 ? exponent : 2046) << 52);
}

/* Scales of the gradients of a tree, or `stump` when they are all rounding; for one thread. */
DEVICE void set_scales(const Fit *fit) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    f64 g_sum = fold_lanes(state->gradient_sums);
    state->stump = 1;
    if (state->bag > 0) {
        f64 mean = g_sum / (f64)state->bag;
        if (state->negligible == 0.0) state->negligible = 1e-13 * (mean + t->base_magnitude);
        state->stump = !(mean > state->negligible && g_sum < INFINITE);
    }
    f64 h_scale = t->units ? 1.0 : 1073741824.0 / fold_lanes(state->hessian_sums);
    state->gradient_scale = 1073741824.0 / g_sum;
    state->hessian_scale = h_scale;
    state->leaf_gradient_scale = leaf_scale(state->gradient_scale);
    state->leaf_hessian_scale = leaf_scale(h_scale);
    state->l1 = t->l1 * state->gradient_scale;
    state->l2 = t->l2 * h_scale;
    state->category_l2 = t->category_l2 * h_scale;
    state->min_hessian = t->min_hessian * h_scale;
    state->min_gain = t->min_gain * (state->gradient_scale * state->gradient_scale / h_scale);
    state->root_g = 0;
    state->root_h = 0;
}

/* Gradients of one output in fixed point, and their sums. */
DEVICE void quantise(const Fit *fit, u32 output) {
    const Task *t = fit->task;
    BlockState *state = fit->state;
    for (u32 row = threadIdx.x; row < t->rows_train; row += blockDim.x) {
        f64 g = 0.0, h = 0.0;
        if (fit->packed_h[row] > 0) {
            derivatives(fit, row, output, &g, &h);
            if (t->weighted) {
                g *= fit->weights[row];
                h *= fit->weights[row];
            }
            if (t->bootstrap) {
                g *= (f64)fit->counts[row];
                h = t->weighted ? h * (f64)fit->counts[row] : (f64)fit->counts[row];
            }
        }
        fit->g[row] = g;
        if (!t->units) fit->h[row] = h;
    }
    __syncthreads();
    u32 lanes = t->units ? SUM_LANES : 2 * SUM_LANES;
    for (u32 lane = threadIdx.x; lane < lanes; lane += blockDim.x) {
        const f64 *values = lane < SUM_LANES ? fit->g : fit->h;
        f64 *sums = lane < SUM_LANES ? state->gradient_sums : state->hessian_sums;
        f64 sum = 0.0;
        for (u32 row = lane % SUM_LANES; row < t->rows_train; row += SUM_LANES)
            sum += magnitude(values[row]);
        sums[lane % SUM_LANES] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) set_scales(fit);
    __syncthreads();
    const f64 round = 6755399441055744.0;
    i32 g_total = 0, h_total = 0;
    u32 rows = t->rows_train + t->rows_valid;
    for (u32 row = threadIdx.x; row < rows; row += blockDim.x) {
        fit->row_node[row] = 0;
        if (row >= t->rows_train) continue;
        i32 g = 0, h = 0;
        if (fit->packed_h[row] > 0) {
            g = (i32)(u32)bits_of(fit->g[row] * state->gradient_scale + round);
            h = t->units ? 1 : (i32)(u32)bits_of(largest(fit->h[row] * state->hessian_scale, 1.0) + round);
        }
        fit->packed_g[row] = g;
        fit->packed_h[row] = h;
        g_total += g;
        h_total += h;
    }
    atomicAdd(&state->root_g, g_total);
    atomicAdd(&state->root_h, h_total);
    __syncthreads();
}

#endif
