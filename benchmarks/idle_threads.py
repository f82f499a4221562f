"""What idle OpenMP threads cost while other processes keep the cores busy, with and without the bound embedllm sets.

    python -m benchmarks.idle_threads

Each measurement is a process of its own: one small fit of the official recipe, on an idle machine and beside as many
busy processes as there are cores.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys

ROUNDS = 3
SETTINGS = {"library default": None, "embedllm's bound": "20000"}
FIT = """
import os, time
given = os.environ.get("GOMP_SPINCOUNT")
import embedllm
if given is None:
    del os.environ["GOMP_SPINCOUNT"]
import torch
torch.manual_seed(0)
data = embedllm.FitData(torch.randn(2200, 256), torch.randint(0, 2, (2200, 83)).float(), None, 2000)
started = time.perf_counter()
embedllm.fit(embedllm.preset("paper").replace(epochs=2), data)
print(time.perf_counter() - started)
"""


def main() -> None:
    for label, busy in (("idle machine", 0), (f"{os.cpu_count()} busy processes beside it", os.cpu_count() or 1)):
        burners = [multiprocessing.Process(target=burn, daemon=True) for _ in range(busy)]
        for burner in burners:
            burner.start()
        try:
            for name, spins in SETTINGS.items():
                times = [seconds(spins) for _ in range(ROUNDS)]
                print(
                    f"{label:28s} {name:18s} median {statistics.median(times):6.2f} s, all {sorted(times)}", flush=True
                )
        finally:
            for burner in burners:
                burner.terminate()


def seconds(spins: str | None) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {} if spins is None else {"GOMP_SPINCOUNT": spins}
    done = subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True)
    return round(float(done.stdout), 2)


def burn() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
