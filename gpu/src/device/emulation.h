/* How does a kernel run without a GPU? As plain C: a block's threads are threads of the process, its barrier is a barrier,
   its atomics are atomics. For tests alone. */
#ifndef TARN_EMULATION_H
#define TARN_EMULATION_H

#include <math.h>
#include <pthread.h>
#include <string.h>

#define KERNEL static
#define THREADS_MAX(threads)
#define DEVICE static inline
#define __shared__ static
#define DYNAMIC_SHARED(name) u64 *name = emulated_shared

typedef struct { u32 x; } EmulatedIndex;

static __thread EmulatedIndex threadIdx;
static EmulatedIndex blockIdx, blockDim;
static u64 *emulated_shared;
static pthread_barrier_t emulated_barrier;

static inline void __syncthreads(void) {
    if (blockDim.x > 1) pthread_barrier_wait(&emulated_barrier);
}

#define PEEK(at) __atomic_load_n(at, __ATOMIC_RELAXED)
#define atomicAdd(at, value) __atomic_fetch_add(at, value, __ATOMIC_RELAXED)

static inline u64 atomicMax(u64 *at, u64 value) {
    u64 held = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (held < value &&
           !__atomic_compare_exchange_n(at, &held, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return held;
}

static inline u64 bits_of(f64 value) {
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline f64 from_bits(u64 bits) {
    f64 value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline u32 bits_of_f32(f32 value) {
    u32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline f32 f32_from_bits(u32 bits) {
    f32 value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
