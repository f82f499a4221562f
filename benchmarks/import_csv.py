"""Import of a CSV set of the public EmbedLLM data's size, beside what pyarrow alone needs to read the same files.

    python benchmarks/import_csv.py                          # about 2 GB of CSV in the temporary folder, some minutes
    python benchmarks/import_csv.py --models 12 --questions 1500 --repeats 1      # seconds

The set is simulated: 112 models, 36,054 questions, GSM8K and most of GPQA graded twice as in the public files, prompts
of about 400 characters repeated in every row. "pyarrow alone" streams the same columns of the same files and drops
them.
Each measurement runs in a process of its own; peak memory is that process's largest resident set.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from embedllm.data.importing import import_data
from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split

COLUMNS = ("prompt_id", "model_id", "label", "prompt", "category", "model_name")
PUBLIC_SIDES = (0.832, 0.083, 0.085)  # the public files' share of questions in train, val, test
ROWS_PER_WRITE = 1 << 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to put the CSV set for the time of the run")
    parser.add_argument("--models", type=int, default=112)
    parser.add_argument("--questions", type=int, default=36054)
    parser.add_argument("--order", nargs="+", default=["question", "model", "shuffled"], help="row orders to measure")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, source, target = arguments.measure
        print(json.dumps(measure(what, Path(source), Path(target))))
        return
    data = simulate(models=arguments.models, questions=arguments.questions, duplicates=True, words=52)
    print("| row order | rows | MB | pyarrow alone | import | ratio | CPU seconds, both | peak memory, both |")
    print("|---|---|---|---|---|---|---|---|")
    for order in arguments.order:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder = Path(name)
            rows = write_official(data, folder / "csv", order)
            megabytes = sum(path.stat().st_size for path in (folder / "csv").iterdir()) / 1e6
            runs: dict[str, list[dict[str, float]]] = {"pyarrow": [], "import": []}
            for _ in range(arguments.repeats):
                for what, results in runs.items():
                    results.append(in_subprocess(what, folder / "csv", folder / "data"))
            check(data, CorrectnessMatrix.load(folder / "data"))
        seconds = {what: statistics.median(run["seconds"] for run in results) for what, results in runs.items()}
        cpu = {what: statistics.median(run["cpu_seconds"] for run in results) for what, results in runs.items()}
        peak = {what: max(run["peak_mb"] for run in results) for what, results in runs.items()}
        print(
            f"| {order} | {rows:,} | {megabytes:,.0f} | {seconds['pyarrow']:.2f} s | {seconds['import']:.2f} s | "
            f"{seconds['import'] / seconds['pyarrow']:.2f} | {cpu['pyarrow']:.2f} / {cpu['import']:.2f} | "
            f"{peak['pyarrow']:.0f} / {peak['import']:.0f} MB |",
            flush=True,
        )


def write_official(data: CorrectnessMatrix, folder: Path, order: str) -> int:
    """Write train.csv, val.csv and test.csv with one row per attempt; the number of rows."""
    folder.mkdir()
    split = random_split(data, seed=0, fractions=PUBLIC_SIDES)
    category_id = data.questions["category"].combine_chunks().dictionary_encode().indices
    rows = 0
    for side in SPLIT_NAMES:
        questions = getattr(split, side)
        attempts = data.attempts[:, questions].T  # (questions, models): question-major rows
        question, model = (np.repeat(part.ravel(), attempts.ravel()) for part in np.indices(attempts.shape))
        first = np.concatenate([[0], np.cumsum(attempts.ravel(), dtype=np.int64)[:-1]])
        attempt = np.arange(len(question)) - np.repeat(first, attempts.ravel())
        question = questions[question]
        if order != "question":
            shuffled = np.random.default_rng(0).permutation(len(question))
            rank = np.argsort(model, kind="stable") if order == "model" else shuffled
            question, model, attempt = question[rank], model[rank], attempt[rank]
        label = (attempt < data.correct[model, question]).astype(np.uint8)
        writer = None
        for start in range(0, len(label), ROWS_PER_WRITE):
            q, m = question[start : start + ROWS_PER_WRITE], model[start : start + ROWS_PER_WRITE]
            table = pa.table(
                {
                    "prompt_id": pa.array(q),
                    "model_id": pa.array(m),
                    "category_id": category_id.take(pa.array(q)),
                    "label": pa.array(label[start : start + ROWS_PER_WRITE]),
                    "prompt": data.questions["prompt"].take(pa.array(q)),
                    "model_name": data.models["model_name"].take(pa.array(m)),
                    "category": data.questions["category"].take(pa.array(q)),
                }
            )
            writer = writer or pacsv.CSVWriter(folder / f"{side}.csv", table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        rows += len(label)
    return rows


def in_subprocess(what: str, source: Path, target: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", what, str(source), str(target)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(what: str, source: Path, target: Path) -> dict[str, float]:
    """Seconds and peak resident megabytes of this process for one way of reading the set."""
    started, cpu_started = time.perf_counter(), time.process_time()
    if what == "import":
        import_data(source, target)
    else:
        for side in SPLIT_NAMES:
            with pacsv.open_csv(
                source / f"{side}.csv",
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(include_columns=COLUMNS),
            ) as reader:
                for _ in reader:
                    pass
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_seconds": time.process_time() - cpu_started, "peak_mb": peak_megabytes()}


def peak_megabytes() -> float:
    """Largest resident set of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would report the parent's peak, which Linux hands down through fork and exec
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check(data: CorrectnessMatrix, imported: CorrectnessMatrix) -> None:
    if not (np.array_equal(data.correct, imported.correct) and np.array_equal(data.attempts, imported.attempts)):
        raise SystemExit("the import differs from what was written")


if __name__ == "__main__":
    main()
