/* How many additions to shared memory does a GPU make in a second? What limits the counting of histograms: 32-bit words,
   pairs of them (gradient and hessian), and 64-bit words that hold both. */

typedef unsigned int u32;
typedef unsigned long long u64;

#define WORDS 2048

/* Addresses that spread over `mask + 1` bins. */
#define STEP(state) ((state) = (state) * 1664525u + 1013904223u)

extern "C" __global__ void add_32(u32 *out, u32 steps, u32 mask) {
    __shared__ u32 sums[WORDS];
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) sums[i] = 0;
    __syncthreads();
    u32 state = threadIdx.x * 747796405u + blockIdx.x;
    for (u32 i = 0; i < steps; i++) atomicAdd(&sums[STEP(state) >> 16 & mask], 1u);
    __syncthreads();
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) atomicAdd(out, sums[i]);
}

extern "C" __global__ void add_pair(u32 *out, u32 steps, u32 mask) {
    __shared__ u32 sums[WORDS], others[WORDS];
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) sums[i] = others[i] = 0;
    __syncthreads();
    u32 state = threadIdx.x * 747796405u + blockIdx.x;
    for (u32 i = 0; i < steps; i++) {
        u32 at = STEP(state) >> 16 & mask;
        atomicAdd(&sums[at], 1u);
        atomicAdd(&others[at], 2u);
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) atomicAdd(out, others[i] - sums[i]);
}

extern "C" __global__ void add_64(u32 *out, u32 steps, u32 mask) {
    __shared__ u64 sums[WORDS];
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) sums[i] = 0;
    __syncthreads();
    u32 state = threadIdx.x * 747796405u + blockIdx.x;
    for (u32 i = 0; i < steps; i++) atomicAdd(&sums[STEP(state) >> 16 & mask], (u64)2 << 32 | 1);
    __syncthreads();
    for (u32 i = threadIdx.x; i < WORDS; i += blockDim.x) atomicAdd(out, (u32)sums[i]);
}
