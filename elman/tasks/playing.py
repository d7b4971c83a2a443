"""Two ways of writing music as a sequence: event by event, and the keys that sound at each step.

Each turns a piece into inputs and targets, one step apart, and has a network that speaks beside plain models.

Letters: N steps, K symbols or keys, B sequences.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.data.batch import pack
from elman.data.events import END, KEYS, Events, Steps, chords_of, left_out, roll, steps_of, tune_of
from elman.data.midi import Tune
from elman.learning.baselines import train_classifier
from elman.learning.ngrams import NGrams
from elman.nn.layers import LAYERS
from elman.nn.pianist import Pianist
from elman.nn.search import draw
from elman.nn.shapes import OneToMany, OneToOne
from elman.tasks.task import CannotError, Sampling

NGRAM = 6  # events that the n-gram model looks at, the one it predicts among them
WINDOW, WINDOW_HIDDEN = 5, 100  # last steps that the standard network sees
DENSEST = 50  # events of a quarter note, on average, after which a tune is cut off
WINDOW_STEPS = 200_000  # of the training pieces, on which it is trained

Piece = Tune | Steps
Method = Callable[[Sequence[Piece]], list[list[float]]]  # nats of each step


class Playing(ABC):
    """A way of writing music."""

    unit: str

    def __init__(self, grid: int, moves: int) -> None:
        self.grid, self.moves = grid, moves

    @abstractmethod
    def sequence(self, piece: Piece, move: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets, as long as each other, of a piece moved by so many semitones."""

    def left_out(self, tune: Tune) -> int:
        """Return how many notes of a tune cannot be written so."""
        return 0

    @abstractmethod
    def model(self, settings: Any) -> nn.Module:
        """Return a new network, with `nll` and `step`."""

    @abstractmethod
    def speak(
        self, model: Any, count: int, sampling: Sampling, prime: Piece | None, longest: int
    ) -> list[Tune]:
        """Return `count` tunes, each of so many quarter notes behind the prime. Raises CannotError."""

    @abstractmethod
    def baselines(self, train: Sequence[Piece]) -> dict[str, Method]:
        """Train plain models."""

    def _layers(self, settings: Any) -> Any:
        return LAYERS[settings.cell](
            settings.size,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
        )

    def _window_pieces(self, train: Sequence[Piece]) -> list[np.ndarray]:
        """The targets of as many training pieces as make WINDOW_STEPS, drawn by chance."""
        chosen, steps = [], 0
        for i in np.random.default_rng(0).permutation(len(train)):
            if steps < WINDOW_STEPS:
                chosen.append(self.sequence(train[i])[1])
                steps += len(chosen[-1])
        return chosen


class EventByEvent(Playing):
    """A tune is a sequence of events; the network speaks one at a time."""

    unit = "event"

    def __init__(self, grid: int, moves: int) -> None:
        super().__init__(grid, moves)
        self.events = Events(grid, moves)

    def sequence(self, piece: Piece, move: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return [N] numbers of events behind the mark of the beginning, and those of what comes next."""
        targets = np.array(self.events.numbers(self._tune(piece), move))
        return np.concatenate(([self.events.begin(move)], targets[:-1])), targets

    def model(self, settings: Any) -> OneToMany:
        """Return a network of events."""
        return OneToMany(len(self.events), self._layers(settings), settings.dropout)

    def speak(
        self, model: OneToMany, count: int, sampling: Sampling, prime: Piece | None, longest: int
    ) -> list[Tune]:
        """Draw events, only those that may follow; to the end, or for as long as was asked."""
        begin = 0 if prime is None else self._end(prime)
        end = begin + longest * self.grid
        said = [[] if prime is None else self.sequence(prime)[1][:-1].tolist() for _ in range(count)]
        last, state = torch.tensor([self.events.begin()] * count), None
        if prime is not None and said[0]:
            before = np.array([self.events.begin(), *said[0][:-1]])
            _, state = model(pack([before] * count))
            last = torch.tensor([said[0][-1]] * count)
        chance = torch.Generator().manual_seed(sampling.seed)
        now = [sum(map(self.events.waited, numbers)) for numbers in said]
        speaking = set(range(count))
        for _ in range(longest * DENSEST):
            scores, state = model.step(last, state)
            for row, numbers in enumerate(said):
                legal = self.events.legal(numbers[-1] if numbers else None)
                legal[END] &= sampling.longest is None and len(numbers) > 0
                scores[row, torch.from_numpy(~legal)] = -torch.inf
            last = draw(scores, sampling.temperature, sampling.top_k, sampling.top_p, chance)
            for row in list(speaking):
                if last[row] == END:
                    speaking.remove(row)
                else:
                    said[row].append(int(last[row]))
                    now[row] += self.events.waited(said[row][-1])
                    if now[row] >= end:
                        speaking.remove(row)
            if not speaking:
                break
        return [self.events.tune(numbers).until(end) for numbers in said]

    def _end(self, prime: Piece) -> int:
        """The step at which the last note of a piece ends."""
        notes = self._tune(prime).notes
        if not notes:
            raise CannotError("there is no note to play on behind: give a prime with one, or none")
        return max(note.start + note.length for note in notes)

    def _tune(self, piece: Piece) -> Tune:
        return piece if isinstance(piece, Tune) else tune_of(piece, self.grid)

    def baselines(self, train: Sequence[Piece]) -> dict[str, Method]:
        """Count events, and sequences of a few; train a standard network on the last few."""
        size = len(self.events)
        numbers = [self.sequence(piece)[1] for piece in train]
        window = self._window_pieces(train)
        network = OneToOne(size, WINDOW, WINDOW_HIDDEN, size)
        train_classifier(
            network, torch.cat(list(map(self._last, window))), torch.from_numpy(np.concatenate(window))
        )

        def counted(order: int) -> Method:
            model = NGrams(numbers, size, order)
            return lambda pieces: [
                n.tolist() for n in model.nll([self.sequence(piece)[1] for piece in pieces])
            ]

        def standard(pieces: Sequence[Piece]) -> list[list[float]]:
            with torch.no_grad():
                return [
                    F.cross_entropy(network(self._last(t)), torch.from_numpy(t), reduction="none").tolist()
                    for t in (self.sequence(piece)[1] for piece in pieces)
                ]

        return {"event_frequency": counted(1), f"{NGRAM}-grams": counted(NGRAM), "standard_network": standard}

    def _last(self, targets: np.ndarray) -> Tensor:
        """The events before each target, [N, WINDOW]; marks of the beginning before the first."""
        before = np.concatenate(([self.events.begin()] * WINDOW, targets[:-1]))
        return torch.from_numpy(before).unfold(0, WINDOW, 1)


class KeysByStep(Playing):
    """A piece is a sequence of steps, at each of which some of the 88 keys sound, each by itself."""

    unit = "step"

    def sequence(self, piece: Piece, move: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return [N, I] keys of the step before, whether there is none, and the move; [N, K] keys to come."""
        targets = roll(piece if not isinstance(piece, Tune) else chords_of(piece), move)
        inputs = np.zeros((len(targets), KEYS + self._others), np.float32)
        inputs[1:, :KEYS] = targets[:-1]
        inputs[0, KEYS] = 1
        inputs[:, KEYS + 1 + self.moves + move] = 1
        return inputs, targets

    def left_out(self, tune: Tune) -> int:
        """Return how many notes are no key of a piano that sounds as a quarter note begins."""
        return left_out(tune)

    @property
    def _others(self) -> int:
        return 1 + 2 * self.moves + 1

    def model(self, settings: Any) -> Pianist:
        """Return a network of keys."""
        return Pianist(KEYS, self._others, settings.size, self._layers(settings), settings.dropout)

    def speak(
        self, model: Pianist, count: int, sampling: Sampling, prime: Piece | None, longest: int
    ) -> list[Tune]:
        """Draw each key by itself; `top_k` keys at most."""
        if sampling.top_p is not None:
            raise CannotError("top_p is for one symbol at a time, and this run plays several keys; use top_k")
        state, before = None, np.zeros((0, KEYS), np.float32)
        if prime is not None:
            inputs, before = self.sequence(prime)
            _, state = model(pack([inputs] * count))
        said = [np.repeat(before[None], count, 0)]
        chance = torch.Generator().manual_seed(sampling.seed)
        for _ in range(longest):
            played = np.concatenate(said, 1)[:, -1:]  # [B, 1 or 0, K]
            inputs = np.zeros((count, KEYS + self._others), np.float32)
            inputs[:, :KEYS] = played[:, 0] if played.shape[1] else 0
            inputs[:, KEYS] = not played.shape[1]
            inputs[:, KEYS + 1 + self.moves] = 1
            scores, state = model.step(torch.from_numpy(inputs), state)
            said.append(_draw_keys(scores, sampling, chance).numpy()[:, None])
        return [tune_of(steps_of(keys), self.grid) for keys in np.concatenate(said, 1)]

    def baselines(self, train: Sequence[Piece]) -> dict[str, Method]:
        """Count how often each key sounds, and behind itself; train a standard network on the last steps."""
        targets = [self.sequence(piece)[1] for piece in train]
        after = np.concatenate(targets)
        before = np.concatenate([self.sequence(piece)[0][:, :KEYS] for piece in train])
        often = _share(after.sum(0), len(after))
        held = _share((after * before).sum(0), before.sum(0))
        struck = _share((after * (1 - before)).sum(0), (1 - before).sum(0))
        window = self._window_pieces(train)
        network = nn.Sequential(
            nn.Linear(WINDOW * KEYS, WINDOW_HIDDEN), nn.Tanh(), nn.Linear(WINDOW_HIDDEN, KEYS)
        )
        train_classifier(
            network,
            torch.cat(list(map(_last_steps, window))),
            torch.from_numpy(np.concatenate(window)),
            epochs=30,
            batch=100,
            loss=F.binary_cross_entropy_with_logits,
        )

        def scored(likely: Callable[[np.ndarray], np.ndarray]) -> Method:
            """The nats of each step, given the probability of each key, [N, K], of pieces [N, K]."""

            def nats(piece: Piece) -> list[float]:
                keys = self.sequence(piece)[1]
                right = np.where(keys > 0, likely(keys), 1 - likely(keys))
                return (-np.log(right)).sum(1).tolist()

            return lambda pieces: list(map(nats, pieces))

        def behind(keys: np.ndarray) -> np.ndarray:
            last = np.concatenate((np.zeros((1, KEYS)), keys[:-1]))
            return np.where(last > 0, held, struck)

        def standard(keys: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return network(_last_steps(keys)).double().sigmoid().clamp(1e-9, 1 - 1e-9).numpy()

        return {
            "key_frequency": scored(lambda keys: np.broadcast_to(often, keys.shape)),
            "last_step": scored(behind),
            "standard_network": scored(standard),
        }


def _draw_keys(scores: Tensor, sampling: Sampling, chance: torch.Generator) -> Tensor:
    """Draw keys [B, K] by their scores (logits)."""
    if sampling.top_k is not None and sampling.top_k < scores.shape[1]:
        least = scores.topk(sampling.top_k, 1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if sampling.temperature == 0:
        return (scores > 0).float()
    return torch.bernoulli((scores / sampling.temperature).sigmoid(), generator=chance).float()


def _last_steps(keys: np.ndarray) -> Tensor:
    """The keys of the steps before each, side by side, [N, WINDOW * K]; none before the first."""
    before = np.concatenate((np.zeros((WINDOW, KEYS), np.float32), keys[:-1]))
    return torch.from_numpy(before).unfold(0, WINDOW, 1).flatten(1)


def _share(count: np.ndarray, of: np.ndarray | int) -> np.ndarray:
    """A share that is never 0 nor 1 (Krichevsky and Trofimov 1981)."""
    return (count + 0.5) / (np.asarray(of, dtype=float) + 1)
