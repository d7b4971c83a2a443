"""The quick call of layers that are asked for a gradient: that of `forward`'s own way, to the bit."""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import test_quick
import torch
from test_quick import HIDDEN, INPUT, KINDS, each_kind
from torch import Tensor
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.utils.checkpoint import checkpoint

from elman import nn
from elman.nn import quick
from elman.nn.fused import UNPACKED
from elman.nn.layers import Recurrent

pytestmark = test_quick.pytestmark
Loss = Callable[[Tensor, list[Tensor]], Tensor]


def all_of_it(y: Tensor, final: list[Tensor]) -> Tensor:
    """A number into which everything goes, each entry with a weight of its own."""
    parts = [t.flatten() for t in (y, *final)]
    return sum((p @ torch.linspace(-1, 2, len(p), dtype=p.dtype) for p in parts), y.new_zeros(()))


LOSSES: dict[str, Loss] = {
    "all": all_of_it,
    "outputs": lambda y, _final: all_of_it(y, []),
    "final states": lambda y, final: all_of_it(y[:0], final),
    "the last of the final states": lambda y, final: all_of_it(y[:0], final[-1:]),
}


def leaves_of(layer: Recurrent, time: int, batch: int, with_state: bool = True) -> tuple[Tensor, Any]:
    """An input and a state that want gradients."""
    like: dict[str, Any] = {"dtype": layer.weight_ih_l0.dtype, "requires_grad": True}
    rows = layer.num_layers * layer.num_directions
    state = [torch.randn(rows, batch, layer.hidden_size, **like) for _ in layer.cell.states]
    x = torch.randn(time, batch, layer.input_size, **like)
    return x, as_given(state) if with_state else None


def negative(t: Tensor) -> Tensor:
    """The same numbers, whose sign torch keeps beside them."""
    return torch._neg_view(-t)  # pyright: ignore[reportPrivateImportUsage]


def as_given(state: Sequence[Tensor]) -> Any:
    return tuple(state) if len(state) > 1 else state[0]


def listed(state: Any) -> list[Tensor]:
    return [] if state is None else [state] if isinstance(state, Tensor) else [*state]


def gradients(
    layer: Recurrent,
    x: Tensor,
    state: Any,
    loss: Loss = all_of_it,
    arrange: Callable[[Tensor], Any] = lambda x: x,
) -> list[Tensor | None]:
    """The loss, and the gradients of every leaf that wants one."""
    y, final = layer(arrange(x), state)
    found = loss(y.data if isinstance(y, PackedSequence) else y, listed(final))
    leaves = [t for t in (x, *listed(state), *layer.parameters()) if t.requires_grad]
    return [found, *torch.autograd.grad(found, leaves, allow_unused=True)]


def slow(layer: Recurrent) -> Recurrent:
    """The same, but for the quick call."""
    copied = copy.deepcopy(layer)
    copied._quick = lambda _x, _state: None
    return copied


def assert_same(found: list[Tensor | None], expected: list[Tensor | None]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert torch.equal(ours, theirs)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the layers that went the quick way back."""
    seen: list[int] = []
    ready_back = quick.ready_back

    def count(*arguments: Any) -> Any:
        seen.append(1)
        return ready_back(*arguments)

    monkeypatch.setattr(quick, "ready_back", count)
    return seen


@each_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("time", "batch"), [(1, 1), (1, UNPACKED + 1), (6, 3), (0, 2), (4, 0), (40, 9)])
def test_gradients_are_those_of_forwards_own_way(
    kind: str, dtype: torch.dtype, time: int, batch: int, trained: list[int]
) -> None:
    torch.manual_seed(0)
    for layers, both, bias, with_state in product((1, 3), (False, True), (False, True), (False, True)):
        options: dict[str, Any] = {"num_layers": layers, "bidirectional": both, "bias": bias}
        layer = KINDS[kind](INPUT, HIDDEN, dtype=dtype, **options)
        x, state = leaves_of(layer, time, batch, with_state)
        for loss in LOSSES.values():
            expected = gradients(slow(layer), x, state, loss)
            assert not trained
            assert_same(gradients(layer, x, state, loss), expected)
            assert len(trained) in (1, layers)  # the last of the final states needs no layer above
            trained.clear()


@each_kind
@pytest.mark.parametrize("form", ["batch first", "packed, sorted", "packed, any order"])
def test_of_every_form(kind: str, form: str, trained: list[int]) -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([2, 6, 4, 1] if form.endswith("any order") else [6, 4, 2, 1])

    def arrange(x: Tensor) -> Any:
        if form == "batch first":
            return x.transpose(0, 1)
        return pack_padded_sequence(x, lengths, enforce_sorted=form.endswith("sorted"))

    for layers, both in product((1, 2), (False, True)):
        layer = KINDS[kind](
            INPUT, HIDDEN, num_layers=layers, bidirectional=both, batch_first=form == "batch first"
        )
        x, state = leaves_of(layer, 6, 4, with_state=not form.endswith("any order"))
        assert_same(
            gradients(layer, x, state, arrange=arrange), gradients(slow(layer), x, state, arrange=arrange)
        )
        assert len(trained) == layers
        trained.clear()


@each_kind
def test_gradients_are_the_central_differences(kind: str, trained: list[int]) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind](2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    x, state = leaves_of(layer, 3, 2)

    def answer(x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        count = len(listed(state))
        given = as_given(tensors[:count])
        named = dict(zip(dict(layer.named_parameters()), tensors[count:], strict=True))
        for name, weight in named.items():
            layer._parameters[name] = weight  # pyright: ignore[reportArgumentType]
        y, final = layer(x, given)
        return y, *listed(final)

    assert gradcheck(answer, (x, *listed(state), *layer.parameters()))
    assert trained


@each_kind
def test_what_wants_no_gradient_gets_none(kind: str, trained: list[int]) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind](INPUT, HIDDEN, num_layers=2)
    x, state = leaves_of(layer, 4, 2)
    leaves = [x, *listed(state), *layer.parameters()]
    wanted = gradients(slow(layer), x, state)[1:]
    for kept in range(len(leaves)):
        for i, leaf in enumerate(leaves):
            leaf.requires_grad_(i == kept)
        _, found = gradients(layer, x, state)
        assert found is not None
        assert_same([found], [wanted[kept]])
        for leaf in leaves:
            leaf.requires_grad_()
        leaves[kept].requires_grad_(False)
        assert_same(gradients(layer, x, state)[1:], wanted[:kept] + wanted[kept + 1 :])
        leaves[kept].requires_grad_()
    assert trained
    trained.clear()
    y, final = slow(layer)(x, state)
    for leaf in leaves:
        leaf.requires_grad_(False)
    answer = layer(x, state)
    assert not answer[0].requires_grad
    assert_same([answer[0], *listed(answer[1])], [y, *listed(final)])


@each_kind
def test_a_gradient_may_come_with_a_sign_or_with_gaps(kind: str, trained: list[int]) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind](INPUT, HIDDEN)
    x, state = leaves_of(layer, 4, 2)
    dy = torch.randn(4, 2, HIDDEN)
    strange: list[tuple[Tensor, Tensor]] = [
        (negative(dy), dy),
        (dy.transpose(0, 1).contiguous().transpose(0, 1), dy),
        (dy[:1, :1, :1].expand(4, 2, HIDDEN), dy[:1, :1, :1].repeat(4, 2, HIDDEN)),
    ]
    for given, plain in strange:
        found, expected = (
            torch.autograd.grad(layer(x, state)[0], [x, *layer.parameters()], gradient)
            for gradient in (given, plain)
        )
        assert all(map(torch.equal, found, expected))
    assert len(trained) == 2 * len(strange)
    found, expected = layer(negative(x.detach()), state)[0], slow(layer)(x.detach(), state)[0]
    assert torch.equal(found, expected)


@each_kind
def test_what_is_written_to_before_the_way_back(kind: str) -> None:
    layer = KINDS[kind](INPUT, HIDDEN)
    x, state = leaves_of(layer, 4, 2)
    state = [s.detach() for s in listed(state)]
    given = as_given(state)
    expected = gradients(layer, x, given)
    y, final = layer(x, given)
    for s in state:
        s.zero_()  # a copy is kept
    found = all_of_it(y, listed(final))
    assert_same([found, *torch.autograd.grad(found, [x, *layer.parameters()])], expected)
    for which in range(3):
        y, final = layer(x, given)
        with torch.no_grad():
            [x, next(layer.parameters()), y][which].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            all_of_it(y, listed(final)).backward()


@each_kind
def test_the_way_back_is_gone_twice_if_kept_and_is_not_differentiated(kind: str) -> None:
    layer = KINDS[kind](INPUT, HIDDEN)
    x, state = leaves_of(layer, 4, 2)
    loss = layer(x, state)[0].square().sum()
    first, second = (torch.autograd.grad(loss, [*layer.parameters()], retain_graph=True) for _ in "12")
    assert all(map(torch.equal, first, second))
    (dx,) = torch.autograd.grad(loss, [x], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


@each_kind
def test_of_saved_tensors_hooks_and_checkpoints(kind: str, trained: list[int]) -> None:
    layer = KINDS[kind](INPUT, HIDDEN, num_layers=2)
    x, state = leaves_of(layer, 4, 2)
    expected = gradients(slow(layer), x, state)
    with saved_tensors_hooks(lambda t: t.detach().numpy().copy(), torch.from_numpy):
        assert_same(gradients(layer, x, state), expected)
    again: Any = lambda *given: checkpoint(layer, *given, use_reentrant=False)  # noqa: E731
    y, final = again(x, state)
    loss = all_of_it(y, listed(final))
    assert_same(
        [loss, *torch.autograd.grad(loss, [x, *listed(state), *layer.parameters()])],
        expected,
    )
    assert len(trained) == 4
    with saved_tensors_hooks(lambda t: t.detach(), lambda t: t.double()):
        loss = all_of_it(layer(x, state)[0], [])
    with pytest.raises(TypeError, match="must come in ordinary tensors on the CPU"):
        loss.backward()


@each_kind
def test_spans_and_dropout_go_by_forward(kind: str, trained: list[int]) -> None:
    torch.manual_seed(0)
    plain = KINDS[kind](INPUT, HIDDEN, num_layers=2)
    x, state = leaves_of(plain, 6, 2)
    expected = gradients(plain, x, state)
    assert trained
    trained.clear()
    plain.checkpoint_every = 2
    kept = gradients(plain, x, state)
    assert all(
        torch.allclose(a, b, atol=1e-5)
        for a, b in zip(kept, expected, strict=True)
        if a is not None and b is not None
    )
    plain.checkpoint_every, plain.detach_every = None, 2
    cut = gradients(plain, x, state, LOSSES["final states"])
    assert cut[1] is not None
    assert not cut[1][:4].any()
    plain.detach_every, plain.dropout = None, 0.9
    assert not torch.equal(plain(x, state)[0], plain(x, state)[0])
    gradients(plain, x, state)
    assert not trained
    plain.eval()
    assert_same(gradients(plain, x, state), expected)
    assert trained


@pytest.mark.filterwarnings("ignore")  # of the compiler's
def test_torchs_compiler_goes_by_forward(trained: list[int]) -> None:
    layer = nn.LSTM(INPUT, HIDDEN, num_layers=2)
    x, state = leaves_of(layer, 4, 2)
    expected = gradients(layer, x, state)
    assert trained
    trained.clear()
    layer._quick = None  # to be made again would lead the compiler through what it cannot follow
    compiled: Any = torch.compile(layer, backend="eager")
    for _ in range(2):
        y, final = compiled(x, state)
        loss = all_of_it(y, listed(final))
        leaves = [x, *listed(state), *layer.parameters()]
        assert_same([loss, *torch.autograd.grad(loss, leaves)], expected)
        with torch.no_grad():
            assert torch.equal(compiled(x, state)[0], y)
    assert not trained


def test_many_threads_of_pythons_and_large_room() -> None:
    torch.manual_seed(0)
    layers = [nn.LSTM(1024, 1024), nn.LSTM(INPUT, HIDDEN, num_layers=3), nn.GRU(40, 64, bidirectional=True)]
    cases = [leaves_of(layer, 2, 3) for layer in layers]
    expected = [gradients(slow(layer), *case) for layer, case in zip(layers, cases, strict=True)]
    with ThreadPoolExecutor(3) as threads:
        for numbers in ([0, 1, 2], [2, 1, 1], [1, 2, 0]) * 2:
            for i, found in zip(
                numbers, threads.map(lambda i: gradients(layers[i], *cases[i]), numbers), strict=True
            ):
                assert_same(found, expected[i])
