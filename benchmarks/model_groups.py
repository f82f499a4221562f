"""What grouping models in a batch does to the official recipe's course of validation log-loss.

    python -m benchmarks.model_groups DATA          # a folder written by `embedllm data import`; `lsa` encodings

The official loop runs on shuffled (model, question) pairs for some epochs; ours for all 50, at several group counts.
"""

import argparse

import numpy as np
import torch
from torch.nn import functional

from embedllm.config import PAPER_BATCH_PAIRS, PRESETS
from embedllm.data import CorrectnessMatrix, random_split
from embedllm.encoders import encode_data
from embedllm.training import FitData, fit_many
from tests.embedllm.training.naive import NaiveEmbedLLM

SHOWN = (5, 10, 20, 50)
GROUPS = (1, 2, 5, 7)
SEEDS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--official-epochs", type=int, default=10)
    args = parser.parse_args()
    data = CorrectnessMatrix.load(args.data)
    split = random_split(data, seed=0)
    problem = FitData.build(data, split, encode_data(data, "lsa", fit_on=split.train).matrix, "cpu")
    print(f"{problem.num_models} models, {problem.num_train:,} training questions; val log-loss after epochs {SHOWN}")
    official(problem, args.official_epochs)
    for groups in GROUPS:
        configs = [PRESETS["paper"].replace(model_groups=groups, seed=seed) for seed in range(SEEDS)]
        for result in fit_many(configs, problem):
            losses = [f"{result.history['val_log_loss'][epoch - 1]:.4f}" for epoch in SHOWN]
            accuracy = result.history["val_accuracy"][-1]
            print(f"  {groups} groups, seed {result.config.seed}   {' '.join(losses)}   val accuracy {accuracy:.4f}")


def official(problem: FitData, epochs: int) -> None:
    """The naive loop, one seed, over the labelled pairs of data without repeated ones."""
    torch.manual_seed(0)
    paper, train, models = PRESETS["paper"], problem.num_train, problem.num_models
    network = NaiveEmbedLLM(models, problem.width, paper.embedding_dim, paper.noise)
    optimizer = torch.optim.Adam(network.parameters(), lr=paper.learning_rate, weight_decay=paper.weight_decay)
    present = np.arange(train * models)
    if problem.weight is not None:
        present = present[problem.weight[:train].flatten().numpy() > 0]
    for epoch in range(1, epochs + 1):
        for pairs in torch.from_numpy(np.random.default_rng(epoch).permutation(present)).split(PAPER_BATCH_PAIRS):
            question, model = pairs // models, pairs % models
            optimizer.zero_grad()
            label = problem.target[question, model].long()
            functional.cross_entropy(network(model, problem.encodings[question]), label).backward()
            optimizer.step()
        if epoch in SHOWN:
            logits = torch.from_numpy(network.as_model().logits(problem.encodings[train:].numpy())).T
            weight = None if problem.weight is None else problem.weight[train:]
            total = logits.numel() if weight is None else float(weight.sum())
            loss = functional.binary_cross_entropy_with_logits(
                logits, problem.target[train:], weight=weight, reduction="sum"
            )
            print(f"  official loop, epoch {epoch}: {float(loss) / total:.4f}", flush=True)


if __name__ == "__main__":
    main()
