#!/usr/bin/env bash
# Measures the GPU of this machine with what build-on-device.sh built elsewhere: are its models those of the CPU, how fast
# is it, how good are the guesses of `device = auto`? Prints Markdown for docs/BENCHMARKS.md, in under nine minutes.
# With --sanitize, looks for bad memory accesses and races instead (compute-sanitizer, from CUDA's toolkit).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
tests=(trees::boost::tests linear::kernel::tests logistic::kernel::tests)

give_up() {
    echo "on-device: $*" >&2
    exit 1
}

[ -x on-device/tables ] && [ -x on-device/parity ] || give_up "run gpu/build-on-device.sh first, where there is Rust"
command -v nvidia-smi >/dev/null || give_up "there is no GPU here, or no driver for it"
gpu="$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -1)" ||
    give_up "nvidia-smi finds no GPU"
echo "$(date -u +%Y-%m-%d), $gpu"
echo

if [ "${1:-}" = --sanitize ]; then
    for tool in memcheck racecheck synccheck; do
        echo "== $tool"
        for module in "${tests[@]}"; do
            timeout 180 compute-sanitizer --tool "$tool" --error-exitcode 1 \
                on-device/parity --exact "$module::what_is_found_here_fits_a_few_as_the_cpu_does" --nocapture
        done
    done
    exit
fi

for module in "${tests[@]}"; do
    timeout 80 on-device/parity --exact "$module::what_is_found_here_fits_as_the_cpu_does" --nocapture ||
        give_up "the GPU's models are not those of the CPU; nothing below would mean anything"
    echo
done
timeout 300 on-device/tables
