"""The quick call: what `forward` answers, to the bit, or nothing."""

import copy
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman import nn
from elman.nn import cells
from elman.nn.fused import UNPACKED
from elman.nn.kernels import BAD_BATCH, find, ready_back, ready_call
from elman.nn.layers import Recurrent
from elman.nn.quick import quick_call

pytestmark = [
    pytest.mark.skipif(ready_call is None, reason="built without Python's headers"),
    pytest.mark.skipif(find(cells.LSTM(), torch.float32) is None, reason="there are no kernels here"),
]
KINDS: dict[str, Callable[..., Recurrent]] = {
    "rnn": nn.RNN,
    "rnn relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}
INPUT, HIDDEN = 5, 17
each_kind = pytest.mark.parametrize("kind", KINDS)


def plain(layer: Recurrent, x: Any, state: Any = None) -> tuple[Any, Any]:
    """What `forward` answers without the quick call."""
    slow = copy.deepcopy(layer)
    slow._quick = lambda _x, _state: None
    with torch.no_grad():
        return slow(x, state)


def tensors(answer: Any) -> list[Tensor]:
    if isinstance(answer, PackedSequence):
        return [t for t in answer if t is not None]
    return [answer] if isinstance(answer, Tensor) else [t for part in answer for t in tensors(part)]


def state_of(layer: Recurrent, batch: int, dtype: torch.dtype = torch.float32) -> Any:
    rows = layer.num_layers * layer.num_directions
    state = tuple(torch.randn(rows, batch, layer.hidden_size, dtype=dtype) for _ in layer.cell.states)
    return state if len(layer.cell.states) > 1 else state[0]  # pyright: ignore[reportGeneralTypeIssues]


@each_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("form", ["padded", "batch first", "packed, sorted", "packed, any order"])
@pytest.mark.parametrize(
    ("time", "batch"), [(1, 1), (1, UNPACKED), (1, UNPACKED + 1), (6, 3), (0, 2), (4, 0)]
)
def test_it_answers_as_forward(kind: str, dtype: torch.dtype, form: str, time: int, batch: int) -> None:
    torch.manual_seed(0)
    for layers, both, bias, with_state in product((1, 2, 3), (False, True), (False, True), (False, True)):
        options: dict[str, Any] = {"num_layers": layers, "bidirectional": both, "bias": bias}
        layer = KINDS[kind](INPUT, HIDDEN, batch_first=form == "batch first", dtype=dtype, **options)
        x: Any = torch.randn(time, batch, INPUT, dtype=dtype)
        if form == "batch first":
            x = x.transpose(0, 1).contiguous()
        if form.startswith("packed"):
            if not (time and batch):
                return
            lengths = torch.randint(1, time + 1, (batch,))
            in_order = form.endswith("sorted")
            lengths = lengths.sort(descending=True).values if in_order else lengths
            x = pack_padded_sequence(x, lengths, enforce_sorted=in_order)
        state = state_of(layer, batch, dtype) if with_state else None
        given = [s.clone() for s in tensors(state)] if with_state else []
        expected = plain(layer, x, state)
        for wants_gradient in (False, True):
            with torch.set_grad_enabled(wants_gradient):
                found = quick_call(layer)(x, state)
            if form.endswith("any order") and with_state:
                assert found is None
                continue
            assert found is not None
            assert type(found[0]) is type(expected[0])
            assert all(map(torch.equal, tensors(found), tensors(expected)))
            assert [t.shape for t in tensors(found)] == [t.shape for t in tensors(expected)]
            assert all(map(torch.equal, given, tensors(state) if with_state else []))
        with torch.no_grad():
            assert all(map(torch.equal, tensors(layer(x, state)), tensors(expected)))


@each_kind
def test_what_is_not_as_usual_is_left_to_forward(kind: str) -> None:
    layer = KINDS[kind](INPUT, HIDDEN)
    quick, x, state = quick_call(layer), torch.randn(4, 2, INPUT), state_of(layer, 2)
    h = tensors(state)[0]
    wide = torch.randn(4, 2, INPUT + 1)
    unusual: list[tuple[Any, Any]] = [
        (x[:, 0], None),  # one sequence
        (torch.zeros(4, 2, dtype=torch.long), None),  # one-hot
        (torch.zeros(4, 2, INPUT, dtype=torch.long), None),
        (x.double(), None),
        (wide, None),
        (x.to("meta"), None),
        (x.as_subclass(type("Other", (Tensor,), {})), None),
        (x, h[:, :1] if len(tensors(state)) == 1 else (h[:, :1],) * 2),
        (x, h.double() if len(tensors(state)) == 1 else (h, h.double())),
        (x, h.transpose(0, 1) if len(tensors(state)) == 1 else (h, h.transpose(0, 1))),
        (x, [h, h]),
        (x, (h,)),
        (x, (h, h, h)),
        (x, (h, h) if len(tensors(state)) == 1 else h),
        (x, (h, None)),
        (PackedSequence(x[0], torch.tensor([], dtype=torch.long)), None),
        (PackedSequence(x[0], torch.tensor([2], dtype=torch.int32)), None),
        (PackedSequence(wide[0], torch.tensor([2])), None),
        (PackedSequence(x, torch.tensor([2, 2])), None),
    ]
    for wants_gradient in (False, True):
        with torch.set_grad_enabled(wants_gradient):
            assert quick(x, state) is not None
            for number, (given, of) in enumerate(unusual):
                assert quick(given, of) is None, number


@each_kind
def test_batch_sizes_that_lead_astray_are_refused(kind: str) -> None:
    layer = KINDS[kind](INPUT, HIDDEN)
    for sizes, wants_gradient in product(([1, 2], [3, 3], [1], [2, -1, 3]), (False, True)):
        with (
            torch.set_grad_enabled(wants_gradient),
            pytest.raises(ValueError, match="batch_sizes must never grow"),
        ):
            layer(PackedSequence(torch.randn(4, INPUT), torch.tensor(sizes)))
    assert BAD_BATCH.startswith("batch_sizes must never grow")


@each_kind
def test_other_weights_are_seen(kind: str) -> None:
    """Nothing of them is kept: not even what `.data` hides."""
    layer, x = KINDS[kind](INPUT, HIDDEN, num_layers=2), torch.randn(3, 2, INPUT)

    def check(used: bool = True) -> None:
        with torch.no_grad():
            found = layer(x)
        assert (layer._quick is not None and layer._quick(x, None) is not None) is used
        assert all(map(torch.equal, tensors(found), tensors(plain(layer, x))))

    check()
    next(layer.parameters()).data.mul_(2)
    check()
    layer.bias_ih_l0 = torch.nn.Parameter(torch.randn_like(layer.bias_ih_l0))  # type: ignore[arg-type]
    check()
    layer.weight_ih_l0 = torch.nn.Parameter(torch.randn(INPUT, layer.weight_ih_l0.shape[0]).t())
    check(used=False)  # not contiguous
    layer.weight_ih_l0 = torch.nn.Parameter(torch.randn(4, INPUT))
    with torch.no_grad(), pytest.raises(ValueError, match="weight"):
        layer(x)


def test_of_other_kinds() -> None:
    x = torch.randn(3, 2, INPUT)
    layer = nn.LSTM(INPUT, HIDDEN)
    with torch.no_grad():
        expected = layer(x)
        assert torch.equal(layer.double()(x.double())[0], plain(layer, x.double())[0])
        assert layer._quick is not None
        assert layer._quick(x.double(), None) is not None
        assert torch.equal(copy.deepcopy(layer.float())(x)[0], expected[0])
        parametrize.register_parametrization(layer, "weight_hh_l0", torch.nn.Tanh())
        assert torch.equal(layer(x)[0], plain(layer, x)[0])
        assert layer._quick is not None
        assert layer._quick(x, None) is None
    projected = nn.LSTM(INPUT, HIDDEN, proj_size=3)
    assert quick_call(projected)(x, None) is None
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        projected(x)
    assert pickle.dumps(projected)
    assert quick_call(nn.LSTM(INPUT, HIDDEN).half())(x.half(), None) is None


def test_a_gradient_is_not_lost() -> None:
    layer, x = nn.GRU(INPUT, HIDDEN), torch.randn(3, 2, INPUT)
    with torch.no_grad():
        layer(x)
    layer(x)[0].sum().backward()
    assert all(weight.grad is not None for weight in layer.parameters())
    dropped = nn.GRU(INPUT, HIDDEN, num_layers=2, dropout=0.9)
    with torch.no_grad():
        assert not torch.equal(dropped(x)[0], dropped(x)[0])
        assert torch.equal(dropped.eval()(x)[0], dropped(x)[0])


def test_large_room_and_many_threads_of_pythons() -> None:
    torch.manual_seed(0)
    layers = [nn.LSTM(1024, 1024), nn.LSTM(INPUT, HIDDEN, num_layers=3), nn.GRU(40, 64, bidirectional=True)]
    inputs = [torch.randn(2, 3, layer.input_size) for layer in layers]
    expected = [tensors(plain(layer, x)) for layer, x in zip(layers, inputs, strict=True)]

    @torch.no_grad()
    def answer(i: int) -> list[Tensor]:
        return tensors(layers[i](inputs[i]))

    with ThreadPoolExecutor(3) as threads:
        for numbers in ([0, 1, 2], [2, 1, 1], [1, 2, 0]) * 4:
            for i, found in zip(numbers, threads.map(answer, numbers), strict=True):
                assert all(map(torch.equal, found, expected[i]))


def test_the_number_of_arguments() -> None:
    with pytest.raises(TypeError, match="call takes 9 arguments, got 1"):
        ready_call(b"")
    with pytest.raises(TypeError, match="back takes 13 arguments, got 1"):
        ready_back(b"")
