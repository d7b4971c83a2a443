"""`step`: a stream of single steps sees what `forward` over a whole sequence sees, whatever went before.

That both give the same bits is shown in test_same_bits.py.
"""

import copy
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from elman import nn
from elman.nn import kernels, streaming
from elman.nn.kernels import Kernels
from elman.nn.layers import LAYERS, Recurrent

INPUT, HIDDEN, TIME, BATCH = 3, 4, 6, 2
each_kind = pytest.mark.parametrize("kind", LAYERS)


@pytest.fixture(autouse=True, params=["ready step", "ctypes"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways into a step: that of csrc/ready_step.h, and the one that is always there."""
    if request.param == "ctypes":
        monkeypatch.setattr(streaming, "ready_step", None)
    elif streaming.ready_step is None:
        pytest.skip("built without Python's headers")
    return request.param


def layer(kind: str = "gru", **options: Any) -> Recurrent:
    torch.manual_seed(1)
    return LAYERS[kind](INPUT, HIDDEN, **{"num_layers": 2, **options})


def sequence(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(TIME, BATCH, INPUT, generator=torch.Generator().manual_seed(2), dtype=dtype)


@torch.no_grad()
def stream(model: Recurrent, xs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    ys = []
    for x in xs:
        y, state = model.step(x, state)
        ys.append(y)
    return torch.stack(ys), state


@torch.no_grad()
def assert_streams(model: Recurrent, xs: Tensor) -> None:
    """The state goes on from step to step, so a stream that did not see a change would show it."""
    ys, state = stream(model, xs)
    outputs, final = model(xs)
    assert torch.equal(ys, outputs)
    assert all(map(torch.equal, state, final))


def optimize(model: Recurrent) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(sequence())[0].sum().backward()
    optimizer.step()


def replace(model: Recurrent) -> None:
    model.weight_hh_l1 = torch.nn.Parameter(model.get_parameter("weight_hh_l1") * -2)


def put_back(model: Recurrent) -> None:
    """Another weight and the old one again: the stream has packed neither for good."""
    kept = model.weight_hh_l1
    replace(model)
    assert_streams(model, sequence())
    model.weight_hh_l1 = kept


@torch.no_grad()
def write(model: Recurrent) -> None:
    model.get_parameter("bias_hh_l0").add_(1)


@torch.no_grad()
def write_one(model: Recurrent) -> None:
    model.weight_ih_l0[0, 0] = 9


CHANGES: dict[str, Callable[[Recurrent], object]] = {
    "an optimizer's step": optimize,
    "load_state_dict": lambda model: model.load_state_dict(
        layer().reset_parameters() or layer().state_dict()
    ),
    "load_state_dict of others": lambda model: model.load_state_dict(
        {name: w * 2 for name, w in layer().state_dict().items()}
    ),
    "reset_parameters": Recurrent.reset_parameters,
    "a weight replaced": replace,
    "a weight put back": put_back,
    "a weight written": write,
    "a number written": write_one,
    "no change": lambda _: None,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_weights_are_seen_in_the_midst_of_a_stream(change: Callable[[Recurrent], object]) -> None:
    model = layer()
    _, state = stream(model, sequence())
    change(model)
    with torch.no_grad():
        y, _ = model.step(sequence()[0], state)
        assert torch.equal(y, model(sequence()[:1], state)[0][0])
    assert_streams(model, sequence())


@each_kind
def test_another_type_is_seen(kind: str) -> None:
    model = layer(kind)
    assert_streams(model, sequence())
    assert_streams(model.double(), sequence(torch.float64))
    assert_streams(model.float(), sequence())


@each_kind
def test_a_copy_and_a_saved_layer_go_on_alone(kind: str) -> None:
    model = layer(kind)
    before, _ = stream(model, sequence())
    saved = io.BytesIO()
    torch.save(model, saved)
    copied = copy.deepcopy(model)
    fresh = io.BytesIO()
    torch.save(layer(kind), fresh)
    assert len(saved.getvalue()) == len(fresh.getvalue())  # what is packed is not in the file
    saved.seek(0)
    loaded = torch.load(saved, weights_only=False)
    optimize(model)
    for other in (copied, loaded):
        assert torch.equal(stream(other, sequence())[0], before)
    assert not torch.equal(stream(model, sequence())[0], before)


@each_kind
def test_what_was_returned_does_not_change(kind: str) -> None:
    model, xs = layer(kind), sequence().repeat(40, 1, 1)  # longer than the room made at once
    kept, state = [], None
    with torch.no_grad():
        for x in xs:
            y, state = model.step(x, state)
            tensors = (y, *state) if isinstance(state, tuple) else (y, state)
            kept.append([(t, t.clone()) for t in tensors])
        again = model.step(xs[0], None)[0]
    assert all(torch.equal(now, then) for step in kept for now, then in step)
    assert torch.equal(again, kept[0][0][0])


HOLDS: dict[str, Callable[[Tensor], Any]] = {
    "itself": lambda y: y,
    "a view": lambda y: y[:, 1:],
    "detached": Tensor.detach,
    "numpy": lambda y: y.numpy(),
    "numpy of a view": lambda y: y.t().numpy(),
}


@torch.no_grad()
@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
@pytest.mark.parametrize("kept", [3, 63, 64, 100])
def test_room_is_used_again_only_if_nothing_of_it_is_left(hold: Callable[[Tensor], Any], kept: int) -> None:
    model, xs = layer("lstm"), sequence().repeat(70, 1, 1)
    expected, _ = model(xs)
    places: set[int] = set()
    state: Any = None
    held: Any = None
    then: Any = None
    for t, x in enumerate(xs):
        y, state = model.step(x, state)
        assert torch.equal(y, expected[t])
        places.add(y.data_ptr())
        if t == kept:
            held, then = hold(y), hold(y.clone())
    assert len(places) <= 3 * 64  # of 420 steps
    assert bool((held == then).all())


@torch.no_grad()
@each_kind
def test_a_room_that_is_used_again_knows_nothing_of_states_that_were_given(kind: str) -> None:
    model, xs = layer(kind), sequence().repeat(50, 1, 1)  # a room has 64 steps
    expected, _ = model(xs)
    state: Any = None
    for t, x in enumerate(xs):
        if t in (7, 70):
            state = tuple(s.clone() for s in state) if isinstance(state, tuple) else state.clone()
        y, state = model.step(x, state)
        assert torch.equal(y, expected[t])


@torch.no_grad()
def test_an_input_of_another_type_is_seen() -> None:
    model = layer().double()
    _, state = stream(model, sequence(torch.float64))
    with pytest.raises(ValueError, match=r"must be torch\.float64"):
        model.step(sequence()[0], state)


@torch.no_grad()
def test_results_that_are_kept_have_room_of_their_own() -> None:
    model, xs = layer("lstm"), sequence().repeat(70, 1, 1)
    results, state = [], None
    for x in xs:
        y, state = model.step(x, state)
        results.append((y, *state))
    assert len({y.data_ptr() for y, *_ in results}) == len(xs)


@torch.no_grad()
@each_kind
def test_results_are_tensors_like_any_other(kind: str) -> None:
    model, xs = layer(kind), sequence()
    y, state = model.step(xs[0])
    before = y
    for x in xs[1:]:
        before, states = y, state if isinstance(state, tuple) else (state,)
        y, state = model.step(x, state)
        for t in (before, *states):
            assert t.is_contiguous()
            assert not t._is_view()
            assert not t.requires_grad
            t.requires_grad_()
            t.detach().add_(1)
        assert y._version == 0
    leaf = y.requires_grad_()
    with torch.enable_grad():
        loss = leaf.square().sum()
    before.detach().zero_()  # another result, which autograd must not take for this one
    loss.backward()
    assert torch.equal(leaf.grad, 2 * leaf)  # type: ignore[arg-type]


@torch.no_grad()
@each_kind
@pytest.mark.parametrize("moved", ["y", "state"])
def test_results_may_move_to_shared_memory(kind: str, moved: str) -> None:
    """As a queue of torch.multiprocessing does: the storage, which others share, gets another place."""
    model, xs = layer(kind), sequence().repeat(30, 1, 1)
    expected, _ = model(xs)
    state: Any = None
    for t, x in enumerate(xs):
        y, state = model.step(x, state)
        assert torch.equal(y, expected[t])
        if t in (2, 3, 70, 130):
            first = state[0] if isinstance(state, tuple) else state
            (y if moved == "y" else first).share_memory_()
            del y, first
            others = [torch.full((64, 2, BATCH, HIDDEN), 7.0) for _ in range(20)]  # where they were
            assert all(bool((other == 7).all()) for other in others)


@torch.no_grad()
@each_kind
def test_streams_may_take_turns(kind: str) -> None:
    model, xs, others = layer(kind), sequence().repeat(30, 1, 1), sequence().repeat(30, 1, 1) * 2
    ys, zs = model(xs)[0], model(others)[0]
    state, second = None, None
    for t, (x, other) in enumerate(zip(xs, others, strict=True)):
        y, state = model.step(x, state)
        z, second = model.step(other, second)
        assert torch.equal(y, ys[t])
        assert torch.equal(z, zs[t])
        if t % 7 == 0:
            second = model.step(other, None)[1]
            zs = torch.cat((zs[: t + 1], model(others[t + 1 :], second)[0]))


@torch.no_grad()
@each_kind
@pytest.mark.parametrize(("inputs", "hidden"), [(8, 144), (300, 200), (128, 256), (40, 264)])
def test_back_and_forth_through_many_columns(kind: str, inputs: int, hidden: int) -> None:
    """Every other step goes through the weights from the end; many sequences take memory that few do not."""
    model, xs = LAYERS[kind](inputs, hidden, num_layers=2), torch.randn(5, 20, inputs)
    for batch in (20, 3, 1):
        assert_streams(model, xs[:, :batch])


@each_kind
def test_a_weight_set_anew_stands_last_and_is_found(kind: str) -> None:
    model = layer(kind)
    weight = model.weight_hh_l0
    del model.weight_hh_l0
    model.weight_hh_l0 = weight
    assert_streams(model, sequence())


@each_kind
def test_a_weight_that_does_not_fit_is_an_error(kind: str) -> None:
    model = layer(kind)
    _, state = stream(model, sequence())
    model.weight_hh_l0 = torch.nn.Parameter(torch.zeros(3, 3))
    with torch.no_grad(), pytest.raises(ValueError, match=r"^weight hh must be"):
        model.step(sequence()[0], state)
    model = layer(kind)
    model.weight_hh_l0 = torch.nn.Parameter(model.get_parameter("weight_hh_l0").double())
    with torch.no_grad(), pytest.raises(ValueError, match=r"^weight hh must be"):
        model.step(sequence()[0])


def test_a_stream_can_go_back_to_an_earlier_state() -> None:
    model, xs = layer("lstm"), sequence()
    _, state = stream(model, xs[:2])
    first, _ = stream(model, xs[2:], state)
    second, _ = stream(model, xs[2:], state)
    assert torch.equal(first, second)


def test_a_state_written_by_the_user_is_taken() -> None:
    model, xs = layer("gru"), sequence()
    with torch.no_grad():
        _, state = model.step(xs[0])
        state.zero_()
        assert torch.equal(model.step(xs[1], state)[0], model.step(xs[1])[0])


@each_kind
def test_states_and_inputs_with_gaps(kind: str) -> None:
    model, xs = layer(kind), sequence()
    _, state = stream(model, xs)
    states = state if isinstance(state, tuple) else (state,)
    wide = tuple(torch.stack([s, s * 5], -1)[..., 0] for s in states)
    gap: Any = wide if len(wide) != 1 else wide[0]
    x = torch.stack([xs[0], xs[0] + 1], -1)[..., 0]
    with torch.no_grad():
        expected, given = model.step(xs[0], state)[0], model.step(x, gap)[0]
        assert torch.equal(given, expected)
        assert torch.equal(model.step(xs[0], state)[0], expected)


@each_kind
def test_a_wanted_gradient_is_forwards_and_warns_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_said", set())
    model, xs = layer(kind), sequence()
    stream(model, xs)
    outputs, _ = model(xs)
    expected = torch.autograd.grad(outputs.square().sum(), list(model.parameters()))

    def steps() -> list[Tensor]:
        state, ys = None, []
        for x in xs:
            y, state = model.step(x, state)
            ys.append(y)
        return ys

    with pytest.warns(UserWarning, match="^a step that keeps gradients is a slow one") as said:
        ys = steps()
    assert len(said) == 1
    assert torch.equal(torch.stack(ys), outputs)
    found = torch.autograd.grad(torch.stack(ys).square().sum(), list(model.parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:a step that keeps gradients is a slow one")
@pytest.mark.parametrize("wanted", ["x", "state"])
@each_kind
def test_a_gradient_goes_into_the_input_and_the_state_of_frozen_weights(kind: str, wanted: str) -> None:
    model = layer(kind).requires_grad_(False)
    x = sequence()[0]
    _, state = stream(model, sequence())
    states = tuple(s.clone() for s in state) if isinstance(state, tuple) else (state.clone(),)
    leaf = x if wanted == "x" else states[-1]
    leaf.requires_grad_()
    given: Any = states if len(states) != 1 else states[0]
    y, _ = model.step(x, given)
    outputs, _ = model(x[None], given)
    expected, found = (torch.autograd.grad(t.sum(), leaf)[0] for t in (outputs, y))
    assert found.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_without_wanted_gradients_nothing_is_said() -> None:
    """Warnings are errors here."""
    kernels._said.clear()
    model = layer().requires_grad_(False)
    y, state = None, None
    for x in sequence():
        y, state = model.step(x, state)
    assert y is not None
    assert torch.equal(y, model(sequence())[0][-1])


def test_dropout_acts_in_training_only() -> None:
    model = layer(dropout=0.5).eval()
    expected, state = stream(model, sequence())
    model.train()
    x = sequence()[0].expand(BATCH, INPUT)
    with torch.no_grad():
        found = [model.step(x, state)[0] for _ in range(9)]
        assert not all(torch.equal(found[0], y) for y in found[1:])
        torch.manual_seed(5)
        y, _ = model.step(x, state)
        torch.manual_seed(5)
        assert torch.equal(y, model(x[None], state)[0][0])
    assert torch.equal(stream(model.eval(), sequence())[0], expected)


def test_both_directions_at_once_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"^step needs layers that read from left to right only"):
        layer(bidirectional=True).step(torch.zeros(INPUT))


def test_layers_without_kernels_step_too() -> None:
    kernels._said.clear()
    model = nn.LSTM(INPUT, HIDDEN, proj_size=2)
    with pytest.warns(UserWarning, match="^with projected outputs, recurrent layers"):
        ys, _ = stream(model, sequence())
    with torch.no_grad():
        torch.testing.assert_close(ys, model(sequence())[0], rtol=0, atol=1e-6)


ready = torch.zeros(2, BATCH, HIDDEN)  # a state
BAD: list[tuple[str, Any, Any, str]] = [
    ("gru", torch.zeros(BATCH, 9), ready, "x must be [B, I] or [I] with I=3, got [2, 9]"),
    ("gru", torch.zeros(BATCH, INPUT).double(), ready, "input must be torch.float32 as the weights are"),
    ("gru", torch.zeros(BATCH, INPUT, device="meta"), ready, "input must be on cpu as the weights are"),
    ("gru", torch.zeros(2, BATCH, INPUT), ready, "x must be [B, I] or [I], got [2, 2, 3]"),
    ("gru", torch.zeros(2, BATCH, dtype=torch.int64), ready, "x must be [B] or [], got [2, 2]"),
    ("gru", torch.tensor([0, 3]), ready, "one-hot input must be from 0 to I-1=2, got 0 to 3"),
    ("gru", torch.tensor([0, -1]), ready, "one-hot input must be from 0 to I-1=2, got -1 to 0"),
    ("gru", torch.zeros(BATCH, INPUT), (ready, ready), "hx must be a tensor, got a tuple of 2"),
    ("gru", torch.zeros(BATCH, INPUT), (ready,), "hx must be a tensor, got a tuple of 1"),
    ("gru", torch.zeros(BATCH, INPUT), ready[:1], "h of hx must be [2, 2, 4], got [1, 2, 4]"),
    ("gru", torch.zeros(BATCH, INPUT), ready.double(), "h of hx must be torch.float32"),
    (
        "gru",
        torch.zeros(BATCH, INPUT),
        ready.to("meta"),
        "h of hx must be on cpu as the weights are, got meta",
    ),
    ("lstm", torch.zeros(BATCH, INPUT), ready, "hx must be a tuple (h, c), got a tensor"),
    ("lstm", torch.zeros(BATCH, INPUT), (ready,), "hx must be a tuple (h, c), got a tuple of 1"),
    ("lstm", torch.zeros(BATCH, INPUT), (ready, ready[:1]), "c of hx must be [2, 2, 4], got [1, 2, 4]"),
]


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(("kind", "x", "state", "message"), BAD, ids=[bad[-1][:40] for bad in BAD])
def test_what_does_not_fit_is_an_error(kind: str, x: Any, state: Any, message: str, prepared: bool) -> None:
    """Whether a stream is ready or not."""
    model = layer(kind)
    if prepared:
        stream(model, torch.zeros(2, BATCH, dtype=torch.int64) if not x.is_floating_point() else sequence())
    with torch.no_grad(), pytest.raises(ValueError) as error:  # noqa: PT011 - compared below
        model.step(x, state)
    if "one-hot" in message and prepared:  # the kernel looks, and says it shorter
        assert "one-hot input must be from 0 to I-1" in str(error.value)
    else:
        assert str(error.value).startswith(message)


@torch.no_grad()
def test_weights_are_packed_only_when_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    packed, run = [], Kernels.run

    def counted(self: Kernels, loop: str, *arguments: Any) -> None:
        if loop == "pack":
            packed.append(loop)
        run(self, loop, *arguments)

    monkeypatch.setattr(Kernels, "run", counted)
    model = layer("lstm")
    xs = sequence().transpose(0, 1).contiguous()
    state = None
    for t in range(TIME):
        _, state = model.step(xs[:, t], state)  # never contiguous
        model.step(xs[0, t])  # another shape
        model.step(torch.tensor(1))  # one-hot
    assert packed == ["pack"] * 2  # one for each layer
    model.get_parameter("bias_ih_l0").add_(1)
    model.step(xs[:, 0], state)
    assert len(packed) == 4


def test_inference_mode() -> None:
    expected, _ = stream(layer(), sequence())
    with torch.inference_mode():
        inside = layer()  # its weights have no versions to go by
        assert torch.equal(stream(inside, sequence())[0], expected)
        outside, state = stream(layer(), sequence())
    assert torch.equal(outside, expected)
    model = layer()
    with torch.inference_mode():
        _, state = model.step(sequence()[0])
        _, state = model.step(sequence()[1], state)
    with torch.no_grad():
        y, state = model.step(sequence()[2], state)
    assert torch.equal(y, expected[2])
    y.add_(1)
    assert not y.is_inference()


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_python_threads_may_share_a_layer(kind: str) -> None:
    """Each with its own state, all of the same shape."""
    model, xs = layer(kind), sequence().repeat(200, 1, 1)
    expected, _ = stream(model, xs)
    found: list[bool] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [
            threading.Thread(target=lambda: found.append(torch.equal(stream(model, xs)[0], expected)))
            for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [True] * 4


BATCHES_AT_ONCE = """
import sys, threading, torch
from elman import nn
sys.setswitchinterval(1e-6)
torch.set_num_threads(1)
torch.manual_seed(0)
layer, found = nn.LSTM(3, 4), []
xs = {b: torch.randn(300, b, 3) for b in (1, 2, 5, 40)}
with torch.no_grad():
    expected = {b: layer(x)[0] for b, x in xs.items()}

@torch.no_grad()
def stream(b):
    for _ in range(3):
        state = None
        for x, y in zip(xs[b], expected[b]):
            found_y, state = layer.step(x, state)
            if not torch.equal(found_y, y):
                return
    found.append(b)

workers = [threading.Thread(target=stream, args=(b,)) for b in xs]
for worker in workers: worker.start()
for worker in workers: worker.join()
assert sorted(found) == sorted(xs), found
"""


def test_python_threads_may_share_a_layer_with_batches_of_their_own(way: str) -> None:
    """In a process of its own, for what goes wrong here may end it."""
    there = "from elman.nn import streaming; streaming.ready_step = None\n" if way == "ctypes" else ""
    found = subprocess.run(
        [sys.executable, "-c", there + BATCHES_AT_ONCE], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr[-2000:]


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_no_and_few_sequences(batch: int) -> None:
    for kind in LAYERS:
        assert_streams(layer(kind), torch.randn(4, batch, INPUT))


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_threads_that_share_a_step_change_no_bit(kind: type[nn.GRU]) -> None:
    layer, x = kind(512, 1024), torch.randn(2, 1, 512)  # more weights than `SHARED` in csrc/streaming.h
    threads = torch.get_num_threads()
    try:
        with torch.no_grad():
            torch.set_num_threads(1)
            outputs, _ = layer(x)
            torch.set_num_threads(3)
            _, state = layer.step(x[0])
            assert torch.equal(layer.step(x[1], state)[0], outputs[1])
    finally:
        torch.set_num_threads(threads)
