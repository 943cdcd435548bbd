"""Which text does the GPU's driver compile? The kernels of this folder, as PTX: `python gpu/ptx.py` writes it beside each
kernel, `python gpu/ptx.py --check` compares it with what is there and fails on a difference. It needs no GPU, only NVRTC,
the compiler as a library, from `pip install nvidia-cuda-nvrtc-cu12==12.4.127`.

12.4 writes `.version 8.4`, which drivers from 550 on load; later compilers write later versions. `compute_75` is the oldest
architecture, Turing; drivers compile it for any later one. Multiplications and additions stay apart (`-fmad=false`), so that
a GPU gives the bits of a CPU."""

import ctypes
import difflib
import importlib.util
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
KERNELS = ["src/trees/boost/boost.cu", "src/linear/kernel/linear.cu", "src/logistic/kernel/logistic.cu",
           "benches/atomics.cu"]
OPTIONS = ["--gpu-architecture=compute_75", "--fmad=false", "--std=c++17"]


def compiler():
    package = importlib.util.find_spec("nvidia.cuda_nvrtc")
    if package is None:
        sys.exit("ptx.py: please install nvidia-cuda-nvrtc-cu12==12.4.127 first")
    (folder,) = package.submodule_search_locations
    return ctypes.CDLL(str(pathlib.Path(folder) / "lib" / "libnvrtc.so.12"))


def compile_kernel(nvrtc, source):
    program = ctypes.c_void_p()
    text = source.read_bytes()
    status = nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, source.name.encode(), 0, None, None)
    if status:
        sys.exit(f"ptx.py: NVRTC does not start ({status})")
    options = [*OPTIONS, f"--include-path={source.parent}"]
    arguments = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = nvrtc.nvrtcCompileProgram(program, len(options), arguments)
    log = output(nvrtc, "Log", program)
    if status:
        sys.exit(f"ptx.py: {source}\n{log}")
    if log.strip():
        print(log, file=sys.stderr)
    return output(nvrtc, "PTX", program)


def output(nvrtc, name, program):
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGetProgram{name}Size" if name == "Log" else f"nvrtcGet{name}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGetProgram{name}" if name == "Log" else f"nvrtcGet{name}")(program, buffer)
    return buffer.value.decode()


def main():
    check = sys.argv[1:] == ["--check"]
    nvrtc = compiler()
    stale = False
    for kernel in KERNELS:
        source = FOLDER / kernel
        target = source.with_suffix(".ptx")
        text = compile_kernel(nvrtc, source)
        if not check:
            target.write_text(text)
            continue
        found = target.read_text() if target.exists() else ""
        if found != text:
            stale = True
            lines = difflib.unified_diff(found.splitlines(), text.splitlines(), str(kernel), "compiled", lineterm="", n=0)
            print("\n".join(list(lines)[:40]))
            print(f"{kernel}: run `python gpu/ptx.py` and commit {target.name}")
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
