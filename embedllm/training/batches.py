"""The batches of an epoch for every stream of a fused run, gathered several blocks of questions at a time.

A block of few questions is gathered, perturbed and cut into groups of models faster than PyTorch is called: whatever
is the same for all blocks of a chunk is one operation for the chunk, and a step only picks its views.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from embedllm.training.bilinear import Batch
from embedllm.training.data import FitData
from embedllm.training.streams import Stream, noise_chunk_blocks

GATHERED = 1 << 18
"""Floats of encodings gathered at once, about: 1 MiB, which stays in a core's cache until the steps have read it."""


class Batches:
    """Batches for the members of one or several streams."""

    def __init__(
        self,
        data: FitData,
        streams: Sequence[Stream],
        members: Sequence[int],
        noise_level: Tensor,
        *,
        noise_per: str | None,
    ) -> None:
        """
        Args:
            data: encodings and labels.
            streams: those with most blocks first; all of one batch shape.
            members: how many members each stream has.
            noise_level: (K,) α of each member, in the order of the streams.
            noise_per: `pair`, `question`, or None where no member has noise.
        """
        self._data, self._streams, self._level, self._noise_per = data, streams, noise_level, noise_per
        self._size, self._groups = streams[0].questions, streams[0].groups
        self._leading = [sum(members[: number + 1]) for number in range(len(members))]
        # Sharing needs equally many members to a stream; noise per question differs between members of a stream.
        self.shared = len(set(members)) == 1 and (members[0] == 1 or noise_per != "question")
        numbers = torch.repeat_interleave(torch.arange(len(members)), torch.tensor(members))
        self._stream_of = numbers.to(data.device)

    def epoch(self) -> Iterator[tuple[int, list[Batch]]]:
        """The next epoch of every stream, block by block: how many streams still have one, a batch for each group."""
        blocks = [stream.blocks for stream in self._streams]
        rows, scale = self.blocks()
        noise, period = self._noise_buffer()
        gathered = len(self._streams) if self.shared else len(self._level)
        most = max(1, GATHERED // (gathered * self._size * self._data.width))
        start, going = 0, len(blocks)
        while start < blocks[0]:
            while blocks[going - 1] <= start:
                going -= 1
            if noise is not None and start % period == 0:
                for number, stream in enumerate(self._streams[:going]):
                    stream.fill_noise(noise[number, : min(period, blocks[number] - start)])
            end = min(start + most, start - start % period + period, blocks[going - 1])
            drawn = None if noise is None else noise[:going, start % period : start % period + end - start]
            for batches in zip(*self._chunk(rows[:going, start:end], scale[:going, start:end], drawn), strict=True):
                yield going, list(batches)
            start = end

    def blocks(self) -> tuple[Tensor, Tensor]:
        """The streams' next blocks of questions on one leading axis, (S, blocks, B), and each question's scale.

        Where every cell has one attempt, the scale is the question's share of its block; else it says which questions
        count.
        """
        longest = self._streams[0].blocks
        rows = torch.zeros(len(self._streams), longest, self._size, dtype=torch.int64)
        mask = torch.zeros(len(self._streams), longest, self._size)
        for number, stream in enumerate(self._streams):
            rows[number, : stream.blocks], mask[number, : stream.blocks] = stream.epoch_blocks()
        scale = mask / mask.sum(2, keepdim=True).clamp_min_(1.0) if self._data.weight is None else mask
        device = self._data.device
        return rows.to(device, non_blocking=True), scale[..., None].to(device, non_blocking=True)

    def _noise_buffer(self) -> tuple[Tensor | None, int]:
        """Where noise is drawn, (S, blocks, …), and for how many blocks at a time."""
        if self._noise_per is None:
            return None, self._streams[0].blocks
        data = self._data
        per_pair = self._groups, self._size, -(-data.num_models // self._groups)
        shape = per_pair if self._noise_per == "pair" else (self._size, data.width)
        period = noise_chunk_blocks(torch.Size(shape).numel())
        return torch.empty(len(self._streams), period, *shape, device=data.device), period

    def _chunk(self, rows: Tensor, scale: Tensor, noise: Tensor | None) -> list[list[Batch]]:
        """For each group of models the batches of a chunk of blocks: rows (S, C, B), scale (S, C, B, 1)."""
        data, flat = self._data, rows.reshape(-1)

        def take(table: Tensor) -> Tensor:
            return torch.index_select(table, 0, flat).view(*rows.shape, -1)

        level = self._level[: self._leading[len(rows) - 1]]
        questions, target = take(data.encodings), take(data.target)
        if data.weight is not None:
            scale = scale * take(data.weight)
        if not self.shared:
            stream_of = self._stream_of[: len(level)]
            questions, target, scale = questions[stream_of], target[stream_of], scale[stream_of]
            noise = None if noise is None else noise[stream_of]
        if noise is not None and self._noise_per == "question":
            questions.addcmul_(level[:, None, None, None], noise)
            noise = None
        read = questions.unbind(1)
        return [self._group(number, read, target, scale, level, noise) for number in range(self._groups)]

    def _group(
        self,
        number: int,
        questions: Sequence[Tensor],
        target: Tensor,
        scale: Tensor,
        level: Tensor,
        noise: Tensor | None,
    ) -> list[Batch]:
        """The chunk's batches restricted to one group of models, the cells of each weighted to sum to one."""
        target = target[..., number :: self._groups]
        models = target.shape[-1]
        if self._data.weight is None:
            scale = scale / models
        else:
            scale = scale[..., number :: self._groups]
            scale = scale / scale.sum((2, 3), keepdim=True).clamp_min(1.0)
        drawn = [None] * len(questions) if noise is None else noise[:, :, number, :, :models].unbind(1)
        return [
            Batch(read, labels, weights, level, normals)
            for read, labels, weights, normals in zip(questions, target.unbind(1), scale.unbind(1), drawn, strict=True)
        ]
