"""A design run by the engine against the same cells computed one at a time: minutes and peak memory.

    python -m benchmarks.ablation_cost DATA --design training-size      # a folder written by `embedllm data import`
    python -m benchmarks.ablation_cost DATA --design held-out-benchmark --every 5

- engine: `python -m ablations DESIGN DATA` as a user runs it: Ray, MLflow, tables, statistics, figures included.
- one at a time: one process with all cores, which trains and judges cell after cell, nothing shared between them but
  the encodings; no tables, no figures. `--every N` computes every Nth cell of a kind and extrapolates.

Encodings are made beforehand and read from the cache by both. Memory is the proportional set size (pages shared by
several processes counted once) summed over the process and all it started.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from typing import Any

import psutil

from ablations.batches import Batch, Encodings
from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.registry import find_design
from ablations.runner import Ablation, load_data
from embedllm.encoders import encode_data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--design", default="training-size")
    parser.add_argument("--encoder", default="lsa")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--every", type=int, default=5, help="one at a time: every Nth cell of a kind")
    parser.add_argument("--one-at-a-time", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    config = AblationConfig(data=args.data, encoder=args.encoder, seeds=args.seeds, split="random")
    if args.one_at_a_time:
        print(json.dumps(one_at_a_time(prepare(args.design, config), args.every)))
        return
    began = time.perf_counter()
    cells = encode(prepare(args.design, config))
    print(f"{cells} cells; encodings {time.perf_counter() - began:.0f} s, shared by both ways", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "ablations", args.design, args.data, "--encoder", args.encoder, "--seeds", str(args.seeds)]
        engine = watched([*words, "--split", "random", "--out", f"{folder}/results"])
    words = ["-m", "benchmarks.ablation_cost", args.data, "--design", args.design, "--encoder", args.encoder]
    words += ["--seeds", str(args.seeds), "--every", str(args.every), "--one-at-a-time"]
    alone = watched(words)
    by_kind = json.loads(alone["output"].splitlines()[-1])
    seconds = sum(each["seconds"] for each in by_kind.values())
    print("| | minutes | peak memory |\n|---|---|---|")
    print(f"| engine | {engine['seconds'] / 60:.1f} | {engine['memory']:.2f} GiB |")
    print(f"| one at a time | {seconds / 60:.1f} | {alone['memory']:.2f} GiB |")
    print(f"\n{seconds / engine['seconds']:.1f} x; one at a time, by method:")
    for method, each in by_kind.items():
        print(f"  {method}: {each['cells']} cells, {each['seconds']:.0f} s ({each['timed']} timed)")


def prepare(design: str, config: AblationConfig) -> Ablation:
    return Ablation.prepare(find_design(design)(), config, load_data(config))


def encode(ablation: Ablation) -> int:
    """Fill the cache of encodings; the number of cells."""
    known = Encodings.of(ablation.plan)
    for encoding in dict.fromkeys(known.find(cell) for cell in ablation.plan.cells):
        if encoding is not None:
            encode_data(ablation.data, encoding.encoder, fit_on=known.questions.get(encoding.fitted_on))
    return len(ablation.plan.cells)


def one_at_a_time(ablation: Ablation, every: int) -> dict[str, dict[str, Any]]:
    """Method -> seconds of all its cells, how many they are, and how many of them were timed."""
    from ablations.worker import CellWorker

    payload = ablation.payload(ablation.plan.cells)
    known = Encodings.of(ablation.plan)
    by_method: dict[str, list[Cell]] = defaultdict(list)
    for cell in ablation.plan.cells:
        by_method[cell.method].append(cell)
    found = {}
    for method, cells in by_method.items():
        # Cells are listed size by size, seed by seed: a step of `seeds` meets every size.
        timed = cells[::every] if len(cells) > every else cells
        seconds = []
        for cell in timed:
            outcome = CellWorker(payload, 1)(Batch((cell,), known.find(cell)))
            assert all(each.failure is None for each in outcome.cells), outcome.cells
            seconds.append(outcome.seconds)
        found[method] = {
            "seconds": sum(seconds) * len(cells) / len(timed),
            "cells": len(cells),
            "timed": len(timed),
        }
    return found


def watched(words: list[str]) -> dict[str, Any]:
    """Run Python with these words: seconds, peak memory in GiB, what it printed."""
    began, peak, done = time.perf_counter(), 0, threading.Event()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    top = psutil.Process(process.pid)

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.5):
            peak = max(peak, memory(top))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, errors = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(errors[-3000:])
    return {"seconds": time.perf_counter() - began, "memory": peak / 2**30, "output": output}


def memory(top: psutil.Process) -> int:
    """Proportional set size of a process and everything below it, in bytes."""
    total = 0
    try:
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


if __name__ == "__main__":
    main()
