/* Runs launches of a kernel without a GPU, for tests: reads one from standard input, answers on standard output. Words of 8
   bytes: a header of eight (threads, words of shared memory, fits, words of tasks, input, scratch and output, most nodes),
   tasks, input; and back: nodes used, output, nodes. Memory starts as noise, and what lies behind each part is checked to be
   untouched. The compiler is told KERNEL_SOURCE, a file that calls what it reads of a fit `Task`, and KERNEL_NAME. */

#include <stdio.h>
#include <stdlib.h>

#include KERNEL_SOURCE

#define GUARD_WORDS 64
#define NOISE 0xababababababababull

static u64 *part(u64 words) {
    u64 *memory = aligned_alloc(64, (8 * (words + GUARD_WORDS) + 63) / 64 * 64);
    if (!memory) exit(3);
    for (u64 i = 0; i < words + GUARD_WORDS; i++) memory[i] = NOISE;
    return memory;
}

static void check(const u64 *memory, u64 words, const char *name) {
    for (u64 i = words; i < words + GUARD_WORDS; i++)
        if (memory[i] != NOISE) {
            fprintf(stderr, "the kernel wrote behind %s\n", name);
            exit(4);
        }
}

static u64 *read_part(u64 words) {
    u64 *memory = part(words);
    if (fread(memory, 8, words, stdin) != words) exit(2);
    return memory;
}

typedef struct {
    u64 nodes_max;
    const u64 *tasks, *input;
    u64 *scratch, *output, *nodes, *nodes_used;
    u32 thread;
} Call;

static void *run_thread(void *data) {
    const Call *c = data;
    threadIdx.x = c->thread;
    KERNEL_NAME((const Task *)c->tasks, c->input, c->scratch, c->output, c->nodes, c->nodes_used, c->nodes_max);
    return 0;
}

static void run_block(const Call *call) {
    u32 threads = blockDim.x;
    pthread_t *others = malloc(threads * sizeof *others);
    Call *calls = malloc(threads * sizeof *calls);
    if (!others || !calls) exit(3);
    for (u32 i = 0; i < threads; i++) {
        calls[i] = *call;
        calls[i].thread = i;
        if (i > 0 && pthread_create(&others[i], 0, run_thread, &calls[i])) exit(3);
    }
    run_thread(&calls[0]);
    for (u32 i = 1; i < threads; i++) pthread_join(others[i], 0);
    free(others);
    free(calls);
}

int main(void) {
    u64 header[8];
    if (fread(header, 8, 8, stdin) != 8) return 2;
    u64 chip_words = header[1], scratch_words = header[5], output_words = header[6];
    u64 *tasks = read_part(header[3]), *input = read_part(header[4]);
    u64 nodes_used = 0, nodes_max = header[7];
    u64 *scratch = part(scratch_words), *output = part(output_words), *nodes = part(2 * nodes_max);
    if (sizeof(Task) * header[2] != 8 * header[3]) return 5;
    blockDim.x = (u32)header[0];
    pthread_barrier_init(&emulated_barrier, 0, blockDim.x);
    Call call = {nodes_max, tasks, input, scratch, output, nodes, &nodes_used, 0};
    for (u32 block = 0; block < header[2]; block++) {
        blockIdx.x = block;
        emulated_shared = part(chip_words);
        run_block(&call);
        check(emulated_shared, chip_words, "its shared memory");
        free(emulated_shared);
    }
    check(scratch, scratch_words, "its scratch memory");
    check(output, output_words, "its output");
    check(nodes, 2 * nodes_max, "its nodes");
    if (nodes_used > nodes_max) return 6;
    fwrite(&nodes_used, 8, 1, stdout);
    fwrite(output, 8, output_words, stdout);
    fwrite(nodes, 8, 2 * nodes_used, stdout);
    return fflush(stdout) ? 7 : 0;
}
