"""Does a result of ten million rows need more memory than a small one?

    python sql-tests/benches/rows_10m/run.py --tarn target/release/tarn

Both protocols; the rows are read one by one and thrown away.
"""

import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments  # noqa: E402


def message(tag, body):
    return tag + struct.pack("!i", len(body) + 4) + body


def requests(sql):
    text = sql.encode() + b"\0"
    yield "simple", message(b"Q", text)
    for name, code in (("extended, text", 0), ("extended, binary", 1)):
        bind = b"\0\0" + struct.pack("!hhhh", 0, 0, 1, code)
        execute = b"\0" + struct.pack("!i", 0)
        yield name, message(b"P", b"\0" + text + b"\0\0") + message(b"B", bind) + message(b"E", execute) + message(b"S", b"")


def count_rows(port, request):
    """Reads to the end of the answer and counts its rows and bytes."""
    connection = socket.create_connection(("127.0.0.1", port))
    parameters = b"user\0tarn\0database\0tarn\0\0"
    connection.sendall(struct.pack("!ii", len(parameters) + 8, 196608) + parameters)
    rows, total, ready, buffer = 0, 0, 0, b""
    while ready < 2:
        data = connection.recv(1 << 20)
        assert data, "the server hung up"
        total += len(data)
        buffer += data
        place = 0
        while len(buffer) - place >= 5:
            length = struct.unpack_from("!i", buffer, place + 1)[0] + 1
            if len(buffer) - place < length:
                break
            tag = buffer[place : place + 1]
            assert tag != b"E", buffer[place : place + length]
            rows += tag == b"D"
            if tag == b"Z":
                ready += 1
                if ready == 1:
                    connection.sendall(request)
            place += length
        buffer = buffer[place:]
    connection.close()
    return rows, total


def main():
    options = arguments(__doc__, ("--rows", 10000000, "rows of the result"), ("--memory-mib", 100, "growth allowed"))
    missed = 0
    for name, request in requests(f"SELECT n, n * 2 AS twice, 'row ' || n AS label FROM generate_series(1, {options.rows}) AS g(n)"):
        with Tarn(options.tarn) as server:
            with server.connect() as connection:
                connection.execute("SELECT n, n * 2, 'row ' || n FROM generate_series(1, 100000) AS g(n)").fetchall()
            before = server.memory_kib("VmHWM")
            started = time.monotonic()
            rows, total = count_rows(server.port, request)
            took = time.monotonic() - started
            grown = (server.memory_kib("VmHWM") - before) / 1024
        assert rows == options.rows, rows
        missed += grown > options.memory_mib
        print(f"{name}: {rows:,} rows, {total / 1e6:.0f} MB, {took:.1f} s, {grown:.0f} MiB more than a small result")
    sys.exit(1 if missed else 0)


main()
