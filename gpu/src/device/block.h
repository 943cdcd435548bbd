/* What does a kernel rest on? Types, random words and elementary functions, for CUDA C and, in tests, for plain C.

   A kernel is written as phases between barriers, each a loop `for (i = threadIdx.x; i < n; i += blockDim.x)`, without
   warp intrinsics, so that any number of threads runs it. Everything here gives the bits of `random.rs` and `math.rs`;
   kernels are compiled with `-fmad=false`, C with `-ffp-contract=off`. */
#ifndef TARN_BLOCK_H
#define TARN_BLOCK_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;

#ifdef __CUDACC__
#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
/* Threads that a block may have, which bounds the registers of each. */
#define THREADS_MAX(threads) __launch_bounds__(threads)
/* The block's dynamic shared memory, in words of 8 bytes. */
#define DYNAMIC_SHARED(name) extern __shared__ u64 name[]
/* A word that other threads may be changing. */
#define PEEK(at) (*(const volatile u64 *)(at))
DEVICE u64 bits_of(f64 value) { return (u64)__double_as_longlong(value); }
DEVICE f64 from_bits(u64 bits) { return __longlong_as_double((i64)bits); }
DEVICE u32 bits_of_f32(f32 value) { return __float_as_uint(value); }
DEVICE f32 f32_from_bits(u32 bits) { return __uint_as_float(bits); }
#else
#include "emulation.h"
#endif

#define INFINITE from_bits(0x7ff0000000000000ull)

/* Where `Iterator::sum` starts. */
#define NO_SUM (-0.0)

/* Running sums of a total; see `trees/sums.rs`. */
#define SUM_LANES 32

/* What a draw is for, as in `random.rs`. */
#define STREAM_ROWS 1
#define STREAM_TREE_COLUMNS 2
#define STREAM_NODE_COLUMNS 3

/* A random word of Philox4x32-10, as `random::draw`. */
DEVICE u64 draw(u64 seed, u32 stream, u32 index, u64 key) {
    u32 c0 = (u32)key, c1 = (u32)(key >> 32), c2 = index, c3 = stream;
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
    for (u32 i = 0; i < 10; i++) {
        u64 p0 = (u64)0xD2511F53u * c0;
        u64 p1 = (u64)0xCD9E8D57u * c2;
        c0 = (u32)(p1 >> 32) ^ c1 ^ k0;
        c1 = (u32)p1;
        c2 = (u32)(p0 >> 32) ^ c3 ^ k1;
        c3 = (u32)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (u64)c0 << 32 | c1;
}

/* A uniform number in [0, 1), as `random::unit`. */
DEVICE f64 unit(u64 seed, u32 stream, u32 index, u64 key) {
    return (f64)(draw(seed, stream, index, key) >> 11) * (1.0 / 9007199254740992.0);
}

DEVICE f64 largest(f64 a, f64 b) { return a > b ? a : b; }

DEVICE f64 magnitude(f64 x) { return from_bits(bits_of(x) & 0x7fffffffffffffffull); }

DEVICE f64 clamped(f64 x, f64 low, f64 high) { return x < low ? low : x > high ? high : x; }

/* As `f64::signum`. */
DEVICE f64 sign_of(f64 x) { return x != x ? x : from_bits((bits_of(x) & 1ull << 63) | bits_of(1.0)); }

/* Takes `words` from a region. */
DEVICE u64 *take(u64 **region, u64 words) {
    u64 *start = *region;
    *region += words;
    return start;
}

/* Words of so many halves of words. */
DEVICE u64 halves(u64 count) { return (count + 1) / 2; }

/* e^x, as `math::exp`. */
DEVICE f64 exponential(f64 x) {
    const f64 round = 6755399441055744.0;
    x = clamped(x, -700.0, 700.0);
    f64 shifted = x * 1.4426950408889634 + round;
    f64 k = shifted - round;
    f64 r = (x - k * 6.931471803691238e-1) - k * 1.9082149292705877e-10;
    f64 p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return from_bits(bits_of(p) + (bits_of(shifted) << 52));
}

/* ln x, as `math::ln`. */
DEVICE f64 logarithm(f64 x) {
    if (x != x) x = 1.7976931348623157e308;
    x = clamped(x, 2.2250738585072014e-308, 1.7976931348623157e308);
    u64 bits = bits_of(x) - 0x3fe6a09e667f3bcdull;
    f64 k = (f64)((i64)bits >> 52);
    f64 m = from_bits((bits & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull);
    f64 s = (m - 1.0) / (m + 1.0);
    f64 z = s * s;
    f64 p = 1.0 / 23.0;
    p = p * z + 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    return k * 6.931471803691238e-1 + (2.0 * s + (2.0 * s * z * p + k * 1.9082149292705877e-10));
}

DEVICE f64 sigmoid(f64 x) { return 1.0 / (1.0 + exponential(-x)); }

DEVICE f64 softplus(f64 x) {
    return largest(x, 0.0) + logarithm(1.0 + exponential(-magnitude(x)));
}

/* Adds the running sums up, as `sums::fold_lanes`; for one thread. */
DEVICE f64 fold_lanes(f64 *sums) {
    for (u32 width = SUM_LANES / 2; width > 0; width /= 2)
        for (u32 lane = 0; lane < width; lane++) sums[lane] += sums[lane + width];
    return sums[0];
}

#endif
