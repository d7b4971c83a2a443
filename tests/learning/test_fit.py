"""The training loop against a loop written here: schedule, averaging, early stop, resuming, divergence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.learning.fit import Checkpoint, DivergedError, Plan, Progress, fit

PLAN = Plan(epochs=4, learning_rate=0.05, patience=10, averaging=0.8, clip=0.5)
BATCHES = 3  # an epoch


@dataclass(frozen=True)
class Fake:
    """A batch of points."""

    x: Tensor
    y: Tensor
    places: list[str]

    @property
    def real_steps(self) -> int:
        return len(self.x)


def batches(epoch: int) -> list[Fake]:
    generator = torch.Generator().manual_seed(epoch)
    return [
        Fake(x, x.sin().sum(1), [f"toy:{epoch}{number}{i}" for i in range(5)])
        for number in range(BATCHES)
        for x in [torch.randn(5, 3, generator=generator)]
    ]


def network() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))


def loss_of(model: nn.Module, batch: Fake) -> Tensor:
    return F.mse_loss(model(batch.x).squeeze(1), batch.y)


def run(
    model: nn.Module,
    plan: Plan = PLAN,
    *,
    score: Callable[[], float] = lambda: 0.0,
    loss: Callable[[Fake], Tensor] | None = None,
    resume: Checkpoint | None = None,
) -> Iterator[Progress]:
    return fit(model, batches, loss or (lambda batch: loss_of(model, batch)), score, plan, resume)


def weights(model: nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy().copy() for parameter in model.parameters()]


@pytest.mark.parametrize("epochs", [1, 4, 30])
def test_the_rate_rises_over_the_first_epoch_and_falls_to_zero(epochs: int) -> None:
    plan = replace(PLAN, epochs=epochs)
    for position in np.linspace(0, epochs, 23):
        rise = position if position < 1 else 1
        assert plan.rate_at(position) == pytest.approx(0.05 * rise * (epochs - position) / epochs)


def test_the_first_updates_are_those_of_a_plain_loop() -> None:
    """AdamW on clipped gradients at the schedule's rate, and the average beside it, all written out."""
    oracle = network()
    parameters = list(oracle.parameters())
    optimizer = torch.optim.AdamW(parameters, weight_decay=PLAN.weight_decay, foreach=False)
    torch.manual_seed(3)
    losses, trained = [], []
    average = weights(oracle)
    for update in range(10):
        epoch, number = divmod(update, BATCHES)
        position = epoch + (number + 0.5) / BATCHES
        optimizer.param_groups[0]["lr"] = 0.05 * min(1, position) * (1 - position / 4)
        loss = loss_of(oracle, batches(epoch + 1)[number])
        optimizer.zero_grad()
        loss.backward()
        norm = sum(float((p.grad**2).sum()) for p in parameters if p.grad is not None) ** 0.5
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad *= min(1, 0.5 / (norm + 1e-6))
        optimizer.step()
        losses.append(loss.item())
        keep = min(0.8, (update + 1) / (update + 10))
        average = [keep * mean + (1 - keep) * new for mean, new in zip(average, weights(oracle), strict=True)]
        trained.append((weights(oracle), average))

    model = network()
    torch.manual_seed(3)
    epoch_losses: list[float] = []
    for progress in run(model):
        if progress.step > 10:
            break
        mean = np.mean(losses[BATCHES * (progress.epoch - 1) : progress.step])
        assert progress.loss == pytest.approx(mean, abs=1e-6)
        if progress.score is None:
            epoch_losses.append(progress.loss)
        expected = trained[progress.step - 1][progress.score is not None]
        for ours, theirs in zip(weights(model), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert len(epoch_losses) == 10


def test_progress_counts() -> None:
    seen = list(run(network()))
    updates = [progress for progress in seen if progress.score is None]
    ends = [progress for progress in seen if progress.score is not None]
    assert [p.step for p in updates] == list(range(1, 13))
    assert [p.epoch for p in ends] == [1, 2, 3, 4]
    assert [p.position for p in updates] == pytest.approx([n / BATCHES for n in range(1, 13)])
    assert all((p.checkpoint is not None) == (p.score is not None) for p in seen)
    assert seen[-1].seconds_left == 0


def test_the_model_is_judged_without_dropout_on_its_average() -> None:
    model, modes = network(), []
    x = torch.ones(1, 3)

    def score() -> float:
        modes.append((model.training, torch.is_grad_enabled(), model(x).item()))
        return 0.0

    ends = [model(x).item() for p in run(model, score=score) if p.score is not None]
    assert modes == [(False, False, out) for out in ends]


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "kept", "grain"),
    [
        ([0.1, 0.3, 0.2, 0.3, 0.1], 2, 5, 4, 0.0),  # the second 0.3 is as good as the first
        ([0.1, 0.3, 0.2, 0.1, 0.4], 2, 4, 2, 0.0),
        ([0.1, 0.3, 0.2, 0.4, 0.1], 2, 5, 4, 0.0),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 1, 5, 5, 0.0),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1, 5, 5, 0.0),
        ([0.5, 0.4, 0.3, 0.4, 0.1], 2, 5, 4, 0.15),
        ([0.5, 0.4, 0.3, 0.2, 0.5], 2, 4, 2, 0.15),
    ],
)
def test_patience_counts_from_the_epoch_that_is_kept(
    scores: list[float], patience: int, epochs: int, kept: int, grain: float
) -> None:
    given = iter(scores)
    plan = replace(PLAN, epochs=5, patience=patience, grain=grain)
    ends = [p for p in run(network(), plan, score=lambda: next(given)) if p.score is not None]
    assert [p.score for p in ends] == scores[:epochs]
    assert (ends[-1].best_epoch, ends[-1].best) == (kept, max(scores[:epochs]))
    assert [p.epoch for p in ends if p.keep][-1] == kept


def test_a_lower_score_may_be_the_better_one() -> None:
    given = iter([5.0, 3.0, 3.0, 4.0, 3.5])
    plan = replace(PLAN, epochs=5, patience=2, better="lower")
    ends = [p for p in run(network(), plan, score=lambda: next(given)) if p.score is not None]
    assert [p.keep for p in ends] == [True, True, True, False, False]
    assert (ends[-1].best_epoch, ends[-1].best) == (3, 3.0)


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1)])
def test_what_is_less_than_the_grain_is_no_difference(better: Literal["higher", "lower"], sign: int) -> None:
    given = iter([sign * right / 12 for right in (9, 11, 10, 9, 10)])
    plan = replace(PLAN, epochs=5, better=better, grain=1.5 / 12)
    ends = [p for p in run(network(), plan, score=lambda: next(given)) if p.score is not None]
    assert [p.keep for p in ends] == [True, True, True, False, True]
    assert (ends[-1].best_epoch, ends[-1].best) == (5, sign * 11 / 12)


@pytest.mark.parametrize("depth", [1, 2])
def test_what_lies_deeper_rests_longer_and_learns_more_slowly(depth: int) -> None:
    plan = replace(PLAN, depths={"0.weight": depth, "0.bias": depth})
    for position in np.linspace(0, 4, 23):
        rise = min(1, max(0, position - depth))
        assert plan.rate_at(position, depth) == pytest.approx(0.05 / 2.6**depth * rise * (4 - position) / 4)
    first = weights(network())
    moved = {}
    for p in run(network(), plan):
        if p.checkpoint:
            trained = [p.checkpoint.tensors[f"trained.{i}"].numpy() for i in range(4)]
            moved[p.epoch] = [not np.array_equal(*pair) for pair in zip(trained, first, strict=True)]
    for epoch, changed in moved.items():
        assert changed == [epoch > depth, epoch > depth, True, True]


def test_a_resumed_run_thaws_as_the_run_that_was_not_stopped() -> None:
    plan = replace(PLAN, depths={"0.weight": 1})
    checkpoints = [p.checkpoint for p in run(network(), plan) if p.checkpoint]
    for _ in run(resumed := network(), plan, resume=checkpoints[1]):
        pass
    for _ in run(unbroken := network(), plan):
        pass
    assert all(map(np.array_equal, weights(resumed), weights(unbroken)))


def facts(progress: Progress) -> tuple[Any, ...]:
    """All of it that does not depend on the clock."""
    p = progress
    return p.epoch, p.step, p.position, p.loss, p.score, p.best, p.best_epoch, p.keep


@pytest.mark.parametrize(("patience", "epochs"), [(10, 4), (2, 4), (1, 2)])
def test_a_resumed_run_is_the_run_that_was_not_stopped(patience: int, epochs: int) -> None:
    plan = replace(PLAN, patience=patience)
    scores = {1: 0.5, 2: 0.1, 3: 0.5, 4: 0.3}

    def follow(model: nn.Module, resume: Checkpoint | None) -> list[tuple[tuple[Any, ...], list[np.ndarray]]]:
        epoch = [0]

        def loss(batch: Fake) -> Tensor:
            epoch[0] = int(batch.places[0][4])
            return loss_of(model, batch)

        seen = []
        for p in run(model, plan, score=lambda: scores[epoch[0]], loss=loss, resume=resume):
            if p.checkpoint:
                checkpoints.setdefault(p.epoch, p.checkpoint)
            seen.append((facts(p), weights(model)))
        return seen

    checkpoints: dict[int, Checkpoint] = {}
    unbroken = follow(network(), None)
    assert sorted(checkpoints) == list(range(1, epochs + 1))
    for epoch, checkpoint in [*checkpoints.items(), *checkpoints.items()]:  # one may serve twice
        model = network()
        nn.init.zeros_(model[0].weight)  # pyright: ignore[reportIndexIssue, reportArgumentType]
        torch.manual_seed(99)
        resumed = follow(model, checkpoint)
        rest = [(f, w) for f, w in unbroken if f[0] > epoch]
        assert [f for f, _ in resumed] == [f for f, _ in rest]
        for (_, ours), (_, theirs) in zip(resumed, rest, strict=True):
            assert all(map(np.array_equal, ours, theirs))


def test_a_checkpoint_stays_what_it_was() -> None:
    kept = [
        (p.checkpoint, {name: t.clone() for name, t in p.checkpoint.tensors.items()})
        for p in run(network())
        if p.checkpoint
    ]
    assert len(kept) == 4
    for checkpoint, then in kept:
        assert all(torch.equal(tensor, then[name]) for name, tensor in checkpoint.tensors.items())


class _Overflow(torch.autograd.Function):
    """Its value is finite, its gradient is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0] * torch.inf


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda loss: loss * torch.nan, "loss of nan"),
        (lambda loss: loss + torch.inf, "loss of inf"),
        (_Overflow.apply, "gradient of norm "),
    ],
)
def test_what_is_not_finite_stops_training_and_names_the_lines(
    spoil: Callable[[Tensor], Tensor], what: str
) -> None:
    model = network()

    def loss(batch: Fake) -> Tensor:
        plain = loss_of(model, batch)
        return spoil(plain) if batch.places[0] == "toy:210" else plain

    before: list[list[np.ndarray]] = []

    def train() -> None:
        before.extend(weights(model) for p in run(model, loss=loss) if p.score is None)

    with pytest.raises(DivergedError) as caught:
        train()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"training diverged: found a {what}")
    assert lines[0].endswith(" at update 5, on the batch of toy:210, toy:211, toy:212 and 2 more")
    assert lines[1:] == [
        "  expected finite numbers",
        "  try a smaller --learning-rate, and look at these lines",
    ]
    # The second epoch is begun four times, and ends each time at its second update.
    assert len(before) == 3 + 4 * 1 + 3
    assert all(map(np.array_equal, weights(model), before[-1]))


def diverging(model: nn.Module, times: int) -> Callable[[Fake], Tensor]:
    """A loss that is none at update 5, the first `times` that it comes there."""
    left = [times]

    def loss(batch: Fake) -> Tensor:
        plain = loss_of(model, batch)
        if batch.places[0] == "toy:210" and left[0]:
            left[0] -= 1
            return plain * torch.nan
        return plain

    return loss


@pytest.mark.parametrize("times", [1, 2, 3])
def test_training_that_diverges_goes_back_to_the_last_epoch_at_half_the_rate(times: int) -> None:
    model, said = network(), []
    torch.manual_seed(3)
    ends: list[Progress] = []
    for p in run(model, loss=diverging(model, times)):
        said += [p.rollback] if p.rollback else []
        ends += [p] if p.checkpoint else []
    rates = ["0.025", "0.0125", "0.00625"]
    assert said == [
        "found a loss of nan at update 5, on the batch of toy:210, toy:211, toy:212 and 2 more; "
        f"back to the end of epoch 1, at a learning rate of {rate} ({number} of 3)"
        for number, rate in enumerate(rates[:times], 1)
    ]
    assert [p.epoch for p in ends] == [1, 2, 3, 4]
    assert [p.step for p in ends] == [3, 6, 9, 12]
    assert [p.checkpoint.rollbacks for p in ends if p.checkpoint] == [0, times, times, times]

    # It is what a run is that goes on behind epoch 1 at that rate.
    first = ends[0].checkpoint
    assert first
    slower = replace(PLAN, learning_rate=PLAN.learning_rate * 0.5**times)
    for _ in run(other := network(), slower, resume=first):
        pass
    assert all(map(np.array_equal, weights(model), weights(other)))


def test_training_that_diverges_at_first_begins_anew() -> None:
    model, left = network(), [1]
    torch.manual_seed(3)

    def loss(batch: Fake) -> Tensor:
        if batch.places[0] == "toy:120" and left[0]:
            left[0] -= 1
            return loss_of(model, batch) * torch.inf
        return loss_of(model, batch)

    said = [p.rollback for p in run(model, loss=loss) if p.rollback]
    assert len(said) == 1
    assert "; back to the beginning, at a learning rate of 0.025 (1 of 3)" in str(said[0])
    other = network()
    torch.manual_seed(3)
    for _ in run(other, replace(PLAN, learning_rate=0.025)):
        pass
    assert all(map(np.array_equal, weights(model), weights(other)))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_run_that_went_back_is_resumed_to_the_same_bits(epoch: int) -> None:
    """Whether it was stopped before it diverged, which it then does again, or behind that."""
    torch.manual_seed(3)
    unbroken = network()
    checkpoints = [p.checkpoint for p in run(unbroken, loss=diverging(unbroken, 1)) if p.checkpoint]
    resumed = network()
    times = 1 if epoch == 1 else 0
    ends = list(run(resumed, loss=diverging(resumed, times), resume=checkpoints[epoch - 1]))
    assert all(map(np.array_equal, weights(resumed), weights(unbroken)))
    assert ends[-1].checkpoint
    assert ends[-1].checkpoint.rollbacks == 1


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "a:1"), (3, "a:1, a:2, a:3"), (4, "a:1, a:2, a:3 and 1 more")]
)
def test_places_are_listed(count: int, shown: str) -> None:
    message = str(DivergedError("loss of nan", 1, [f"a:{n + 1}" for n in range(count)]))
    assert f"on the batch of {shown}\n" in message
