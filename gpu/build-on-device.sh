#!/usr/bin/env bash
# Builds what on-device.sh runs on a machine with a GPU and without Rust, stripped, into gpu/on-device, which git ignores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# executable KIND NAME ARGUMENT…: the file that cargo built for a target.
executable() {
    local kind="$1" name="$2"
    shift 2
    cargo "$@" --locked -p tarn-gpu --message-format=json |
        python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    target = message.get("target", {})
    if message.get("executable") and target["name"] == sys.argv[2] and sys.argv[1] in target["kind"]:
        print(message["executable"])
' "$kind" "$name"
}

tables="$(executable bench on_device bench --bench on_device --no-run)"
parity="$(executable lib tarn_gpu test --release --lib --no-run)"
mkdir -p gpu/on-device
strip -o gpu/on-device/tables "$tables"
strip -o gpu/on-device/parity "$parity"
du -ch gpu/on-device/* | tail -1
