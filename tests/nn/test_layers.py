"""RNN, GRU and LSTM beside torch's own: every option, forward and backward, and what torch has not.

`pytest -s -k parity tests/nn/test_layers.py` prints the largest difference from torch.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, unpack_sequence

from elman import nn
from elman.nn import cells
from elman.nn.layers import LAYERS, Recurrent

INPUT, HIDDEN, TIME, BATCH = 3, 4, 5, 3
LENGTHS = (3, 5, 1)


@dataclass(frozen=True)
class Kind:
    """A layer, torch's counterpart, and the arguments that make it this kind."""

    ours: Callable[..., Recurrent]
    theirs: Callable[..., torch.nn.RNNBase]
    arguments: dict[str, Any]

    def pair(self, dtype: torch.dtype = torch.float64, **options: Any) -> tuple[Recurrent, torch.nn.RNNBase]:
        """Both, with the same weights, drawn by torch."""
        theirs = self.theirs(INPUT, HIDDEN, dtype=dtype, **self.arguments, **options)
        ours = self.ours(INPUT, HIDDEN, dtype=dtype, **self.arguments, **options)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs


KINDS = {
    "rnn": Kind(nn.RNN, torch.nn.RNN, {}),
    "rnn relu": Kind(nn.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": Kind(nn.GRU, torch.nn.GRU, {}),
    "lstm": Kind(nn.LSTM, torch.nn.LSTM, {}),
    "lstm projected": Kind(nn.LSTM, torch.nn.LSTM, {"proj_size": 2}),
}
FORMS = ("unbatched", "padded", "packed, sorted", "packed, any order")
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),  # torch's
    pytest.mark.filterwarnings("ignore:.*projected outputs, (recurrent layers run in|torch has no kernel)"),
]
Run = tuple[Tensor, tuple[Tensor, ...]]  # outputs, and the states of the final state


def options() -> Iterator[dict[str, Any]]:
    names = ("num_layers", "bias", "batch_first", "bidirectional")
    for values in product((1, 2), (True, False), (False, True), (False, True)):
        yield dict(zip(names, values, strict=True))


def inputs(layer: Recurrent, form: str, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Any]:
    """A leaf, and the input of this form that is made of it."""
    shape = {"unbatched": (TIME, INPUT)}.get(form, (TIME, BATCH, INPUT))
    if layer.batch_first and len(shape) == 3:
        shape = (BATCH, TIME, INPUT)
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    if form.startswith("packed"):
        in_order = form.endswith("sorted")
        lengths = sorted(LENGTHS, reverse=True) if in_order else list(LENGTHS)
        return x, pack_padded_sequence(x, torch.tensor(lengths), layer.batch_first, enforce_sorted=in_order)
    return x, x


def initial(layer: Recurrent, batch: int | None, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """A random initial state; `batch` is None for one sequence."""
    widths = [layer.output_size, *[layer.hidden_size] * (len(layer.cell.states) - 1)]
    rows = layer.num_layers * layer.num_directions
    shapes = [(rows, width) if batch is None else (rows, batch, width) for width in widths]
    return tuple(torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes)


def run(layer: torch.nn.Module, x: Any, hx: tuple[Tensor, ...] | None, **more: Any) -> Run:
    """Call a layer, ours or torch's; the state always as a tuple."""
    given_state: Any = hx[0] if hx is not None and len(hx) == 1 else hx
    outputs, final = layer(x, given_state, **more)
    # Not for a tensor: its `data` is cut off from the gradient.
    outputs = outputs.data if isinstance(outputs, PackedSequence) else outputs
    return outputs, final if isinstance(final, tuple) else (final,)


def gradients(result: Run, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """Of a number into which every output and every final state goes with a weight of its own."""
    draw = torch.Generator().manual_seed(9)
    loss = sum(
        (t * torch.randn(t.shape, generator=draw, dtype=t.dtype)).sum() for t in (result[0], *result[1])
    )
    assert isinstance(loss, Tensor)
    return torch.autograd.grad(loss, leaves, retain_graph=True)  # two layers may read one packed input


def difference(ours: torch.nn.Module, theirs: torch.nn.Module, x: Any, leaf: Tensor, hx: Any) -> float:
    """The largest difference in outputs, final states and all gradients. Shapes must be equal."""
    found = []
    for layer in (ours, theirs):
        torch.manual_seed(5)  # of the dropout's masks
        result = run(layer, x, hx)
        leaves = [leaf, *(hx or ()), *(p for _, p in sorted(layer.named_parameters()))]
        found.append([t.detach() for t in (result[0], *result[1], *gradients(result, leaves))])
    assert [t.shape for t in found[0]] == [t.shape for t in found[1]]
    return max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch_for_all_options(kind: str, form: str) -> None:
    torch.manual_seed(0)
    largest = 0.0
    for chosen, with_state in product(options(), (False, True)):
        ours, theirs = KINDS[kind].pair(**chosen)
        leaf, x = inputs(ours, form)
        hx = initial(ours, None if form == "unbatched" else BATCH) if with_state else None
        error = difference(ours, theirs, x, leaf, hx)
        assert error < 1e-12, f"{chosen} {with_state=}"
        largest = max(largest, error)
    print(f"\n{kind}, {form}: largest difference from torch {largest:.1e}")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch_in_dropout(kind: str, form: str) -> None:
    """The same seed gives the same masks, in every layout."""
    for batch_first, bidirectional, dropout in product((False, True), (False, True), (0.4, 1.0)):
        ours, theirs = KINDS[kind].pair(
            num_layers=3, dropout=dropout, batch_first=batch_first, bidirectional=bidirectional
        )
        leaf, x = inputs(ours, form)
        assert difference(ours, theirs, x, leaf, None) < 1e-12
        assert difference(ours.eval(), theirs.eval(), x, leaf, None) < 1e-12


def neg_view(t: Tensor) -> Tensor:
    """The same numbers, with their sign beside them."""
    return torch._neg_view(-t)  # pyright: ignore[reportPrivateImportUsage]


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("which", ["input", "state"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sign_that_is_kept_beside_the_numbers_counts(kind: str, which: str, grad: bool) -> None:
    """As torch keeps that of what is imaginary in a conjugate, with gaps, or, one number a row, without."""
    for layout in (lambda t: torch.complex(t, -t).conj().imag, neg_view):
        ours, _ = KINDS[kind].pair()
        x, state = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64), initial(ours, BATCH)
        with torch.set_grad_enabled(grad):
            expected = run(ours, x, state)
            if which == "input":
                found = run(ours, layout(x), state)
                assert layout(x).is_neg()
            else:
                found = run(ours, x, tuple(map(layout, state)))
        assert torch.equal(found[0], expected[0])
        assert all(map(torch.equal, found[1], expected[1]))
        if grad:
            outputs, (h, *_) = expected
            for t in (outputs, h):
                d, weights = torch.randn_like(t), list(ours.parameters())
                ways = (torch.autograd.grad(t, weights, g, retain_graph=True) for g in (d, neg_view(d)))
                assert all(map(torch.equal, *ways))


@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch_where_rows_are_summed_in_blocks(kind: str) -> None:
    """`DEPTH` of csrc/backpropagation_through_time.h is 384: more of them than that, and a last block."""
    torch.manual_seed(0)
    ours, theirs = KINDS[kind].pair(bidirectional=True)
    x = torch.randn(150, 6, INPUT, dtype=torch.float64, requires_grad=True)
    assert difference(ours, theirs, x, x, initial(ours, 6)) < 1e-11


@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch_in_float32(kind: str) -> None:
    torch.manual_seed(0)
    ours, theirs = KINDS[kind].pair(torch.float32, num_layers=2, bidirectional=True)
    for form in FORMS:
        leaf, x = inputs(ours, form, torch.float32)
        assert difference(ours, theirs, x, leaf, None) < 1e-5


def test_dropout_keeps_the_expected_value() -> None:
    """Zeroes the stated share of what lies between layers, and scales up the rest."""
    layer = nn.RNN(1, 2000, num_layers=2, dropout=0.3, nonlinearity="relu", bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1)
        layer.get_parameter("weight_hh_l0").zero_()
        layer.get_parameter("weight_ih_l1").copy_(torch.eye(2000))
        layer.get_parameter("weight_hh_l1").zero_()
        outputs, _ = layer(torch.ones(5, 1))
    kept = outputs > 0
    assert abs(kept.float().mean().item() - 0.7) < 0.02
    torch.testing.assert_close(outputs[kept], torch.full((int(kept.sum()),), 1 / 0.7))
    with torch.no_grad():
        assert torch.equal(layer.eval()(torch.ones(5, 1))[0], torch.ones(5, 2000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_state_dict_goes_both_ways(kind: str, bias: bool) -> None:
    chosen = {"num_layers": 2, "bidirectional": True, "bias": bias}
    ours, theirs = KINDS[kind].pair(**chosen)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours = KINDS[kind].ours(INPUT, HIDDEN, dtype=torch.float64, **KINDS[kind].arguments, **chosen)
    theirs.load_state_dict(ours.state_dict())
    assert all(torch.equal(theirs.state_dict()[name], weight) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_torchs_initial_weights(kind: str) -> None:
    layers = []
    for make in (KINDS[kind].ours, KINDS[kind].theirs):
        torch.manual_seed(3)
        layers.append(make(INPUT, HIDDEN, num_layers=2, bidirectional=True, **KINDS[kind].arguments))
    for (_, ours), (_, theirs) in zip(
        layers[0].named_parameters(), layers[1].named_parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(0, TIME), min_size=1, max_size=5),
    batch_first=st.booleans(),
    bidirectional=st.booleans(),
    seed=st.integers(0, 100),
)
def test_lengths_equal_each_sequence_alone(
    kind: str, lengths: list[int], batch_first: bool, bidirectional: bool, seed: int
) -> None:
    """Law 2: alone or in company, padded or not; any order of lengths, zeros allowed."""
    torch.manual_seed(seed)
    batch = len(lengths)
    layer, _ = KINDS[kind].pair(num_layers=2, batch_first=batch_first, bidirectional=bidirectional)
    x = torch.randn((batch, TIME, INPUT) if batch_first else (TIME, batch, INPUT), dtype=torch.float64)
    x.requires_grad_()
    hx = initial(layer, batch)
    result = run(layer, x, hx, lengths=lengths)
    outputs, final = result
    rows = outputs if batch_first else outputs.transpose(0, 1)  # [B, T, D*P]
    alone_outputs, alone_final = torch.zeros_like(rows), []
    for b, length in enumerate(lengths):
        sequence = x[b, :length] if batch_first else x[:length, b]
        alone, state = run(layer, sequence, tuple(s[:, b] for s in hx))
        alone_outputs[b, :length] = alone
        alone_final.append(state)
        assert torch.count_nonzero(rows[b, length:]) == 0
        if length == 0:
            assert all(torch.equal(s[:, b], s0[:, b]) for s, s0 in zip(final, hx, strict=True))
    expected = alone_outputs if batch_first else alone_outputs.transpose(0, 1)
    expected_final = tuple(torch.stack(s, 1) for s in zip(*alone_final, strict=True))
    leaves = [x, *hx, *layer.parameters()]
    pairs = zip(
        (outputs, *final, *gradients(result, leaves)),
        (expected, *expected_final, *gradients((expected, expected_final), leaves)),
        strict=True,
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_equal_a_packed_sequence_and_take_a_tensor(kind: str) -> None:
    layer, _ = KINDS[kind].pair(bidirectional=True)
    x, packed = inputs(layer, "packed, any order")
    outputs, final = run(layer, x, None, lengths=torch.tensor(LENGTHS))
    packed_outputs, packed_final = layer(packed)
    assert isinstance(packed_outputs, PackedSequence)
    for b, alone in enumerate(unpack_sequence(packed_outputs)):
        assert torch.equal(outputs[: len(alone), b], alone)
    packed_states = packed_final if isinstance(packed_final, tuple) else (packed_final,)
    assert all(map(torch.equal, final, packed_states))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(chunks=st.lists(st.integers(0, 3), min_size=1, max_size=5), seed=st.integers(0, 100))
def test_chunks_with_the_state_carried_equal_the_whole(kind: str, chunks: list[int], seed: int) -> None:
    """Law 2: all at once or step by step."""
    torch.manual_seed(seed)
    layer, _ = KINDS[kind].pair(num_layers=2)
    x = torch.randn(sum(chunks), BATCH, INPUT, dtype=torch.float64)
    hx = initial(layer, BATCH)
    outputs, final = run(layer, x, hx)
    parts, state = [], hx
    for chunk in x.split(chunks):
        part, state = run(layer, chunk, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts), outputs, rtol=0, atol=1e-12)
    for ours, theirs in zip(state, final, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_integers_equal_one_hot_vectors(kind: str, form: str) -> None:
    layer, _ = KINDS[kind].pair(bidirectional=True, batch_first=True)
    numbers = torch.randint(INPUT, (TIME,) if form == "unbatched" else (BATCH, TIME))
    vectors = torch.nn.functional.one_hot(numbers, INPUT).double()
    pair: list[Any] = [numbers, vectors]
    if form.startswith("packed"):
        in_order = form.endswith("sorted")
        lengths = torch.tensor(sorted(LENGTHS, reverse=True) if in_order else LENGTHS)
        pair = [pack_padded_sequence(x, lengths, True, enforce_sorted=in_order) for x in pair]
    found = []
    for x in pair:
        result = run(layer, x, None)
        found.append([result[0], *result[1], *gradients(result, list(layer.parameters()))])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_integers_may_be_of_any_width(dtype: torch.dtype) -> None:
    layer = nn.GRU(INPUT, HIDDEN)
    numbers = torch.randint(INPUT, (TIME, BATCH))
    assert torch.equal(layer(numbers.to(dtype))[0], layer(numbers)[0])
    assert torch.equal(layer(numbers.to(dtype), lengths=LENGTHS)[0], layer(numbers, lengths=LENGTHS)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("time", "batch"), [(0, 2), (3, 0), (0, 0)])
def test_no_steps_and_no_sequences(kind: str, time: int, batch: int) -> None:
    layer, _ = KINDS[kind].pair(num_layers=2, bidirectional=True)
    hx = initial(layer, batch)
    for more in ({}, {"lengths": [0] * batch}):
        outputs, final = run(layer, torch.zeros(time, batch, INPUT, dtype=torch.float64), hx, **more)
        assert outputs.shape == (time, batch, 2 * layer.output_size)
        assert all(map(torch.equal, final, hx))


def test_frozen_weights_and_inputs_get_no_gradient() -> None:
    layer = nn.LSTM(INPUT, HIDDEN)
    layer.weight_ih_l0.requires_grad_(False)
    x = torch.randn(TIME, INPUT)
    layer(x)[0].sum().backward()
    assert layer.weight_ih_l0.grad is None
    assert x.grad is None
    assert layer.get_parameter("weight_hh_l0").grad is not None


def test_a_second_derivative_is_a_clear_error() -> None:
    layer = nn.LSTM(INPUT, HIDDEN)
    x = torch.randn(TIME, INPUT, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0].pow(2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"differentiate twice .*once_differentiable"):
        gradient.sum().backward()


def test_hidden_state_of_a_single_state_cell_is_a_tensor_and_of_lstm_a_pair() -> None:
    x = torch.zeros(TIME, BATCH, INPUT)
    assert isinstance(nn.GRU(INPUT, HIDDEN)(x)[1], Tensor)
    assert isinstance(nn.LSTM(INPUT, HIDDEN)(x)[1], tuple)


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (nn.RNN(3, 5), "RNN(3, 5)"),
        (nn.RNN(3, 5, nonlinearity="relu"), "RNN(3, 5, nonlinearity='relu')"),
        (nn.GRU(3, 5, bias=False, batch_first=True), "GRU(3, 5, bias=False, batch_first=True)"),
        (
            nn.LSTM(3, 5, num_layers=2, dropout=0.5, bidirectional=True, proj_size=2),
            "LSTM(3, 5, num_layers=2, dropout=0.5, bidirectional=True, proj_size=2)",
        ),
    ],
)
def test_printed_layer_makes_the_layer(layer: Recurrent, shown: str) -> None:
    assert repr(layer) == shown
    assert repr(eval(shown, {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN})) == shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_deep_copy_computes_the_same_and_shares_nothing(kind: str) -> None:
    layer, _ = KINDS[kind].pair(num_layers=2)
    x = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64)
    before = run(layer, x, None)[0]
    copied = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    assert torch.equal(run(copied, x, None)[0], before)


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_is_saved_without_pickle(kind: str, tmp_path: Path) -> None:
    layer, _ = KINDS[kind].pair(num_layers=2, bidirectional=True)
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    loaded, _ = KINDS[kind].pair(num_layers=2, bidirectional=True)
    loaded.load_state_dict(load_file(tmp_path / "layer.safetensors"))
    x = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64)
    assert torch.equal(run(loaded, x, None)[0], run(layer, x, None)[0])


def test_layers_has_every_cell() -> None:
    assert set(LAYERS) == set(cells.CELLS)
    for name, kind in cells.CELLS.items():
        assert type(LAYERS[name](2, 3).cell) is kind


LONG = torch.zeros(TIME, BATCH, INPUT)
STATE = torch.zeros(1, BATCH, HIDDEN)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.GRU(0, 4), ValueError, "input_size must be at least 1, got 0"),
        (lambda: nn.GRU(3, -1), ValueError, "hidden_size must be at least 1, got -1"),
        (lambda: nn.GRU(3, 4, 0), ValueError, "num_layers must be at least 1, got 0"),
        (lambda: nn.GRU(3, 4.0), TypeError, "hidden_size must be an int, got float"),  # type: ignore[arg-type]
        (lambda: nn.GRU(3, 4, bias=1), TypeError, "bias must be a bool, got int"),  # type: ignore[arg-type]
        (lambda: nn.GRU(3, 4, batch_first=None), TypeError, "batch_first must be a bool, got NoneType"),  # type: ignore[arg-type]
        (lambda: nn.GRU(3, 4, bidirectional="no"), TypeError, "bidirectional must be a bool, got str"),  # type: ignore[arg-type]
        (lambda: nn.GRU(3, 4, 2, dropout=1.5), ValueError, "dropout must be a number from 0 to 1, got 1.5"),
        (lambda: nn.GRU(3, 4, 2, dropout=True), ValueError, "dropout must be a number from 0 to 1, got True"),
        (lambda: nn.GRU(3, 4, 2, dropout="a"), ValueError, "dropout must be a number from 0 to 1, got 'a'"),  # type: ignore[arg-type]
        (
            lambda: nn.LSTM(3, 4, proj_size=4),
            ValueError,
            "proj_size must be from 0 to hidden_size - 1 = 3, got 4",
        ),
        (
            lambda: nn.RNN(3, 4, nonlinearity="sin"),  # type: ignore[arg-type]
            ValueError,
            "nonlinearity must be 'tanh' or 'relu', got 'sin'",
        ),
    ],
)
def test_wording_of_the_constructors_errors(
    make: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        make()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        (nn.GRU, (LONG.double(),), "input must be torch.float32 as the weights are, got torch.float64"),
        (nn.GRU, (LONG[..., :2],), "input must be [..., I]=[..., 3], got [5, 3, 2]"),
        (nn.GRU, (LONG[0, 0],), "input must be [..., I]=[..., 3], got [3]"),
        (nn.GRU, (LONG[None],), "input must be [T, B, I] or [T, I], got [1, 5, 3, 3]"),
        (nn.GRU, (LONG.long(),), "input must be [T, B] or [T], got [5, 3, 3]"),
        (nn.GRU, (LONG[..., 0] > 1,), "input must be real numbers, or integers for one-hot, got torch.bool"),
        (nn.GRU, (torch.tensor([1, 3]),), "one-hot input must be from 0 to I-1=2, got 1 to 3"),
        (nn.GRU, (torch.tensor([-1, 0]),), "one-hot input must be from 0 to I-1=2, got -1 to 0"),
        (nn.GRU, (LONG, STATE[:, :2]), "h of hx must be [1, 3, 4], got [1, 2, 4]"),
        (nn.GRU, (LONG[:, 0], STATE), "h of hx must be [1, 4], got [1, 3, 4]"),
        (
            nn.GRU,
            (LONG, STATE.double()),
            "h of hx must be torch.float32 as the weights are, got torch.float64",
        ),
        (nn.GRU, (LONG, (STATE, STATE)), "hx must be a tensor, got a tuple of 2"),
        (nn.GRU, (LONG, (STATE,)), "hx must be a tensor, got a tuple of 1"),
        (nn.LSTM, (LONG, STATE), "hx must be a tuple (h, c), got a tensor"),
        (nn.LSTM, (LONG, (STATE,)), "hx must be a tuple (h, c), got a tuple of 1"),
        (nn.LSTM, (LONG, (STATE, STATE[..., :2])), "c of hx must be [1, 3, 4], got [1, 3, 2]"),
        (
            nn.GRU,
            (PackedSequence(LONG, torch.tensor([3, 2])),),
            "data of a PackedSequence must be [N, I], got [5, 3, 3]",
        ),
        (
            nn.GRU,
            (PackedSequence(LONG[:, :1, 0].long(), torch.tensor([3, 2])),),
            "data of a PackedSequence must be [N], got [5, 1]",
        ),
    ],
)
def test_wording_of_errors_in_input_and_state(layer: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        layer(INPUT, HIDDEN)(*arguments)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2], "lengths must be [B]=3 long, got [2]"),
        ([[1, 2, 3]], "lengths must be [B]=3 long, got [1, 3]"),
        ([1, 2, 6], "lengths must be from 0 to T=5, got 1 to 6"),
        ([-1, 2, 5], "lengths must be from 0 to T=5, got -1 to 5"),
        ([1.0, 2.0, 3.0], "lengths must be integers, got torch.float32"),
        ([True, True, False], "lengths must be integers, got torch.bool"),
    ],
)
def test_wording_of_errors_in_lengths(lengths: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        nn.GRU(INPUT, HIDDEN)(LONG, lengths=lengths)
    assert str(raised.value) == message


def test_lengths_beside_a_packed_sequence_are_an_error() -> None:
    packed = PackedSequence(LONG[:, 0], torch.tensor([3, 2]))
    with pytest.raises(
        ValueError, match=r"^lengths must be absent for a PackedSequence, which knows its own$"
    ):
        nn.GRU(INPUT, HIDDEN)(packed, lengths=[2, 2, 1])


def test_dropout_with_one_layer_warns() -> None:
    with pytest.warns(
        UserWarning, match=r"^dropout=0.5 acts between layers, and there is one layer$"
    ) as caught:
        nn.GRU(3, 4, dropout=0.5)
    assert caught[0].filename == __file__
