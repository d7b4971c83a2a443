"""The training loop: a generator that yields where it stands.

`for progress in fit(...)` takes the place of trainer classes and callbacks: what should happen on the way (a
progress bar, a log, a checkpoint) stands in the body of the caller's loop.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from elman.learning.batch import Batch


T = TypeVar("T", covariant=True)


class SizedIterable(Protocol[T]):
    """What is gone through once, and whose length is known before."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T]: ...


class DivergedError(Exception):
    """The loss or its gradient stopped being a number."""

    def __init__(self, what: str, step: int, places: Sequence[str]) -> None:
        shown = ", ".join(islice(places, 3)) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
        super().__init__(
            f"training diverged: found a {what} at update {step}, on the batch of {shown}\n"
            "  expected finite numbers\n  try a smaller --learning-rate, and look at these lines"
        )


@dataclass(frozen=True)
class Plan:
    """How to train.

    The learning rate rises over the first epoch and falls in a straight line to zero over all epochs. The
    weights that are judged and kept are a moving average of those that are trained.
    """

    epochs: int
    learning_rate: float
    patience: int  # epochs without a better score before training stops
    weight_decay: float = 0.01
    clip: float = 5.0  # largest norm of the gradient
    averaging: float = 0.999  # share of the average that an update leaves
    depths: Mapping[str, int] = field(default_factory=dict)  # of pretrained parameters below the top, by name
    better: Literal["higher", "lower"] = "higher"  # score
    grain: float = 0.0  # a difference between scores that is none
    slower: float = 2.6  # by so much a parameter learns more slowly than those one level above it

    @property
    def worst(self) -> float:
        """The score that any other beats."""
        return -math.inf if self.better == "higher" else math.inf

    def beats(self, score: float, best: float) -> bool:
        """Return whether a score is better than the best so far."""
        return score > best if self.better == "higher" else score < best

    def as_good(self, score: float, best: float) -> bool:
        """Return whether a score is as good as the best so far.

        Of epochs that are as good the last is kept, which learned longest and at the smallest rate: where dev
        is small, one answer more is luck, and the first epoch that has it would be kept far too early.
        """
        return score >= best - self.grain if self.better == "higher" else score <= best + self.grain

    def rate_at(self, position: float, depth: int = 0) -> float:
        """Return the learning rate after `position` epochs, a fraction.

        A parameter at `depth` rests for as many epochs; then its rate rises as the others' did, up to a
        smaller one (Howard and Ruder 2018, "Universal language model fine-tuning for text classification").
        """
        warm = min(1.0, max(0.0, position - depth))
        return self.learning_rate / self.slower**depth * warm * (1 - position / self.epochs)


@dataclass(frozen=True)
class Checkpoint:
    """What `fit` needs to go on as if it had never stopped: tensors, and where it stood."""

    tensors: dict[str, Tensor]
    epoch: int
    step: int
    best: float
    best_epoch: int


@dataclass(frozen=True)
class Progress:
    """Where training stands after an update, or, with a `score`, at the end of an epoch."""

    epoch: int  # epochs begun
    step: int  # updates done
    position: float  # epochs done, a fraction
    loss: float  # mean over this epoch's batches so far
    rate: float  # real steps a second
    seconds_left: float  # at this rate, if no early stop
    score: float | None = None  # on dev, at the end of an epoch
    best: float = math.nan  # the best score so far
    best_epoch: int = 0  # the first that had it
    keep: bool = False  # whether this epoch's weights take the place of those kept before
    checkpoint: Checkpoint | None = None  # at the end of an epoch


def fit(
    model: nn.Module,
    batches: Callable[[int], SizedIterable[Batch]],
    loss: Callable[[Batch, Any], tuple[Tensor, Any]],
    evaluate: Callable[[], float],
    plan: Plan,
    resume: Checkpoint | None = None,
) -> Iterator[Progress]:
    """Train `model` and yield a `Progress` after every update and at the end of every epoch.

    While the `Progress` of an epoch's end is out, the model holds the averaged weights: those that were
    judged, and that a caller saves. Dropout draws from torch's global generator, whose state the checkpoint
    carries.

    Args:
        model: to be trained in place; it holds the averaged weights of the last epoch at the end.
        batches: gives the batches (see `Batch`) of an epoch, counted from 1; at least one.
        loss: takes a batch and the state that it goes on from, if any; returns a scalar and the state behind.
        evaluate: scores the model on dev.
        plan: how long and how fast.
        resume: where to go on; with it, the updates to come are bitwise those of a run never stopped.

    Raises:
        DivergedError: when the loss or the gradient is not finite.
    """
    parameters: list[Tensor] = list(model.parameters())
    optimizer = torch.optim.AdamW(_groups(model, plan), weight_decay=plan.weight_decay, fused=True)
    average = [parameter.detach().clone() for parameter in parameters]
    best, best_epoch, begun, step = plan.worst, 0, 0, 0
    if resume is not None:
        _restore(resume.tensors, parameters, average, optimizer)
        best, best_epoch, begun, step = resume.best, resume.best_epoch, resume.epoch, resume.step

    clock, seen = time.monotonic(), 0
    for epoch in range(begun + 1, plan.epochs + 1):
        if epoch - 1 - best_epoch >= plan.patience:
            return
        todo = batches(epoch)
        total = 0.0
        progress = state = places = None
        model.train()
        for number, batch in enumerate(todo):
            # Half an update in, so that neither the first nor the last has a rate of zero.
            position = epoch - 1 + (number + 0.5) / len(todo)
            for group in optimizer.param_groups:
                group["lr"] = plan.rate_at(position, group["depth"])
            optimizer.zero_grad()
            batch_loss, state = loss(batch, state if batch.continues else None)
            places = batch.places
            if not torch.isfinite(batch_loss):
                raise DivergedError(f"loss of {batch_loss.item()}", step + 1, batch.places)
            batch_loss.backward()
            norm = nn.utils.clip_grad_norm_(parameters, plan.clip)
            if not torch.isfinite(norm):
                raise DivergedError(f"gradient of norm {norm.item()}", step + 1, batch.places)
            optimizer.step()
            step += 1
            # A young average forgets faster, or the random first weights would stay in it for long.
            _move(average, parameters, min(plan.averaging, step / (step + 9)))

            total += batch_loss.item()
            seen += batch.steps
            elapsed = time.monotonic() - clock
            position = epoch - 1 + (number + 1) / len(todo)
            progress = Progress(
                epoch=epoch,
                step=step,
                position=position,
                loss=total / (number + 1),
                rate=seen / elapsed,
                seconds_left=elapsed / (position - begun) * (plan.epochs - position),
                best=best,
                best_epoch=best_epoch,
            )
            yield progress
        assert progress is not None and places is not None, "an epoch without batches"

        trained = [parameter.detach().clone() for parameter in parameters]
        if not all(bool(torch.isfinite(weight).all()) for weight in average):
            raise DivergedError("weight that is no number", step, places)
        _assign(parameters, average)
        model.eval()
        with torch.no_grad():
            score = evaluate()
        if plan.beats(score, best):
            best, best_epoch = score, epoch
        tensors = _tensors(trained, average, optimizer)
        yield replace(
            progress,
            score=score,
            best=best,
            best_epoch=best_epoch,
            keep=plan.as_good(score, best),
            checkpoint=Checkpoint(tensors, epoch, step, best, best_epoch),
        )
        if epoch < plan.epochs:
            _assign(parameters, trained)


def _groups(model: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Part the parameters by their depth, in the model's order within each."""
    groups: dict[int, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(plan.depths.get(name, 0), []).append(parameter)
    return [{"params": params, "depth": depth, "lr": 0.0} for depth, params in sorted(groups.items())]


def _move(average: list[Tensor], parameters: list[Tensor], keep: float) -> None:
    with torch.no_grad():
        for mean, weight in zip(average, parameters, strict=True):
            mean.lerp_(weight, 1 - keep)


def _assign(parameters: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _tensors(
    trained: list[Tensor], average: list[Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Name everything that the next update depends on; copies, for that update would change the originals."""
    tensors = {"random": torch.get_rng_state()}
    for i, (weight, mean) in enumerate(zip(trained, average, strict=True)):
        tensors |= {f"trained.{i}": weight, f"average.{i}": mean}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _restore(
    tensors: dict[str, Tensor],
    parameters: list[Tensor],
    average: list[Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Undo `_tensors`."""
    _assign(parameters, [tensors[f"trained.{i}"] for i in range(len(parameters))])
    _assign(average, [tensors[f"average.{i}"] for i in range(len(parameters))])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            state.setdefault(int(i), {})[name] = value.clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    torch.set_rng_state(tensors["random"])
