/* How do a fit's columns become standardised terms? As `Design::learn`, with its sums in its order. `sources.rs` writes what
   is read here. */
#ifndef TARN_TERMS_H
#define TARN_TERMS_H

#include "../device/block.h"

/* Readings, numbered as in `sources.rs`. */
#define READ_NUMBER 0
#define READ_MISSING 1
#define READ_LEVEL 2
#define READ_STATISTIC 3

/* How a fit ended. */
#define STATUS_DONE 1
#define STATUS_LAYOUT 2

/* What fits of terms have in common. Places are in words of 8 bytes. */
typedef struct {
    /* Weight of all rows, and the strengths of the penalties with the tolerance of the solver. */
    f64 total, l1, l2, tolerance;
    u64 sources_at, labels_at, weights_at, candidates_at, scratch_at, output_at, row_words;
    u32 rows, candidates, weighted, iterations_max, outputs;
    u32 tile_rows, work_words, matrix_words;
    u32 work_on_chip, matrices_on_chip, rows_on_chip, unused;
} TermsTask;

/* A term that a column becomes if it varies. */
typedef struct {
    /* Which of the columns that were sent it reads. */
    u32 source, reading, level, unused;
    /* Limits of an infinite number. */
    f64 low, high;
} Candidate;

/* What is answered of a candidate. */
typedef struct {
    u64 kept;
    f64 mean, scale;
} Moments;

/* Where the rows of the block's fit are. */
typedef struct {
    const TermsTask *task;
    /* A column after the other, each in whole words. */
    const u32 *sources;
    const f64 *labels, *weights;
    const Candidate *candidates;
    Moments *moments;
    /* Candidate of each term. */
    u32 *kept;
    u32 width;
} Rows;

/* An odd stride, so that threads that walk over neighbouring lines of shared memory don't wait for each other. */
DEVICE u32 pitch_of(u32 width) { return width | 1; }

DEVICE u32 smallest(u32 a, u32 b) { return a < b ? a : b; }

DEVICE f64 weight_of(const Rows *rows, u32 row) {
    return rows->task->weighted ? rows->weights[row] : 1.0;
}

/* The raw value of a row; not a number stands for the mean. */
DEVICE f64 value_of(const Rows *rows, const Candidate *candidate, u32 row) {
    u64 at = 2 * halves(rows->task->rows) * candidate->source + row;
    u32 bits = rows->sources[at];
    f64 value = (f64)f32_from_bits(bits);
    switch (candidate->reading) {
    case READ_MISSING:
        return value != value ? 1.0 : 0.0;
    case READ_LEVEL:
        return bits == candidate->level ? 1.0 : 0.0;
    case READ_NUMBER:
        return magnitude(value) == INFINITE ? clamped(value, candidate->low, candidate->high) : value;
    default:
        return value;
    }
}

/* Mean and scale of a candidate, and whether it varies. */
DEVICE Moments moments_of(const Rows *rows, const Candidate *candidate) {
    u32 count = rows->task->rows;
    Moments moments = {0, 0.0, 0.0};
    f64 sum = 0.0, total = 0.0;
    for (u32 row = 0; row < count; row++) {
        f64 value = value_of(rows, candidate, row);
        if (value != value) continue;
        sum += weight_of(rows, row) * value;
        total += weight_of(rows, row);
    }
    if (!(total > 0.0)) return moments;
    f64 mean = sum / total, squares = NO_SUM;
    for (u32 row = 0; row < count; row++) {
        f64 value = value_of(rows, candidate, row), away = value - mean;
        squares += value != value ? 0.0 : weight_of(rows, row) * (away * away);
    }
    f64 deviation = sqrt(squares / total), scale = 1.0 / deviation;
    moments.kept = deviation < INFINITE && deviation > 1e-12 * magnitude(mean) && deviation > 0.0 &&
                   scale < INFINITE;
    moments.mean = mean;
    moments.scale = scale;
    return moments;
}

/* Finds the terms; ends with a barrier. */
DEVICE void find_terms(Rows *rows, u32 *width) {
    u32 candidates = rows->task->candidates;
    for (u32 i = threadIdx.x; i < candidates; i += blockDim.x)
        rows->moments[i] = moments_of(rows, &rows->candidates[i]);
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 found = 0;
        for (u32 i = 0; i < candidates; i++)
            if (rows->moments[i].kept) rows->kept[found++] = i;
        *width = found;
    }
    __syncthreads();
    rows->width = *width;
}

/* Writes the terms of `count` rows from `first` on, a line per row; ends with a barrier. */
DEVICE void encode_tile(const Rows *rows, u32 first, u32 count, f64 *tile) {
    u32 pitch = pitch_of(rows->width);
    for (u32 i = threadIdx.x; i < count * rows->width; i += blockDim.x) {
        u32 term = i / count, row = i % count, at = rows->kept[term];
        f64 value = value_of(rows, &rows->candidates[at], first + row);
        const Moments *moments = &rows->moments[at];
        tile[row * pitch + term] = value != value ? 0.0 : (value - moments->mean) * moments->scale;
    }
    __syncthreads();
}

/* Finds the rows of the block's fit, whose moments are answered at `moments`. */
DEVICE void open_rows(Rows *rows, const TermsTask *task, const u64 *input, u64 *moments) {
    rows->task = task;
    rows->sources = (const u32 *)(input + task->sources_at);
    rows->labels = (const f64 *)(input + task->labels_at);
    rows->weights = (const f64 *)(input + task->weights_at);
    rows->candidates = (const Candidate *)(input + task->candidates_at);
    rows->moments = (Moments *)moments;
}

#endif
