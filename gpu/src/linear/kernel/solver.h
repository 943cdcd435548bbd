/* How does a block minimise a penalised quadratic? As `solver.rs` and `inference.rs`, every sum in their order: a thread has
   a number of the answer to itself, so that any number of threads gives the same bits. */
#ifndef TARN_SOLVER_H
#define TARN_SOLVER_H

#include "../../design/terms.h"

/* Numbers that a block's threads share. */
typedef struct {
    f64 sums[2];
    f64 root, offset, objective, loss, loss_tried;
    u32 width, definite;
} BlockState;

/* The quadratic 1/2 b'Gb - c'b and what its solution takes. */
typedef struct {
    BlockState *state;
    u32 width;
    /* `width` by `width`, without gaps. */
    f64 *gram;
    /* Lines of an odd stride: the lower triangle of the factor, and the columns of its inverse. */
    f64 *factor, *columns;
    /* Per term. */
    f64 *linear, *means, *b, *slope, *toward, *products;
    /* Lines of terms, and two numbers per line. */
    f64 *tile, *tile_weights, *tile_values;
} Quadratic;

typedef struct {
    f64 l1, l2, tolerance;
    u32 sweeps_max;
} Penalty;

/* Lays the quadratic out; 0 when the host laid it out otherwise. A barrier must follow. */
DEVICE int lay_out(Quadratic *q, Rows *rows, BlockState *state, u64 **chip, u64 **scratch) {
    const TermsTask *t = rows->task;
    u64 width = t->candidates, pitch = pitch_of(t->candidates);
    q->state = state;
    u64 **work = t->work_on_chip ? chip : scratch;
    u64 *start = *work;
    q->linear = (f64 *)take(work, width);
    q->means = (f64 *)take(work, width);
    q->b = (f64 *)take(work, width);
    q->slope = (f64 *)take(work, width);
    q->toward = (f64 *)take(work, width);
    q->products = (f64 *)take(work, width);
    q->tile = (f64 *)take(work, t->tile_rows * pitch);
    q->tile_weights = (f64 *)take(work, t->tile_rows);
    q->tile_values = (f64 *)take(work, t->tile_rows);
    rows->kept = (u32 *)take(work, halves(width));
    int right = *work == start + t->work_words;
    u64 **matrices = t->matrices_on_chip ? chip : scratch;
    start = *matrices;
    q->gram = (f64 *)take(matrices, width * width);
    q->factor = (f64 *)take(matrices, width * pitch);
    q->columns = (f64 *)take(matrices, width * pitch);
    return right && *matrices == start + t->matrix_words;
}

/* Empties it; ends with a barrier. */
DEVICE void reset(Quadratic *q, u32 width) {
    q->width = width;
    for (u32 i = threadIdx.x; i < width * width; i += blockDim.x) q->gram[i] = 0.0;
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) q->linear[i] = q->means[i] = 0.0;
    __syncthreads();
}

/* Adds the sum of w x x' to an entry of the Gram matrix, four rows at a time as `add_outer_body`. */
DEVICE void add_entry(const Quadratic *q, u32 i, u32 j, u32 count, const f64 *w) {
    u32 pitch = pitch_of(q->width), whole = count & ~3u, row = 0;
    const f64 *a = q->tile + i, *b = q->tile + j;
    f64 sum = q->gram[i * q->width + j];
    for (; row < whole; row += 4) {
        u32 first = row * pitch, second = first + pitch, third = second + pitch, fourth = third + pitch;
        sum += (w[row] * a[first] * b[first] + w[row + 1] * a[second] * b[second]) +
               (w[row + 2] * a[third] * b[third] + w[row + 3] * a[fourth] * b[fourth]);
    }
    for (; row < count; row++) sum += w[row] * a[row * pitch] * b[row * pitch];
    q->gram[i * q->width + j] = sum;
}

/* Adds the rows of the tile: their outer products to the upper triangle, `values` times terms to the linear part, and
   `weights` times terms over `total` to the means; ends with a barrier. */
DEVICE void add_tile(const Quadratic *q, u32 count, const f64 *weights, const f64 *values, f64 total) {
    u32 width = q->width, pitch = pitch_of(width), span = width + 1;
    /* A line of the triangle and its mirror image have `span` entries together. */
    for (u32 unit = threadIdx.x; unit < span * ((width + 1) / 2); unit += blockDim.x) {
        u32 line = unit / span, at = unit % span, mirror = width - 1 - line;
        if (at < width - line)
            add_entry(q, line, line + at, count, weights);
        else if (mirror != line)
            add_entry(q, mirror, mirror + (at - (width - line)), count, weights);
    }
    for (u32 unit = threadIdx.x; unit < 2 * width; unit += blockDim.x) {
        u32 term = unit / 2;
        const f64 *x = q->tile + term;
        f64 sum = unit % 2 ? q->means[term] : q->linear[term];
        for (u32 row = 0; row < count; row++)
            sum += unit % 2 ? weights[row] * x[row * pitch] / total : values[row] * x[row * pitch];
        *(unit % 2 ? &q->means[term] : &q->linear[term]) = sum;
    }
    __syncthreads();
}

/* Scales everything and copies the upper triangle to the lower; ends with a barrier. */
DEVICE void finish(const Quadratic *q, f64 factor) {
    u32 width = q->width;
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) q->linear[i] *= factor;
    for (u32 unit = threadIdx.x; unit < width * width; unit += blockDim.x) {
        u32 i = unit / width, j = unit % width;
        if (j < i) continue;
        f64 value = q->gram[unit] * factor;
        q->gram[unit] = value;
        q->gram[j * width + i] = value;
    }
    __syncthreads();
}

/* Takes the means of the terms out of the Gram matrix; ends with a barrier. */
DEVICE void centre(const Quadratic *q, f64 share) {
    for (u32 unit = threadIdx.x; unit < q->width * q->width; unit += blockDim.x)
        q->gram[unit] -= share * q->means[unit / q->width] * q->means[unit % q->width];
    __syncthreads();
}

/* Finds the lower triangle L of G + l2 I = L L'; 0 when the matrix is not safely positive definite. Column by column, which
   leaves the sums of each entry as they are line by line. Ends with a barrier. */
DEVICE int factorise(const Quadratic *q, f64 l2) {
    u32 width = q->width, pitch = pitch_of(width);
    f64 *l = q->factor, top = 0.0;
    for (u32 i = 0; i < width; i++) {
        f64 own = q->gram[i * width + i];
        top = own > top ? own : top;
    }
    top += l2;
    for (u32 j = 0; j < width; j++) {
        for (u32 i = j + threadIdx.x; i < width; i += blockDim.x) {
            f64 dot = NO_SUM, own = q->gram[i * width + j];
            if (i == j) own += l2;
            for (u32 k = 0; k < j; k++) dot += l[i * pitch + k] * l[j * pitch + k];
            l[i * pitch + j] = own - dot;
            if (i == j) {
                f64 pivot = own - dot;
                q->state->definite = pivot > 1e-11 * top;
                q->state->root = sqrt(pivot);
            }
        }
        __syncthreads();
        f64 root = q->state->root;
        u32 definite = q->state->definite;
        for (u32 i = j + threadIdx.x; i < width; i += blockDim.x)
            l[i * pitch + j] = i == j ? root : l[i * pitch + j] / root;
        __syncthreads();
        if (!definite) return 0;
    }
    return 1;
}

/* Solves (G + l2 I) b = c; 0, with b as it was, when the matrix is not safely positive definite. Ends with a barrier. */
DEVICE int cholesky(const Quadratic *q, f64 l2) {
    if (!factorise(q, l2)) return 0;
    u32 width = q->width, pitch = pitch_of(width);
    f64 *l = q->factor, *dots = q->slope;
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) dots[i] = NO_SUM;
    __syncthreads();
    for (u32 k = 0; k < width; k++) {
        f64 b = (q->linear[k] - dots[k]) / l[k * pitch + k];
        if (threadIdx.x == 0) q->b[k] = b;
        for (u32 i = k + 1 + threadIdx.x; i < width; i += blockDim.x) dots[i] += l[i * pitch + k] * b;
        __syncthreads();
    }
    for (u32 i = width; i-- > 0;) {
        for (u32 k = i + 1 + threadIdx.x; k < width; k += blockDim.x)
            q->products[k] = l[k * pitch + i] * q->b[k];
        __syncthreads();
        if (threadIdx.x == 0) {
            f64 dot = NO_SUM;
            for (u32 k = i + 1; k < width; k++) dot += q->products[k];
            q->b[i] = (q->b[i] - dot) / l[i * pitch + i];
        }
        __syncthreads();
    }
    return 1;
}

/* Coordinate descent from b on; answers the sweeps, ends with a barrier. */
DEVICE u32 descend(const Quadratic *q, const Penalty *penalty) {
    u32 width = q->width;
    f64 *slope = q->slope, *b = q->b;
    for (u32 k = threadIdx.x; k < width; k += blockDim.x) {
        f64 own = q->linear[k];
        for (u32 j = 0; j < width; j++)
            if (b[j] != 0.0) own -= q->gram[j * width + k] * b[j];
        slope[k] = own;
    }
    __syncthreads();
    for (u32 sweep = 1; sweep <= penalty->sweeps_max; sweep++) {
        f64 top = 0.0;
        /* Every thread finds the same step; each moves the slopes that are its own. */
        for (u32 j = 0; j < width; j++) {
            f64 own = q->gram[j * width + j], curvature = own + penalty->l2, held = b[j];
            if (curvature <= 0.0) continue;
            f64 pull = slope[j] + own * held, left = magnitude(pull) - penalty->l1;
            f64 next = sign_of(pull) * (left > 0.0 ? left : 0.0) / curvature, change = next - held;
            if (change == 0.0) continue;
            __syncthreads();
            if (threadIdx.x == 0) b[j] = next;
            for (u32 k = threadIdx.x; k < width; k += blockDim.x) slope[k] -= q->gram[j * width + k] * change;
            f64 moved = magnitude(change) * sqrt(own);
            top = moved > top ? moved : top;
            __syncthreads();
        }
        if (top <= penalty->tolerance) return sweep;
    }
    return penalty->sweeps_max;
}

/* Minimises with the penalty, starting from b; answers the sweeps, ends with a barrier. */
DEVICE u32 minimise(const Quadratic *q, const Penalty *penalty) {
    if (penalty->l1 == 0.0 && cholesky(q, penalty->l2)) return 1;
    return descend(q, penalty);
}

/* Puts the inverse of G + l2 I in the place of G; 0 when the matrix is not safely positive definite. Ends with a barrier. */
DEVICE int invert(const Quadratic *q, f64 l2) {
    if (!factorise(q, l2)) return 0;
    u32 width = q->width, pitch = pitch_of(width);
    const f64 *l = q->factor;
    for (u32 j = threadIdx.x; j < width; j += blockDim.x) {
        f64 *line = q->columns + j * pitch;
        line[j] = 1.0 / l[j * pitch + j];
        for (u32 i = j + 1; i < width; i++) {
            f64 dot = NO_SUM;
            for (u32 k = j; k < i; k++) dot += l[i * pitch + k] * line[k];
            line[i] = -dot / l[i * pitch + i];
        }
    }
    __syncthreads();
    for (u32 unit = threadIdx.x; unit < width * width; unit += blockDim.x) {
        u32 i = unit / width, j = unit % width;
        if (j > i) continue;
        f64 dot = NO_SUM;
        for (u32 k = i; k < width; k++) dot += q->columns[i * pitch + k] * q->columns[j * pitch + k];
        q->gram[unit] = dot;
        q->gram[j * width + i] = dot;
    }
    __syncthreads();
    return 1;
}

/* What is answered of standard errors, per unit of variance; the variances of the terms lie elsewhere. */
typedef struct {
    u64 told;
    f64 toward, freedom;
} Spreads;

/* As `Inference::spreads`, towards the answer where every raw reading is 0; ends with a barrier. */
DEVICE void spreads(const Quadratic *q, const Rows *rows, f64 l2, Spreads *answer, f64 *variances) {
    u32 width = q->width;
    int told = invert(q, l2);
    if (told) {
        for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
            const Moments *moments = &rows->moments[rows->kept[i]];
            q->toward[i] = q->means[i] + moments->mean * moments->scale;
        }
        __syncthreads();
        for (u32 j = threadIdx.x; j < width; j += blockDim.x) {
            const f64 *line = q->gram + j * width;
            f64 square = NO_SUM, along = NO_SUM;
            for (u32 k = 0; k < width; k++) {
                square += line[k] * line[k];
                along += line[k] * q->toward[k];
            }
            variances[j] = line[j] - l2 * square;
            q->slope[j] = along * (q->toward[j] - l2 * along);
            q->products[j] = l2 * l2 * square;
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        f64 toward = 0.0, freedom = (f64)width;
        for (u32 j = 0; told && j < width; j++) {
            toward += q->slope[j];
            freedom -= q->products[j];
        }
        answer->told = told;
        answer->toward = toward;
        answer->freedom = freedom;
    }
    __syncthreads();
}

/* The sum of two lists' products; for one thread. */
DEVICE f64 dot_of(const f64 *a, const f64 *b, u32 count) {
    f64 sum = NO_SUM;
    for (u32 i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

#endif
