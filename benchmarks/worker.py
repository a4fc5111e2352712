"""Runs one row on one loop in this process; started by run.py, once for each figure.

An in-process row or a probe prints its figures as one line of JSON. A server prints where it
listens, as one line of JSON, and serves until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import socket
import statistics
import time
from collections.abc import Callable

from harness import loops
from harness.rows import REGISTER, Batch, InProcess, Network, Probe, load_workloads


def timed_batches(batch: Batch, enough: Callable[[int, float], bool]) -> dict[str, float]:
    """Repeats a batch; rate by the median batch, CPU time by the sum of all."""
    per_operation: list[float] = []
    operations = 0
    cpu = time.process_time()
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    begun = time.perf_counter()
    while not enough(len(per_operation), time.perf_counter() - begun):
        start = time.perf_counter()
        count = batch()
        per_operation.append((time.perf_counter() - start) / count)
        operations += count
    cpu = time.process_time() - cpu
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime - user
    return {
        "figure": 1 / statistics.median(per_operation),
        "cpu_us": cpu / operations * 1e6,
        "user_us": user / operations * 1e6,
        "operations": operations,
        "batches": len(per_operation),
    }


def run_in_process(row: InProcess, loop_name: str, seconds: float, batches: int) -> None:
    """Warms up with one batch, then measures for some time or some batches."""
    loop = loops.new_loop(loop_name)
    asyncio.set_event_loop(loop)
    batch = row.prepare(loop)
    batch()
    gc.collect()
    if batches:
        figures = timed_batches(batch, lambda done, _: done >= batches)
    else:
        figures = timed_batches(batch, lambda done, spent: done >= 3 and spent >= seconds)
    print(json.dumps(figures), flush=True)


def serve(row: Network, loop_name: str, path: str) -> None:
    """Listens, says where, and serves for ever."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    if row.load.family == "unix":
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        address = {"path": path}
    elif row.load.family == "udp":
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
        address = {"port": str(listener.getsockname()[1])}
    else:
        # With its protocol named, as create_server() does: asyncio sets TCP_NODELAY only then.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        address = {"port": str(listener.getsockname()[1])}
    if listener.type == socket.SOCK_STREAM:
        listener.listen(1024)
    listener.setblocking(False)
    loop = loops.new_loop(loop_name)
    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(_await(row, listener))
    gc.collect()
    print(json.dumps({"pid": os.getpid(), **address}), flush=True)
    loop.run_forever()
    del server


async def _await(row: Network, listener: socket.socket) -> object:
    return await row.serve(listener)


def main() -> None:
    """Reads the command line that run.py writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", required=True)
    parser.add_argument("--loop", required=True)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--batches", type=int, default=0, help="a fixed number of batches instead")
    parser.add_argument("--path", default="", help="where a Unix server listens")
    parser.add_argument("--cpu", type=int, default=-1, help="the only processor to run on")
    options = parser.parse_args()
    if options.cpu >= 0:
        os.sched_setaffinity(0, {options.cpu})
    load_workloads()
    row = REGISTER[options.row]
    if isinstance(row, InProcess):
        run_in_process(row, options.loop, options.seconds, options.batches)
    elif isinstance(row, Network):
        serve(row, options.loop, options.path)
    elif isinstance(row, Probe):
        print(json.dumps(row.measure(options.loop)), flush=True)


if __name__ == "__main__":
    main()
