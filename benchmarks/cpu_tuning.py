"""How the recogniser should use a CPU: threads, spinning, PReLU, and what a kept optimised graph saves.

    python -m benchmarks.cpu_tuning WEIGHTS [--networks dlib,mobilefacenet,r50]

WEIGHTS is a folder with mobilefacenet_ms1m_512.onnx; dlib's network is that of the installed pack
`open`, R50 has random weights. All sides take turns. The busy neighbour is a process that counts in
a loop, as a database that answers a heavy query does.
"""

import argparse
import multiprocessing
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import onnxruntime as ort

from benchmarks.int8 import NETWORKS, network
from benchmarks.make_r50 import iresnet
from core.inference.accelerators import CPU
from core.inference.graphs import honest_recogniser
from core.inference.templates import TEMPLATES

ROUNDS = 7
BATCHES = (1, 8, 32)
LEAST_FACES = 16
"""In one measurement, so that a run of a millisecond is not lost in the clock."""

Session = ort.InferenceSession
Side = Callable[[np.ndarray], None]


def session(graph: bytes | str, threads: int, *, spin: bool = False, keep: str = "") -> Session:
    """Load a graph as facesearch does, but for what is measured."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    if keep:
        options.optimized_model_filepath = keep
    return Session(graph, options, providers=[CPU])


def alone(loaded: Session) -> Side:
    """One run after the other."""
    name = loaded.get_inputs()[0].name

    def run(blob: np.ndarray) -> None:
        for _ in range(max(1, LEAST_FACES // len(blob))):
            loaded.run(None, {name: blob})

    return run


def side_by_side(loaded: Session, pool: ThreadPoolExecutor) -> Side:
    """Two runs at a time, as many in all."""
    name = loaded.get_inputs()[0].name

    def run(blob: np.ndarray) -> None:
        times = max(2, LEAST_FACES // len(blob))
        list(pool.map(lambda _: loaded.run(None, {name: blob}), range(times)))

    return run


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process that wants a whole core."""
    process = multiprocessing.get_context("spawn").Process(target=_count, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _count() -> None:
    while True:
        sum(range(100_000))


def measure(sides: dict[str, Side], crops: np.ndarray) -> None:
    """Print faces a second of each side, and how much of a core each second took."""
    found: dict[str, dict[int, list[tuple[float, float]]]] = {
        name: {batch: [] for batch in BATCHES} for name in sides
    }
    for run in sides.values():
        run(crops[:8])  # not counted
    for _ in range(ROUNDS):
        for batch in BATCHES:
            for name, run in sides.items():
                begin, work = perf_counter(), process_time()
                run(crops[:batch])
                seconds = perf_counter() - begin
                runs = max(2 if "two runs" in name else 1, LEAST_FACES // batch)
                found[name][batch].append(
                    (runs * batch / seconds, (process_time() - work) / seconds)
                )
    for name, by_batch in found.items():
        cells = []
        for values in by_batch.values():
            speed, cores = (median(each) for each in zip(*values, strict=True))
            cells.append(f"{speed:9.1f} ({cores:.2f})")
        print(f"  {name:38}" + "".join(cells))


def starts(graph: bytes) -> None:
    """Print how long a session takes to start, from the graph and from what is optimised already."""
    with tempfile.TemporaryDirectory() as folder:
        kept = str(Path(folder) / "optimised.onnx")
        session(graph, 2, keep=kept)
        seconds: dict[str, list[float]] = {"the graph": [], "kept optimised": []}
        for _ in range(ROUNDS):
            for name, source in (("the graph", graph), ("kept optimised", Path(kept).read_bytes())):
                begin = perf_counter()
                session(source, 2)
                seconds[name].append(perf_counter() - begin)
    print("  start: " + ", ".join(f"{name} {median(each):.3f} s" for name, each in seconds.items()))


def plain(name: str, weights: Path) -> bytes:
    """The graph with its PReLU as it is."""
    file = weights / "mobilefacenet_ms1m_512.onnx"
    return honest_recogniser(iresnet() if name == "r50" else file.read_bytes())


def main(arguments: Sequence[str]) -> int:
    """Measure the networks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.cpu_tuning")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    given = parser.parse_args(arguments)
    print(
        f"ONNX Runtime {ort.__version__}, {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; faces/s at batch {', '.join(map(str, BATCHES))} (cores in use)"
    )
    with ThreadPoolExecutor(2) as pool:
        for name in given.networks.split(","):
            net = network(name, given.weights)
            side = TEMPLATES[net.spec.template].side
            noise = np.random.default_rng(1).normal(0, 0.5, (BATCHES[-1], 3, side, side))
            blob = noise.astype(np.float32)
            quiet, one, spinning = (
                session(net.graph, 2),
                session(net.graph, 1),
                session(net.graph, 2, spin=True),
            )
            sides = {
                "one run of two threads": alone(quiet),
                "the same, spinning": alone(spinning),
                "two runs of one thread": side_by_side(one, pool),
            }
            if name != "dlib":
                sides["one run, PReLU as it is"] = alone(session(plain(name, given.weights), 2))
            print(f"\n{name}, alone")
            measure(sides, blob)
            starts(net.graph)
            print(f"{name}, beside a busy process")
            with busy_neighbour():
                measure(sides, blob)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
