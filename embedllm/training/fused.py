"""Train K members as one program: one set of batched matrix products a step, no host synchronisation inside an epoch.

Members of one stream of batches lie together, and streams are sorted by their number of batches, so that those still
training in a step are a leading slice of every tensor; a member that diverges, stops early or is pruned leaves the
tensors at the end of an epoch.
"""

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from embedllm.config import FitConfig
from embedllm.flops import cheaper_form, padded_dim
from embedllm.model import EmbedLLM
from embedllm.training.batches import Batches
from embedllm.training.bilinear import Group, gradient_for
from embedllm.training.data import FitData, Sides
from embedllm.training.denormals import flushed_denormals
from embedllm.training.layout import Layout
from embedllm.training.optimizer import learning_rates, make_adam
from embedllm.training.scoring import loss_and_accuracy, scored_together, take_rows
from embedllm.training.streams import Stream

CURVES = ("train_log_loss", "val_log_loss", "val_accuracy")

EpochEnd = Callable[[int, np.ndarray, np.ndarray], Iterable[int]]
"""(epoch, val_log_loss (K,), val_accuracy (K,)) -> members to drop; NaN where a member no longer trains."""


def clock_of(device: torch.device) -> Callable[[], float]:
    """What training on a device is timed with: on a CPU the calling thread's time on it, else the time that passes.

    Equal fits are to take equally long, also where other programs take turns on the processor. The thread does its
    share of every step, so that with several threads, too, its time is that of the steps. A GPU works while it waits.
    """
    return time.thread_time if device.type == "cpu" else time.perf_counter


@dataclass
class Member:
    """State of one configuration while it trains."""

    index: int
    config: FitConfig
    stream: Stream
    val: Tensor
    """Rows to validate on, int64; one object for members that validate on the same, on the device."""
    rates: list[float]
    history: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})
    best_epoch: int = 0
    best_loss: float = float("inf")
    seconds: float = 0.0
    stopped: str | None = None
    failure: str | None = None
    model: EmbedLLM | None = None

    def scored_like(self, other: "Member") -> bool:
        """Whether both are scored on the same questions."""
        return self.stream is other.stream and self.val is other.val


class FusedRun:
    """Members of equal batch size, epochs and kind of noise, and of similar embedding dimension, trained together."""

    def __init__(self, configs: Sequence[FitConfig], sides: Sequence[Sides], data: FitData) -> None:
        """`sides[k]`: rows of `data` that member k trains and validates on."""
        first = configs[0]
        self.data = data
        self.epochs = first.epochs
        self.batch, self.groups = first.batch_shape(data.num_models, len(sides[0].train))
        self.group_size = -(-data.num_models // self.groups)
        self.noise_per = first.noise_per if any(config.noise > 0 for config in configs) else None
        self.total = len(configs)

        dim = padded_dim(max(config.embedding_dim for config in configs))
        self.layout = Layout(data.num_models, data.width, dim)
        pair_noise = self.noise_per == "pair"
        self.form = cheaper_form(self.group_size, data.width, dim, self.batch, pair_noise=pair_noise)
        self.write_gradient = gradient_for(self.form, self.group_size, self.batch, pair_noise=pair_noise)

        streams: dict[tuple[int, bytes], Stream] = {}
        held_out: dict[bytes, Tensor] = {}
        self.members = []
        for index, (config, side) in enumerate(zip(configs, sides, strict=True)):
            key = config.seed, hashlib.blake2b(side.train.tobytes()).digest()
            if key not in streams:
                streams[key] = Stream(config, data, side.train)
            stream = streams[key]
            rates = learning_rates(config.schedule, config.learning_rate, stream.blocks * self.groups * config.epochs)
            digest = hashlib.blake2b(side.val.tobytes()).digest()
            if digest not in held_out:
                held_out[digest] = torch.from_numpy(side.val).to(data.device)
            self.members.append(Member(index, config, stream, held_out[digest], rates))
        order = {stream: (-stream.blocks, number) for number, stream in enumerate(streams.values())}
        self.members.sort(key=lambda member: order[member.stream])
        self.done: list[Member] = []

        self.parameters = torch.zeros(len(configs), self.layout.size, device=data.device)
        self.gradient = torch.zeros_like(self.parameters)
        self.best = torch.zeros_like(self.parameters)
        for row, member in zip(self.parameters, self.members, strict=True):
            self.layout.initialise(row, member.config.embedding_dim, member.stream.initialiser())
        decay = [member.config.weight_decay for member in self.members]
        self.optimizer = make_adam(self.parameters, self.gradient, decay)
        self._bind_members()

    def train(self, on_epoch: EpochEnd | None = None) -> list[Member]:
        """Run to the end; returns the members in the order of the configurations given."""
        # A step is some 40 small operations: without PyTorch's bookkeeping for autograd they cost an eighth less.
        clock = clock_of(self.data.device)
        with torch.inference_mode(), flushed_denormals():
            for epoch in range(1, self.epochs + 1):
                if not self.members:
                    break
                started = clock()
                self._train_epoch(epoch)
                losses, accuracies = self._score_epoch(epoch)
                share = (clock() - started) / len(self.members)
                for member in self.members:
                    member.seconds += share
                if on_epoch is not None:
                    self._prune(on_epoch(epoch, losses, accuracies))
                self._retire([row for row, member in enumerate(self.members) if member.stopped])
            self._retire(list(range(len(self.members))))
        return sorted(self.done, key=lambda member: member.index)

    def _bind_members(self) -> None:
        """What changes only when members leave: streams, noise levels, and views for each number of leading streams."""
        device = self.data.device
        self.streams = list(dict.fromkeys(member.stream for member in self.members))
        counts = [sum(member.stream is stream for member in self.members) for stream in self.streams]
        self.leading = list(itertools.accumulate(counts))  # members of the first 1, 2… streams
        # The type is named: of a NumPy float, PyTorch would make float64.
        noise_level = torch.tensor([member.config.noise for member in self.members], dtype=torch.float32, device=device)
        self.batches = Batches(self.data, self.streams, counts, noise_level, noise_per=self.noise_per)
        self.views = [
            [
                Group(self.layout, self.parameters[:count], self.gradient[:count], number, self.groups)
                for number in range(self.groups)
            ]
            for count in self.leading
        ]
        self.scored_together = scored_together(self.members, self.layout.models, device)

    def _train_epoch(self, epoch: int) -> None:
        for block, (going, batches) in enumerate(self.batches.epoch()):
            members = self.members[: self.leading[going - 1]]
            for number, (group, batch) in enumerate(zip(self.views[going - 1], batches, strict=True)):
                self.write_gradient(group, batch)
                self.optimizer.step(
                    [
                        member.rates[((epoch - 1) * member.stream.blocks + block) * self.groups + number]
                        for member in members
                    ]
                )

    def _score_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Noise-free losses at the end of an epoch; keeps the best parameters and marks who diverged or ran stale."""
        scores = torch.cat([self._score(rows) for rows in self.scored_together]).tolist()
        losses, accuracies = np.full(self.total, np.nan), np.full(self.total, np.nan)
        for row, (member, values) in enumerate(zip(self.members, scores, strict=True)):
            for name, value in zip(CURVES, values, strict=True):
                member.history[name].append(value)
            loss = values[1]
            losses[member.index], accuracies[member.index] = loss, values[2]
            if not np.isfinite(values[:2]).all():
                member.stopped = "diverged"
                member.failure = (
                    f"diverged: log-loss is {loss} on the {len(member.val)} validation questions after epoch {epoch} "
                    f"(learning_rate {member.config.learning_rate:g}); lower the learning rate"
                )
            elif loss < member.best_loss:
                member.best_loss, member.best_epoch = loss, epoch
                self.best[row].copy_(self.parameters[row])
            elif member.config.patience is not None and epoch - member.best_epoch >= member.config.patience:
                member.stopped = "patience"
        return losses, accuracies

    def _score(self, rows: slice) -> Tensor:
        """Train log-loss (on as many of the questions as validate), validation log-loss and accuracy: (T, 3)."""
        data, first = self.data, self.members[rows.start]
        # The rows of one split lie at the end and need no copy.
        sides = first.stream.sample(len(first.val)), first.val if data.is_pool else slice(data.num_train, None)
        logits = self.layout.logits(self.parameters[rows], [take_rows(data.encodings, side) for side in sides])
        (train_loss, _), (val_loss, accuracy) = (
            loss_and_accuracy(
                found, take_rows(data.target, side), None if data.weight is None else take_rows(data.weight, side)
            )
            for found, side in zip(logits, sides, strict=True)
        )
        return torch.stack([train_loss, val_loss, accuracy], dim=1)

    def _prune(self, dropped: Iterable[int]) -> None:
        unwanted = set(dropped)
        for member in self.members:
            if member.index in unwanted and member.stopped is None:
                member.stopped = "pruned"

    def _retire(self, leaving: list[int]) -> None:
        """Take members out of the fused tensors, so that those who stay pay nothing for them."""
        if not leaving:
            return
        for row in leaving:
            self._finish(row)
        staying = [row for row in range(len(self.members)) if row not in set(leaving)]
        self.members = [self.members[row] for row in staying]
        # Table after table, none held by a view: were the old ones kept until all are made, they would take twice the
        # memory for a moment.
        self.views = []
        self.optimizer.release()
        self.parameters = self.parameters[staying].contiguous()
        self.gradient = self.gradient[staying].contiguous()
        self.best = self.best[staying].contiguous()
        self.optimizer.keep(staying, self.parameters, self.gradient)
        if staying:
            self._bind_members()

    def _finish(self, row: int) -> None:
        """Take the model of a member out of the fused tensors, and the member down as done."""
        member = self.members[row]
        if member.failure is None:
            kept = self.best if member.config.keep == "best" else self.parameters
            member.model = self.layout.export(kept[row], member.config.embedding_dim)
            if member.config.keep == "last":
                member.best_epoch = len(member.history["val_log_loss"])
        self.done.append(member)
