"""Law 2 for the kernels: alone or in company, padded or not, in chunks, in steps, in threads: the same bits.

All comparisons are `torch.equal`, but for the one with the plain steps, which sum in another order.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from elman import nn
from elman.nn import cells
from elman.nn.cells import Cell
from elman.nn.fused import UNPACKED
from elman.nn.layers import Recurrent
from elman.nn.unroll import Weights, unroll

pytestmark = pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations")
KINDS: dict[str, Callable[..., Recurrent]] = {
    "rnn": nn.RNN,
    "rnn relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_type = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
# Few and many units a vector and a panel, more sequences than a tile has rows, more steps than a span.
SHAPES = [(5, 3, 2, 3), (9, 8, 5, 16), (70, 13, 17, 33), (1, 1, 1, 1)]  # T, B, I, H
# Where threads share the sequences (`for_ways` of csrc/kernels.cpp): few sequences, many weights.
# These and the third above are work enough for more than one thread (`useful_threads`).
SHARED = [(12, 1, 16, 256), (4, 4, 8, 512), (6, 2, 40, 304)]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


class Case:
    """A layer, its input, a state that is not zero, and a weight for everything that comes out."""

    def __init__(
        self,
        kind: str,
        dtype: torch.dtype,
        shape: tuple[int, int, int, int],
        *,
        one_hot: bool = False,
        **options: Any,
    ) -> None:
        self.time, self.batch, inputs, hidden = shape
        torch.manual_seed(sum(shape))
        self.layer = KINDS[kind](inputs, hidden, dtype=dtype, **options)
        rows = self.layer.num_layers * self.layer.num_directions
        self.x = torch.randn(self.time, self.batch, inputs, dtype=dtype)
        if one_hot:
            self.x = torch.randint(inputs, (self.time, self.batch))
        self.state = tuple(torch.randn(rows, self.batch, hidden, dtype=dtype) for _ in self.layer.cell.states)
        self.lengths = torch.randint(self.time + 1, (self.batch,))
        self.lengths[-1] = self.time
        self.doutputs = torch.randn(self.time, self.batch, hidden * self.layer.num_directions, dtype=dtype)

    def run(self, sequences: Sequence[int], length: int | None = None, padded: bool = True) -> list[Tensor]:
        """What comes out for some of the sequences: outputs, final states, and all gradients, weights' last.

        Args:
            sequences: which.
            length: of all; their own if None.
            padded: whether they go in padded, with lengths.
        """
        some = list(sequences)
        lengths = self.lengths[some] if length is None else torch.full((len(some),), length)
        time = self.time if padded else int(lengths.max())
        x = self.x[:time, some].clone()
        x.requires_grad_(x.is_floating_point())
        state = tuple(s[:, some].clone().requires_grad_() for s in self.state)
        given: Any = state if len(state) != 1 else state[0]
        self.layer.zero_grad()
        outputs, final = self.layer(x, given, lengths=lengths) if padded else self.layer(x, given)
        final = final if isinstance(final, tuple) else (final,)
        loss = (outputs * self.doutputs[:time, some]).sum()
        loss = loss + sum((f * s.detach()).sum() for f, s in zip(final, state, strict=True))
        loss.backward()
        gradients = [t.grad for t in (x, *state, *self.layer.parameters()) if t.requires_grad]
        assert all(gradient is not None for gradient in gradients)
        return [outputs.detach(), *(f.detach() for f in final), *(g for g in gradients if g is not None)]

    def of_sequences(self, results: list[Tensor]) -> list[Tensor]:
        """All of `results` that belongs to single sequences: not the gradients of the weights."""
        return results[: 1 + len(self.state) + 1 + len(self.state)]


def assert_equal(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    same = [torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert all(same), same


@each_kind
@each_type
@pytest.mark.parametrize("shape", [*SHAPES, SHARED[1]], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["", "bidirectional"])
def test_alone_as_in_company(
    kind: str, dtype: torch.dtype, shape: tuple[int, int, int, int], bidirectional: bool
) -> None:
    case = Case(kind, dtype, shape, bidirectional=bidirectional)
    together = case.of_sequences(case.run(range(case.batch)))
    for b in range(case.batch):
        length = int(case.lengths[b])
        if length == 0:
            assert_equal([f[:, b] for f in together[1 : 1 + len(case.state)]], [s[:, b] for s in case.state])
            continue
        alone = case.of_sequences(case.run([b], padded=False))
        assert_equal([t[:length, b : b + 1] if i == 0 else t[:, b : b + 1] for i, t in enumerate(together)
                      if i != 1 + len(case.state)],
                     [t for i, t in enumerate(alone) if i != 1 + len(case.state)])  # fmt: skip
        dx = together[1 + len(case.state)][:, b : b + 1]
        assert_equal([dx[:length], dx[length:]], [alone[1 + len(case.state)], torch.zeros_like(dx[length:])])


@each_kind
@each_type
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (3, 16), (17, 33), (40, 8)])
@pytest.mark.parametrize(
    "options", [{}, {"one_hot": True}, {"bidirectional": True}, {"checkpoint_every": 1}], ids=str
)
def test_a_single_step_of_few_sequences_as_in_company(
    kind: str, dtype: torch.dtype, inputs: int, hidden: int, options: dict[str, Any]
) -> None:
    """Of few, the weights are read as they stand; of many, they are packed."""
    case = Case(kind, dtype, (1, 2 * UNPACKED + 1, inputs, hidden), **options)
    together = case.run(range(case.batch), length=1)
    for few in range(1, UNPACKED + 2):
        found = case.run(range(few), length=1)
        for one, all_of_it in zip(found[: -len([*case.layer.parameters()])], together, strict=False):
            assert torch.equal(one, all_of_it[:, :few])


def test_threads_share_a_single_step() -> None:
    case = Case("gru", torch.float32, (1, UNPACKED, 600, 600))
    torch.set_num_threads(1)
    one = case.run(range(case.batch), length=1)
    torch.set_num_threads(3)
    assert_equal(case.run(range(case.batch), length=1), one)


@each_kind
@each_type
def test_padded_as_packed(kind: str, dtype: torch.dtype) -> None:
    case = Case(kind, dtype, (9, 8, 5, 16))
    lengths = [max(1, int(n)) for n in case.lengths]
    given: Any = case.state if len(case.state) != 1 else case.state[0]
    packed = pack_sequence([case.x[:n, b] for b, n in enumerate(lengths)], enforce_sorted=False)
    outputs, final = case.layer(case.x, given, lengths=lengths)
    packed_outputs, packed_final = case.layer(packed, given)
    again = pack_sequence([outputs[:n, b] for b, n in enumerate(lengths)], enforce_sorted=False)
    assert torch.equal(packed_outputs.data, again.data)
    assert all(map(torch.equal, final, packed_final))


@each_kind
@each_type
@pytest.mark.parametrize("shape", [*SHAPES, *SHARED], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True}, {"one_hot": True}, {"num_layers": 2}], ids=str
)
def test_any_number_of_threads(
    kind: str, dtype: torch.dtype, shape: tuple[int, int, int, int], options: dict[str, Any]
) -> None:
    case = Case(kind, dtype, shape, **options)
    torch.set_num_threads(1)
    one = case.run(range(case.batch), length=case.time)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        assert_equal(case.run(range(case.batch), length=case.time), one)


@pytest.mark.parametrize(
    ("kind", "options"), [("gru", {}), ("gru", {"one_hot": True}), ("lstm", {"one_hot": True})]
)
def test_threads_that_share_sequences_wait_for_each_other(kind: str, options: dict[str, Any]) -> None:
    """A missing wait shows rarely."""
    case = Case(kind, torch.float32, SHARED[0], **options)
    torch.set_num_threads(1)
    one = case.run([0], length=case.time)
    torch.set_num_threads(2)
    for _ in range(40):
        assert_equal(case.run([0], length=case.time), one)


@each_kind
@each_type
@pytest.mark.parametrize("shape", [(9, 3, 5, 16), (12, 7, 3, 33), SHARED[1]], ids=str)
def test_in_chunks_with_the_state_carried_as_whole(
    kind: str, dtype: torch.dtype, shape: tuple[int, int, int, int]
) -> None:
    case = Case(kind, dtype, shape, num_layers=2)
    whole = case.of_sequences(case.run(range(case.batch), length=case.time))
    x = case.x.clone().requires_grad_()
    first = tuple(s.clone().requires_grad_() for s in case.state)
    state: Any = first if len(first) != 1 else first[0]
    parts = []
    for chunk in x.split(2):
        part, state = case.layer(chunk, state)
        parts.append(part)
    outputs, final = torch.cat(parts), state if isinstance(state, tuple) else (state,)
    loss = (outputs * case.doutputs).sum() + sum(
        (f * s).sum() for f, s in zip(final, case.state, strict=True)
    )
    assert_equal([outputs, *final, *torch.autograd.grad(loss, (x, *first))], whole)


STEPS = [
    {},
    {"batch_first": True},
    {"num_layers": 2},
    {"num_layers": 3, "bias": False},
    {"one_hot": True, "num_layers": 2},
    {"one_hot": True, "batch_first": True},
]


@each_kind
@each_type
@pytest.mark.parametrize("shape", [(7, 3, 5, 6), (4, 9, 17, 33), (4, 2, 8, 256)], ids=str)
@pytest.mark.parametrize("options", STEPS, ids=str)
@pytest.mark.parametrize("threads", [1, 2])
@torch.no_grad()
def test_step_by_step_as_whole(
    kind: str, dtype: torch.dtype, shape: tuple[int, int, int, int], options: dict[str, Any], threads: int
) -> None:
    torch.set_num_threads(threads)
    case = Case(kind, dtype, shape, **options)
    given: Any = case.state if len(case.state) != 1 else case.state[0]
    whole = case.x.transpose(0, 1) if case.layer.batch_first else case.x
    outputs, final = case.layer(whole, given)
    outputs = outputs.transpose(0, 1) if case.layer.batch_first else outputs
    state, ys = given, []
    for x in case.x:
        y, state = case.layer.step(x, state)
        ys.append(y)
    assert torch.equal(torch.stack(ys), outputs)
    assert all(map(torch.equal, state, final))


@each_kind
@pytest.mark.parametrize("one_hot", [False, True])
@torch.no_grad()
def test_steps_of_one_sequence_without_a_batch(kind: str, one_hot: bool) -> None:
    case = Case(kind, torch.float32, (7, 1, 5, 6), one_hot=one_hot, num_layers=2)
    outputs, final = case.layer(case.x[:, 0])
    state, ys = None, []
    for x in case.x[:, 0]:
        y, state = case.layer.step(x, state)
        ys.append(y)
    assert torch.equal(torch.stack(ys), outputs)
    assert state is not None
    assert state[0].shape == final[0].shape
    assert all(map(torch.equal, state, final))


@each_kind
@each_type
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("hidden", [5, 16])
def test_a_bad_number_stays_in_its_own_sequence(
    kind: str, dtype: torch.dtype, bad: float, hidden: int
) -> None:
    case = Case(kind, dtype, (6, 8, 5, hidden))
    good = case.of_sequences(case.run(range(8)))
    b = int(case.lengths.argmax())
    case.x[2, b, 3] = bad
    others = [i for i in range(8) if i != b]
    found = case.of_sequences(case.run(range(8)))
    assert_equal([t[:, others] for t in found], [t[:, others] for t in good])
    if bad != bad:
        assert bool(found[0][2:, b].isnan().all())
        assert torch.equal(found[0][:2, b], good[0][:2, b])


@each_kind
def test_an_infinite_input_has_the_gradients_of_torch(kind: str) -> None:
    """The units that fill up a vector must not make it 0 times infinity."""
    case = Case(kind, torch.float64, (4, 1, 3, 5))
    case.x[3, 0, 1] = float("inf")
    name, arguments = {"rnn relu": ("RNN", {"nonlinearity": "relu"})}.get(kind, (kind.upper(), {}))
    theirs = getattr(torch.nn, name)(3, 5, dtype=torch.float64, **arguments)
    theirs.load_state_dict(case.layer.state_dict())
    found = []
    for layer in (case.layer, theirs):
        x = case.x.clone().requires_grad_()
        outputs = layer(x)[0]
        found.append((outputs, *torch.autograd.grad(outputs[:3].sum() + outputs[3].clamp(-9, 9).sum(), [x])))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-12, equal_nan=True)


FEW = st.sampled_from([0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17])
SIZES = st.one_of(FEW, st.sampled_from([31, 33, 63, 65, 127, 129]))


class PlainRNN(cells.RNN):
    """Without kernels."""


class PlainGRU(cells.GRU):
    """The same."""


class PlainLSTM(cells.LSTM):
    """The same."""


BOTH: dict[str, tuple[Cell, Cell]] = {
    "rnn": (cells.RNN(), PlainRNN()),
    "rnn relu": (cells.RNN("relu"), PlainRNN("relu")),
    "gru": (cells.GRU(), PlainGRU()),
    "lstm": (cells.LSTM(), PlainLSTM()),
}


@each_kind
@settings(max_examples=125, deadline=None)
@given(
    time=FEW,
    batch=FEW,
    inputs=SIZES,
    hidden=SIZES,
    seed=st.integers(0, 999),
    double=st.booleans(),
    one_hot=st.booleans(),
    directions=st.sampled_from([1, 2]),
    threads=st.sampled_from([1, 2, 3]),
)
def test_shapes_of_every_kind(
    kind: str,
    time: int,
    batch: int,
    inputs: int,
    hidden: int,
    seed: int,
    double: bool,
    one_hot: bool,
    directions: int,
    threads: int,
) -> None:
    """The kernels and the plain steps agree, to a typed error."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    lengths = torch.randint(time + 1, (batch,)).sort(descending=True).values
    batch_sizes = (lengths > torch.arange(time)[:, None]).sum(1)
    rows = int(lengths.sum())
    ours, plain = BOTH[kind]
    gates = len(ours.gates) * hidden

    def random(*shape: int) -> Tensor:
        return (torch.randn(shape, dtype=dtype) / max(1, shape[-1]) ** 0.5).requires_grad_()

    x = torch.randint(max(1, inputs), (rows,)) if one_hot else random(rows, inputs)
    weights = [Weights(random(gates, inputs), random(gates, hidden), random(gates), random(gates))
               for _ in range(directions)]  # fmt: skip
    state = tuple(random(directions, batch, hidden) for _ in ours.states)
    doutputs = torch.randn(rows, directions * hidden, dtype=dtype)
    flat = [w for way in weights for w in way if w is not None]
    leaves = [t for t in (x, *state, *flat) if t.requires_grad]
    found = []
    for cell in (ours, plain):
        try:
            outputs, final = unroll(cell, weights, x, state, batch_sizes)
            loss = (outputs * doutputs).sum() + sum(s.sum() for s in final)
            found.append([outputs, *final, *torch.autograd.grad(loss, leaves, materialize_grads=True)])
        except (ValueError, TypeError):
            found.append([])
            if cell is ours:
                assert 0 in (inputs, hidden)
                return
    # At the kink of relu a rounding error decides between two gradients; in float64 hardly ever.
    if len(found[0]) > 0 and (double or kind != "rnn relu"):
        tolerance = 1e-10 if double else 2e-3
        torch.testing.assert_close(found[0], found[1], rtol=tolerance, atol=tolerance)
    if batch and rows:  # and the first sequence by itself gives the same bits
        own = [sum(batch_sizes[:t].tolist()) for t in range(int(lengths[0]))]
        alone, _ = unroll(ours, weights, x[own], tuple(s[:, :1] for s in state), [1] * len(own))
        assert torch.equal(alone, found[0][0][own])


@each_kind
def test_python_threads_at_once_as_alone(kind: str) -> None:
    cases = [Case(kind, torch.float32, shape, num_layers=2) for shape in ((9, 8, 5, 16), SHARED[0])] * 2
    alone = [case.run(range(case.batch), length=case.time)[:1] for case in cases]
    found: dict[int, list[bool]] = {}

    @torch.no_grad()
    def work(i: int) -> None:
        state: Any = cases[i].state if len(cases[i].state) > 1 else cases[i].state[0]
        same = [torch.equal(cases[i].layer(cases[i].x, state)[0], alone[i][0]) for _ in range(15)]
        found[i] = same

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(cases))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(found) == [0, 1, 2, 3]
    assert all(all(same) for same in found.values())
