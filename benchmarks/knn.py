"""kNN for all LLMs at once against one scikit-learn classifier per LLM, as the paper's code fits them.

    python benchmarks/knn.py                                                    # the paper's scale, a minute or two
    python benchmarks/knn.py --models 20 --training 3000 --questions 300        # seconds

Both use the same encodings, brute force and the same number of threads, in one run. scikit-learn is timed on the first
`--timed` models, fit and predict; its time for the whole pool is extrapolated from their median. Encodings are made up:
unit vectors around topics. The time of a brute-force search does not depend on what they mean.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from embedllm.evaluation import NearestNeighbours
from embedllm.evaluation.knn import PAPER_NEIGHBOURS

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def make_encodings(rng: np.random.Generator, topics: np.ndarray, size: int) -> np.ndarray:
    rows = topics[rng.integers(len(topics), size=size)] + rng.normal(size=(size, topics.shape[1]))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=112)
    parser.add_argument("--training", type=int, default=29_673, help="training questions")
    parser.add_argument("--questions", type=int, default=3_000, help="questions to forecast")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--k", type=int, default=PAPER_NEIGHBOURS)
    parser.add_argument("--timed", type=int, default=3, help="scikit-learn classifiers really run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a busy machine, with --threads 1")
    arguments = parser.parse_args()
    clock = CLOCKS[arguments.clock]

    rng = np.random.default_rng(0)
    topics = rng.normal(size=(10, arguments.width))
    training = make_encodings(rng, topics, arguments.training)
    questions = make_encodings(rng, topics, arguments.questions)
    correct = (rng.random((arguments.models, arguments.training)) < rng.random((arguments.models, 1))).astype(np.uint8)
    attempts = np.ones_like(correct)

    torch.set_num_threads(arguments.threads)
    ours, theirs, agreement, worst = [], [], [], 0.0
    with threadpool_limits(arguments.threads):
        # Alternating, so that a busy moment of the machine does not fall on one side only.
        for model in range(min(arguments.timed, arguments.models)):
            start = clock()
            forecast = NearestNeighbours(training, correct, attempts).predict(questions, arguments.k)
            ours.append(clock() - start)
            start = clock()
            classifier = KNeighborsClassifier(n_neighbors=arguments.k, algorithm="brute").fit(training, correct[model])
            labels = classifier.predict(questions)
            theirs.append(clock() - start)
            agreement.append(np.mean(labels == (forecast[model] > 0.5)))
            if model == 0:
                worst = float(np.abs(classifier.predict_proba(questions)[:, 1] - forecast[model]).max())
    seconds, pool = float(np.median(ours)), float(np.median(theirs)) * arguments.models
    flops = 2 * arguments.training * arguments.questions * arguments.width
    print(f"{arguments.models} models, {arguments.training:,} training questions, {arguments.questions:,} questions,")
    print(f"width {arguments.width}, k = {arguments.k}, {arguments.threads} threads, {arguments.clock} clock")
    print(f"all models at once      {seconds:8.2f} s   (similarities alone: {flops / 1e9:.0f} GFLOP)")
    print(f"one classifier per model {pool:7.2f} s   (extrapolated from {len(theirs)} of {arguments.models}: ", end="")
    print(", ".join(f"{one:.2f} s" for one in theirs) + ")")
    print(f"ratio                   {pool / seconds:8.0f} x")
    print(f"same forecast label on  {100 * np.mean(agreement):8.3f} % of the (model, question) pairs compared")
    print(f"largest difference of P {worst:8.1e}")


if __name__ == "__main__":
    main()
