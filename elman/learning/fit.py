"""The training loop: a generator that yields where it stands.

`for progress in fit(...)` takes the place of trainer classes and callbacks: what should happen on the way (a
progress bar, a log, a checkpoint) stands in the body of the caller's loop.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn


class Batch(Protocol):
    """What the loop wants to know of a batch."""

    @property
    def places(self) -> Sequence[str]:
        """Where its examples stand, as file:line."""
        ...

    @property
    def real_steps(self) -> int:
        """How many steps its sequences have together."""
        ...


class DivergedError(Exception):
    """The loss or its gradient stopped being a number; `found` says where."""

    def __init__(self, what: str, step: int, places: Sequence[str]) -> None:
        shown = ", ".join(islice(places, 3)) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
        self.found = f"found a {what} at update {step}, on the batch of {shown}"
        super().__init__(
            f"training diverged: {self.found}\n"
            "  expected finite numbers\n  try a smaller --learning-rate, and look at these lines"
        )


ROLLBACKS = 3  # at most, before training that diverges is given up


@dataclass(frozen=True)
class Plan:
    """How to train.

    The learning rate rises over the first epoch and falls in a straight line to zero over all epochs. The
    weights that are judged and kept are a moving average of those that are trained.
    """

    epochs: int
    learning_rate: float
    patience: int  # epochs after the one that is kept before training stops
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
    rollbacks: int = 0  # how often training went back, each time to half the learning rate

    def check(self, model: nn.Module) -> None:
        """Raise ValueError where it is none of the training of this model."""
        for name in ("epoch", "step", "best_epoch", "rollbacks"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ValueError(f"{name} is no number of times")
        if type(self.best) not in (int, float):
            raise ValueError("best is no score")
        known = {"random": torch.get_rng_state()}
        for i, parameter in enumerate(model.parameters()):
            known |= dict.fromkeys((f"trained.{i}", f"average.{i}"), parameter)
        optional = {
            f"optimizer.{i}.{name}": torch.zeros(()) if name == "step" else parameter
            for i, parameter in enumerate(model.parameters())
            for name in ("step", "exp_avg", "exp_avg_sq")
        }
        if missing := known.keys() - self.tensors.keys():
            raise ValueError(f"{min(missing)} is not there")
        known |= optional
        for name, tensor in self.tensors.items():
            wanted = known.get(name)
            if wanted is None or (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
                raise ValueError(f"{name[:80]} is {tensor.dtype} {list(tensor.shape)}")
        try:
            torch.Generator().set_state(self.tensors["random"])
        except RuntimeError as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True)
class Progress:
    """Where training stands after an update, or, with a `score`, at the end of an epoch.

    With a `rollback`, which says why, training has gone back to the end of the epoch before.
    """

    epoch: int  # epochs begun
    step: int  # updates done
    position: float  # epochs done, a fraction
    loss: float  # mean over this epoch's batches so far
    rate: float  # real steps a second
    seconds_left: float  # at this rate, if no early stop
    score: float | None = None  # on dev, at the end of an epoch
    best: float = math.nan  # the best score so far
    best_epoch: int = 0  # the last epoch that was as good: its weights are kept
    keep: bool = False  # whether this epoch's weights take the place of those kept before
    checkpoint: Checkpoint | None = None  # at the end of an epoch
    rollback: str | None = None


def fit(
    model: nn.Module,
    batches: Callable[[int], Sequence[Any]],
    loss: Callable[[Any], Tensor],
    evaluate: Callable[[], float],
    plan: Plan,
    resume: Checkpoint | None = None,
) -> Iterator[Progress]:
    """Train `model` and yield a `Progress` after every update and at the end of every epoch.

    While the `Progress` of an epoch's end is out, the model holds the averaged weights: those that were
    judged, and that a caller saves. Dropout draws from torch's global generator, whose state the checkpoint
    carries.

    Where the loss or the gradient stops being finite, the epoch begins again as it began before, at half the
    learning rate from there on; `ROLLBACKS` times at most.

    Args:
        model: to be trained in place; it holds the averaged weights of the last epoch at the end.
        batches: gives the batches (see `Batch`) of an epoch, counted from 1; at least one.
        loss: of a batch, a scalar.
        evaluate: scores the model on dev.
        plan: how long and how fast.
        resume: where to go on; with it, the updates to come are bitwise those of a run never stopped.

    Raises:
        DivergedError: when the loss or the gradient is not finite, and was not at smaller learning rates.
    """
    parameters: list[Tensor] = list(model.parameters())
    optimizer = torch.optim.AdamW(_groups(model, plan), weight_decay=plan.weight_decay, fused=True)
    average = [parameter.detach().clone() for parameter in parameters]
    good = Checkpoint(_tensors(parameters, average, optimizer), 0, 0, plan.worst, 0)  # where to go back to
    if resume is not None:
        good = resume
        _restore(resume.tensors, parameters, average, optimizer)
    best, best_epoch, begun, step = good.best, good.best_epoch, good.epoch, good.step
    rollbacks = good.rollbacks

    clock, seen = time.monotonic(), 0

    def stands(position: float, loss: float, **more: Any) -> Progress:
        elapsed = time.monotonic() - clock
        left = elapsed / (position - begun) * (plan.epochs - position) if position > begun else 0.0
        return Progress(
            epoch=epoch,
            step=step,
            position=position,
            loss=loss,
            rate=seen / elapsed,
            seconds_left=left,
            best=best,
            best_epoch=best_epoch,
            **more,
        )

    for epoch in range(begun + 1, plan.epochs + 1):
        if epoch - 1 - best_epoch >= plan.patience:
            return
        progress = None
        while progress is None:
            todo = batches(epoch)
            model.train()
            updates = _updates(parameters, average, optimizer, loss, plan, good, todo, 0.5**rollbacks)
            try:
                for number, mean in enumerate(updates):
                    step += 1
                    seen += todo[number].real_steps
                    progress = stands(epoch - 1 + (number + 1) / len(todo), mean)
                    yield progress
            except DivergedError as error:
                if rollbacks == ROLLBACKS:
                    raise
                rollbacks += 1
                progress, step = None, good.step
                _restore(good.tensors, parameters, average, optimizer)
                where = f"the end of epoch {good.epoch}" if good.epoch else "the beginning"
                rate = f"a learning rate of {plan.learning_rate * 0.5**rollbacks:g}"
                why = f"{error.found}; back to {where}, at {rate} ({rollbacks} of {ROLLBACKS})"
                yield stands(epoch - 1, math.nan, rollback=why)
            else:
                assert progress is not None, "an epoch without batches"

        trained = [parameter.detach().clone() for parameter in parameters]
        _assign(parameters, average)
        model.eval()
        with torch.no_grad():
            score = evaluate()
        if plan.beats(score, best):
            best = score
        if keep := plan.as_good(score, best):
            best_epoch = epoch
        good = Checkpoint(_tensors(trained, average, optimizer), epoch, step, best, best_epoch, rollbacks)
        yield replace(
            progress,
            score=score,
            best=best,
            best_epoch=best_epoch,
            keep=keep,
            checkpoint=good,
        )
        if epoch < plan.epochs:
            _assign(parameters, trained)


def _updates(
    parameters: list[Tensor],
    average: list[Tensor],
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Any], Tensor],
    plan: Plan,
    begun: Checkpoint,
    todo: Sequence[Any],
    factor: float,
) -> Iterator[float]:
    """Update the weights with each batch of an epoch; yield the mean loss over the batches so far.

    Args:
        parameters: to be trained.
        average: of them, moved along.
        optimizer: of the parameters.
        loss: of a batch.
        plan: how fast.
        begun: what training was at the end of the epoch before.
        todo: the batches.
        factor: of the plan's learning rate.

    Raises:
        DivergedError: when the loss, the gradient or a weight is not finite.
    """
    total, step = 0.0, begun.step
    for number, batch in enumerate(todo):
        # Half an update in, so that neither the first nor the last has a rate of zero.
        position = begun.epoch + (number + 0.5) / len(todo)
        for group in optimizer.param_groups:
            group["lr"] = factor * plan.rate_at(position, group["depth"])
        optimizer.zero_grad()
        batch_loss = loss(batch)
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
        yield total / (number + 1)
    if not all(bool(torch.isfinite(weight).all()) for weight in average):
        raise DivergedError("weight that is no number", step, todo[-1].places)


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
