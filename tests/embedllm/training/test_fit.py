"""`fit_many`: members independent of companions, the right questions, early stopping, failures."""

import time

import numpy as np
import pytest
import torch
from torch.nn import functional

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from embedllm.training import FitData, fit, fit_many
from embedllm.training.fused import FusedRun, clock_of
from tests.embedllm.training.conftest import BASE, MODELS, TRAIN, VAL, assert_same, planted
from tests.embedllm.training.naive import NaiveEmbedLLM, pairs_of

VARIED = [
    BASE.replace(
        embedding_dim=6 + k % 3,
        noise=0.05 * (k % 4),
        learning_rate=0.01 * (1 + k % 3),
        weight_decay=1e-4 * (k % 2),
        training_questions=None if k % 2 else 200 + k,
        seed=k,
    )
    for k in range(16)
]


@pytest.mark.parametrize("changes", [{}, {"model_groups": 3}, {"noise_per": "question"}, {"batch_questions": 1000}])
def test_sixteen_fused_members_equal_sixteen_single_fits(problem: FitData, changes: dict):
    configs = [config.replace(**changes) for config in VARIED]
    for alone, fused in zip((fit(config, problem) for config in configs), fit_many(configs, problem), strict=True):
        assert_same(alone, fused)


@pytest.mark.parametrize(("form", "dim"), [("collapsed", 150), ("factor", 6)])
def test_numpy_numbers_are_as_good_as_plain_ones(form: str, dim: int):
    generator = torch.Generator().manual_seed(0)
    encodings = torch.randn(300, 200, generator=generator)
    target = (torch.rand(300, 60, generator=generator) > 0.5).float()
    problem = FitData(encodings, target, weight=None, num_train=200)
    plain = BASE.replace(embedding_dim=dim, batch_questions=100, epochs=2)
    names = ("noise", "learning_rate", "weight_decay")
    numpy = plain.replace(**{name: np.float64(getattr(plain, name)) for name in names})
    assert FusedRun([numpy], [problem.sides], problem).form == form
    assert_same(fit(plain, problem), fit(numpy, problem), tolerance=0)


@pytest.mark.parametrize("model_groups", [1, 3])
@pytest.mark.parametrize("counts", [(4,), (3, 3), (3, 1)])
def test_members_that_share_a_stream_equal_single_fits(problem: FitData, model_groups: int, counts: tuple[int, ...]):
    """Members of one seed see the same batches and noise; one leaves on the way, so that streams get unequal."""
    configs = [
        BASE.replace(seed=seed, model_groups=model_groups, learning_rate=0.01 * (1 + k), noise=0.05 * k)
        for seed, count in enumerate(counts)
        for k in range(count)
    ]
    results = fit_many(configs, problem, on_epoch=lambda epoch, losses, accuracies: [0] if epoch == 2 else [])
    assert results[0].epochs_run == 2
    for config, result in list(zip(configs, results, strict=True))[1:]:
        assert_same(fit(config, problem), result)


@pytest.mark.parametrize("groups", [1, 3])
def test_training_follows_the_naive_loop_on_the_same_batches(problem: FitData, groups: int, monkeypatch):
    """Without noise, two epochs of ours equal two epochs of per-pair cross-entropy and torch.optim.Adam."""
    from embedllm.training.batches import Batches
    from embedllm.training.fused import FusedRun

    config = BASE.replace(noise=0.0, epochs=2, keep="last", model_groups=groups, weight_decay=1e-3, seed=3)
    run = FusedRun([config], [problem.sides], problem)
    naive = NaiveEmbedLLM.copy_of(run.layout.export(run.parameters[0], config.embedding_dim), noise=0.0)
    optimizer = torch.optim.Adam(naive.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    original = Batches.blocks
    monkeypatch.setattr(Batches, "blocks", lambda self: seen.append(original(self)) or seen[-1])
    (member,) = run.train()

    order = torch.arange(MODELS)
    for rows, scale in seen:
        for block, counted in zip(rows[0], scale[0, :, :, 0], strict=True):
            questions = block[counted > 0]
            for number in range(groups):
                group = order[number::groups]
                _, encodings, label = pairs_of(problem.encodings[questions], problem.target[questions][:, group])
                optimizer.zero_grad()
                functional.cross_entropy(naive(group.repeat(len(questions)), encodings), label).backward()
                optimizer.step()
    for name, tensor in naive.as_model().tensors().items():
        torch.testing.assert_close(member.model.tensors()[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_duplicate_rows_train_like_repeated_rows():
    """A cell of two conflicting attempts has the gradient of its two rows: log-loss against the expanded rows."""
    data = planted(attempts=3, missing=0.2)
    result = fit(BASE.replace(noise=0.0), data)
    logits = torch.from_numpy(result.model.logits(data.encodings[TRAIN:].numpy())).T
    right = (data.target[TRAIN:] * data.weight[TRAIN:]).round().long()
    wrong = data.weight[TRAIN:].long() - right
    rows = torch.cat(
        [logits.flatten().repeat_interleave(right.flatten()), logits.flatten().repeat_interleave(wrong.flatten())]
    )
    labels = torch.cat([torch.ones(int(right.sum())), torch.zeros(int(wrong.sum()))])
    expected = functional.binary_cross_entropy_with_logits(rows, labels).item()
    assert result.history["val_log_loss"][result.best_epoch - 1] == pytest.approx(expected, rel=1e-5)
    accuracy = ((rows > 0).float() == labels).float().mean().item()
    assert result.history["val_accuracy"][result.best_epoch - 1] == pytest.approx(accuracy, rel=1e-5)


def test_missing_cells_do_not_influence_training():
    data = planted(missing=0.3)
    flipped = torch.where(data.weight == 0, 1 - data.target, data.target)
    other = FitData(data.encodings, flipped, data.weight, data.num_train)
    assert_same(fit(BASE, data), fit(BASE, other), tolerance=0)


def test_validation_labels_do_not_influence_the_last_epoch(problem: FitData):
    flipped = problem.target.clone()
    flipped[TRAIN:] = 1 - flipped[TRAIN:]
    other = FitData(problem.encodings, flipped, None, problem.num_train)
    a, b = (fit(BASE.replace(keep="last"), data) for data in (problem, other))
    torch.testing.assert_close(a.model.projection, b.model.projection, rtol=0, atol=0)


def test_it_learns_what_was_planted(problem: FitData):
    result = fit(BASE.replace(epochs=40, batch_questions=20), problem)
    constant = functional.binary_cross_entropy(
        problem.target[:TRAIN].mean(0).expand(VAL, -1), problem.target[TRAIN:]
    ).item()
    assert min(result.history["val_log_loss"]) < 0.9 * constant
    assert result.history["train_log_loss"][-1] < result.history["train_log_loss"][0]


def test_the_best_epoch_is_kept_and_patience_stops(problem: FitData):
    overfitting = BASE.replace(noise=0.0, epochs=60, learning_rate=0.1, patience=5)
    result = fit(overfitting, problem)
    losses = result.history["val_log_loss"]
    assert result.stopped == "patience"
    assert result.epochs_run == len(losses) == result.best_epoch + 5 < 60
    assert result.best_epoch == int(np.argmin(losses)) + 1
    logits = torch.from_numpy(result.model.logits(problem.encodings[TRAIN:].numpy())).T
    kept = functional.binary_cross_entropy_with_logits(logits, problem.target[TRAIN:]).item()
    assert kept == pytest.approx(min(losses), rel=1e-5)


def test_a_diverging_member_fails_alone(problem: FitData):
    wild = BASE.replace(learning_rate=1e30)
    failed, fine = fit_many([wild, BASE], problem)
    assert failed.model is None
    assert failed.stopped == "diverged"
    assert "diverged: log-loss is" in failed.failure
    assert "learning_rate 1e+30); lower the learning rate" in failed.failure
    assert_same(fit(BASE, problem), fine)


def test_pruned_members_leave_and_the_others_do_not_notice(problem: FitData):
    configs = [BASE.replace(seed=seed) for seed in range(4)]
    calls: list[np.ndarray] = []

    def drop(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> list[int]:
        calls.append(losses)
        return [1, 2] if epoch == 2 else []

    results = fit_many(configs, problem, on_epoch=drop)
    assert [result.epochs_run for result in results] == [4, 2, 2, 4]
    assert [result.stopped for result in results] == [None, "pruned", "pruned", None]
    assert np.isnan(calls[2][[1, 2]]).all()
    assert np.isfinite(calls[2][[0, 3]]).all()
    for index in (0, 3):
        assert_same(fit(configs[index], problem), results[index])


def test_pruning_works_across_fused_groups(problem: FitData):
    configs = [BASE, BASE.replace(embedding_dim=40), BASE.replace(batch_questions=10)]
    results = fit_many(configs, problem, on_epoch=lambda epoch, losses, accuracies: [1] if epoch == 1 else [])
    assert [result.epochs_run for result in results] == [4, 1, 4]


def test_training_subsets_are_nested_and_seeded(problem: FitData):
    from embedllm.training.sides import member_sides

    configs = [BASE.replace(training_questions=n, seed=seed) for n, seed in ((50, 5), (120, 5), (50, 6))]
    small, large, other = (set(sides.train.tolist()) for sides in member_sides(configs, problem, None))
    assert len(small) == 50
    assert small < large
    assert small != other


def test_trained_tensors_may_be_differentiated_through(problem: FitData):
    tensors = fit(BASE, problem).model.tensors()
    weight = torch.ones(MODELS, BASE.embedding_dim, requires_grad=True)
    (tensors["model_embeddings"] * weight).sum().backward()
    torch.testing.assert_close(weight.grad, tensors["model_embeddings"])


def test_too_many_training_questions_is_refused(problem: FitData):
    with pytest.raises(ConfigError, match="training_questions is 301 but there are 300 training questions"):
        fit(BASE.replace(training_questions=301), problem)


def test_members_must_share_an_encoder(problem: FitData):
    with pytest.raises(ConfigError, match="must share a question encoder but have lsa, planted"):
        fit_many([BASE, BASE.replace(encoder="lsa")], problem)


def test_same_seed_same_result_and_other_seed_other_result(problem: FitData):
    assert_same(fit(BASE, problem), fit(BASE, problem), tolerance=0)
    other = fit(BASE.replace(seed=1), problem)
    assert not torch.allclose(other.model.projection, fit(BASE, problem).model.projection)


def test_seconds_are_those_of_the_own_program_without_waiting(problem: FitData, monkeypatch):
    train = FusedRun._train_epoch

    def interrupted(run: FusedRun, epoch: int) -> None:
        time.sleep(0.2)  # as if another program had the processor
        until = time.thread_time() + (0.05 if run.members[0].config.embedding_dim == 128 else 0)
        while time.thread_time() < until:
            pass
        train(run, epoch)

    monkeypatch.setattr(FusedRun, "_train_epoch", interrupted)
    base = FitConfig(epochs=2, batch_questions=64)
    configs = [base.replace(embedding_dim=dim, seed=seed) for dim, seed in ((128, 0), (4, 0), (128, 1))]
    wide, narrow, other = fit_many(configs, problem)
    assert wide.seconds == other.seconds, "equal members of a program cost the same"
    assert 0.05 <= wide.seconds < 0.2
    assert 0 < narrow.seconds < 0.05


@pytest.mark.parametrize(("device", "clock"), [("cpu", time.thread_time), ("cuda", time.perf_counter)])
def test_a_gpu_is_timed_by_the_time_that_passes(device: str, clock):
    assert clock_of(torch.device(device)) is clock
