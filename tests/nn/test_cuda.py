"""All of `elman.nn` on a GPU and on the CPU, forward and backward; skipped where there is no GPU."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from elman import nn
from elman.nn import ctc, search
from elman.nn.bands import Bands
from elman.nn.crf import CRF
from elman.nn.layers import LAYERS
from elman.nn.pianist import Pianist
from elman.nn.shapes import EncoderDecoder, ManyToMany, ManyToOne, OneToMany, OneToOne
from elman.nn.watcher import FEATURES, Watcher

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
    pytest.mark.filterwarnings("ignore:on cuda, recurrent layers run in torch's own kernels"),
    pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations.*on cuda"),
    pytest.mark.filterwarnings("ignore:a step that keeps gradients is a slow one"),
    pytest.mark.filterwarnings("ignore:.*projected outputs, (recurrent layers run in|torch has no kernel)"),
]
LENGTHS = (4, 9, 1, 6)
SYMBOLS = 11


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    """Products in float32, not in the shorter type that a GPU takes for convolutions."""
    torch.manual_seed(0)
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


def moved(value: Any, device: str) -> Any:
    """Tensors, packed sequences and tuples of them on a device."""
    if isinstance(value, Tensor | PackedSequence):
        return value.cuda() if device == "cuda" else value
    return type(value)(moved(part, device) for part in value) if isinstance(value, tuple) else value


def tensors(value: Any) -> list[Tensor]:
    """The tensors of a result."""
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, Tensor):
        return [value]
    return [one for part in value for one in tensors(part)] if isinstance(value, list | tuple) else []


def results(model: torch.nn.Module, call: Callable[..., Any], device: str, *inputs: Any) -> list[Tensor]:
    """What a call of the model returns on a device, and the gradients of all weights."""
    model = copy.deepcopy(model).to(device).eval()
    found = tensors(call(model, *moved(inputs, device)))
    assert {one.device.type for one in found} == {device}
    if not any(one.requires_grad for one in found):
        return found
    total = torch.stack([one.sum() for one in found if one.requires_grad]).sum()
    gradients = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
    return [*found, *(g for g in gradients if g is not None)]


def same(model: torch.nn.Module, call: Callable[..., Any], *inputs: Any) -> None:
    """Assert that both devices say the same."""
    here, there = (results(model, call, device, *inputs) for device in ("cpu", "cuda"))
    assert len(here) == len(there) > 0
    for a, b in zip(here, there, strict=True):
        assert torch.allclose(a.double(), b.cpu().double(), atol=1e-4, rtol=1e-4)


def numbers(width: int = 3) -> PackedSequence:
    return pack_sequence([torch.randn(length, width) for length in LENGTHS], enforce_sorted=False)


def symbols() -> PackedSequence:
    return pack_sequence([torch.randint(SYMBOLS, (length,)) for length in LENGTHS], enforce_sorted=False)


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"num_layers": 2}, {"checkpoint_every": 2}, {"detach_every": 3}],
    ids=str,
)
def test_layers(cell: str, bidirectional: bool, options: dict[str, Any]) -> None:
    layer = LAYERS[cell](3, 5, bidirectional=bidirectional, **options)
    same(layer, lambda model, x: model(x), numbers())
    same(layer, lambda model, x: model(x, lengths=[2, 7, 0]), torch.randn(7, 3, 3))
    same(layer, lambda model, x: model(x), torch.randint(3, (6, 2)))


def test_projected_outputs() -> None:
    same(nn.LSTM(3, 5, proj_size=2, bidirectional=True), lambda model, x: model(x), numbers())


@pytest.mark.parametrize("cell", LAYERS)
def test_a_step(cell: str) -> None:
    layer = LAYERS[cell](3, 5, num_layers=2)

    def twice(model: Any, x: Tensor) -> Any:
        y, state = model.step(x)
        return y, model.step(x, state)

    same(layer, twice, torch.randn(4, 3))


@pytest.mark.parametrize("make", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_single_cells(make: Callable[..., torch.nn.Module]) -> None:
    same(make(3, 5), lambda model, x: model(x), torch.randn(4, 3))


@pytest.mark.parametrize("theirs", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
def test_accelerated(theirs: Callable[..., torch.nn.Module]) -> None:
    model = torch.nn.ModuleDict({"layer": theirs(3, 5, num_layers=2, bidirectional=True)}).cuda()
    x = torch.randn(7, 2, 3, device="cuda")
    expected = model["layer"](x)
    nn.accelerate(model)
    for a, b in zip(tensors(expected), tensors(model["layer"](x)), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("shape", [ManyToMany, ManyToOne])
def test_shapes_of_many(shape: Callable[..., torch.nn.Module]) -> None:
    same(shape(nn.GRU(3, 5, bidirectional=True), 4, 0.5), lambda model, x: model(x), numbers())


def test_one_to_one() -> None:
    same(OneToOne(SYMBOLS, 3, 5, 4), lambda model, x: model(x), torch.randint(SYMBOLS, (7, 3)))


@pytest.mark.parametrize("dictionary", [SYMBOLS, 2500])
def test_one_to_many(dictionary: int) -> None:
    model = OneToMany(dictionary, nn.LSTM(4, 5), 0.5)
    x = symbols()
    same(model, lambda model, x: model.nll(x, x.data)[0], x)
    same(model, lambda model, x: model.step(x.data[:4]), x)

    def spoken(device: str) -> list[list[int]]:
        begun = torch.zeros(1, 2, dtype=torch.long, device=device)
        with torch.no_grad():
            return copy.deepcopy(model).to(device).eval().generate(begun, 5, lambda scores: scores.argmax(1))

    assert spoken("cpu") == spoken("cuda")


def test_encoder_and_decoder() -> None:
    model = EncoderDecoder(SYMBOLS, nn.GRU(4, 5, bidirectional=True), nn.GRU(4, 6), nn.GRU(16, 6), 0.5)
    source, target = symbols(), symbols()
    same(model, lambda model, s, t: model.loss(s, t, t.data, 0.1), source, target)
    model.cuda().train().loss(source.cuda(), target.cuda(), target.data.cuda(), 0.1).backward()

    def found(device: str) -> list[list[int]]:
        there = copy.deepcopy(model).to(device).eval()
        with torch.no_grad():
            begun, state = torch.ones(4, dtype=torch.long, device=device), there.encode(moved(source, device))
            return search.beam(there.step, begun, state, 0, [5] * 4, 3)

    assert found("cpu") == found("cuda")


def test_crf() -> None:
    emissions, tags = numbers(4), torch.randint(4, (sum(LENGTHS),))
    sizes = emissions.batch_sizes.tolist()
    model = CRF(torch.ones(5, 5, dtype=torch.bool))
    torch.nn.init.normal_(model.transitions)
    same(model, lambda model, x, y: model.nll(x, sizes, y), emissions.data, tags)
    same(model, lambda model, x: (model.decode(x, sizes), model.marginals(x, sizes)), emissions.data)


def test_ctc() -> None:
    texts = [[1, 1], [3, 2, 2, 1], [], [2]]
    model = ManyToMany(nn.LSTM(3, 5), 4, 0.0)
    same(model, lambda model, x: ctc.nll(model(x), x, texts), numbers())


def test_pianist() -> None:
    x, targets = numbers(6), torch.rand(sum(LENGTHS), 4).round()
    model = Pianist(4, 2, 3, nn.LSTM(3, 5), 0.5)
    same(model, lambda model, x, y: model.nll(x, y)[0], x, targets)
    same(model, lambda model, x: model.step(x), torch.rand(2, 6))


def test_bands() -> None:
    same(Bands(3, 20, 5), lambda model, x: model(x), torch.randn(4, 60))


def test_watcher() -> None:
    clips = [torch.randint(256, (length, 64, 64, 3), dtype=torch.uint8) for length in (3, 5)]
    frames = pack_sequence(clips, enforce_sorted=False)
    model = Watcher(nn.GRU(FEATURES, 5, bidirectional=True), 3, 0.5)
    same(model, lambda model, x: model(x), frames)
    model.cuda().train()(frames.cuda()).sum().backward()
    streaming = Watcher(nn.GRU(FEATURES, 5), 3, 0.5)
    same(streaming, lambda model, now, before: model.step(now, before, None), clips[0][1], clips[0][0])
