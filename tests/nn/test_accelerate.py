"""accelerate: the same model, faster. Each test holds two alike, and accelerates one of them."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.ao.nn.quantized import dynamic as quantized
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman import nn
from elman.nn import accelerate
from elman.nn.accelerate import OURS
from elman.nn.layers import LAYERS

INPUT, HIDDEN, TIME, BATCH = 3, 4, 6, 5
KINDS: dict[str, tuple[Callable[..., torch.nn.RNNBase], dict[str, Any]]] = {
    "rnn": (torch.nn.RNN, {}),
    "rnn relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": (torch.nn.GRU, {}),
    "lstm": (torch.nn.LSTM, {}),
    "lstm projected": (torch.nn.LSTM, {"proj_size": 2}),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_first": True},
    {"bidirectional": True, "num_layers": 2},
    {"num_layers": 3, "dropout": 0.4},
    {"bias": False},
]
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),  # torch's
    pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations"),
    pytest.mark.filterwarnings("ignore:with projected outputs, recurrent layers run in torch's own kernels"),
]
each_kind = pytest.mark.parametrize("kind", KINDS)


def layer(kind: str, **options: Any) -> Any:
    """A layer of torch's; the same weights whenever the arguments are the same."""
    make, arguments = KINDS[kind]
    torch.manual_seed(1)
    return make(INPUT, HIDDEN, dtype=torch.float64, **arguments, **options)


def batch() -> Tensor:
    return torch.randn(TIME, BATCH, INPUT, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


class Model(torch.nn.Module):
    """What a user may have: layers at some depth, one of them in two places."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = torch.nn.ModuleDict({"rnn": torch.nn.GRU(INPUT, HIDDEN, bidirectional=True)})
        self.decoder = torch.nn.ModuleList(
            [torch.nn.LSTM(2 * HIDDEN, HIDDEN), torch.nn.Linear(HIDDEN, HIDDEN)]
        )
        self.once = torch.nn.RNN(HIDDEN, HIDDEN)
        self.again = self.once
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.encoder["rnn"](x)
        x, _ = self.decoder[0](x)
        x, _ = self.once(self.decoder[1](x))
        return self.again(x)[0]


def results(model: torch.nn.Module, x: Any) -> list[Tensor]:
    """Outputs, and the gradients of all weights."""
    torch.manual_seed(4)  # of the dropout's masks
    model.zero_grad()
    outputs = model(x)
    outputs = (
        outputs[0] if isinstance(outputs, tuple) and not isinstance(outputs, PackedSequence) else outputs
    )
    outputs = outputs.data if isinstance(outputs, PackedSequence) else outputs
    outputs.pow(2).sum().backward()
    return [outputs, *(p.grad for p in model.parameters() if p.grad is not None)]


def assert_same(model: torch.nn.Module, theirs: torch.nn.Module, x: Any) -> None:
    torch.testing.assert_close(results(model, x), results(theirs, x), rtol=0, atol=1e-12)


@each_kind
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_layer_computes_what_it_did(kind: str, options: dict[str, Any]) -> None:
    ours, theirs = accelerate(layer(kind, **options)), layer(kind, **options)
    assert type(ours) is OURS[type(theirs)]
    packed = pack_padded_sequence(batch(), torch.tensor([4, 6, 1, 3, 3]), enforce_sorted=False)
    for x in (batch(), packed):
        assert_same(ours, theirs, x)
        assert_same(ours.eval(), theirs.eval(), x)
        ours.train()
        theirs.train()


@each_kind
def test_the_layer_holds_what_a_new_one_holds(kind: str) -> None:
    ours = accelerate(layer(kind, bidirectional=True, batch_first=True))
    new = type(ours)(INPUT, HIDDEN, bidirectional=True, batch_first=True, **KINDS[kind][1])
    assert vars(ours).keys() == vars(new).keys()
    assert repr(ours) == repr(new)


def test_the_model_is_changed_in_place_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    model, theirs = Model(), Model()
    before = [*model.modules()], [*model.parameters()]
    assert accelerate(model) is model
    said = "elman: accelerated encoder.rnn (GRU 3→4), decoder.0 (LSTM 8→4), once (RNN 4→4)\n"
    assert capsys.readouterr() == ("", said)
    after = [*model.modules()], [*model.parameters()]
    assert [list(map(id, part)) for part in before] == [list(map(id, part)) for part in after]
    assert model.again is model.once
    assert [type(module) for module in model.modules() if isinstance(module, nn.Recurrent)] == [
        nn.GRU,
        nn.LSTM,
        nn.RNN,
    ]
    assert_same(model, theirs, batch())


def test_an_optimizer_made_before_trains_what_is_accelerated() -> None:
    model, theirs = Model(), Model()
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.05) for m in (model, theirs)]
    accelerate(model)
    start = results(model, batch())[0].detach()
    for _ in range(5):
        assert_same(model, theirs, batch())
        for optimizer in optimizers:
            optimizer.step()
    assert (results(model, batch())[0] - start).abs().max() > 0.1
    assert_same(model, theirs, batch())


def test_mode_frozen_weights_type_and_device_stay() -> None:
    model = Model()
    model.decoder.eval()
    model.encoder.requires_grad_(False)
    model.once.to("meta")

    def told() -> list[Any]:
        modes = [module.training for module in model.modules()]
        return [modes, *((name, p.requires_grad, p.dtype, p.device) for name, p in model.named_parameters())]

    before = told()
    accelerate(model)
    assert told() == before


WEIGHT = "weight_hh_l0"
ITERATIONS = (
    200  # of spectral norms to their end, for they run whenever a weight is read: torch reads more often
)
NORMS: dict[str, Callable[[torch.nn.Module], object]] = {
    "weight_norm": lambda module: parametrizations.weight_norm(module, WEIGHT),
    "spectral_norm": lambda module: parametrizations.spectral_norm(module, WEIGHT, ITERATIONS),
    "both": lambda module: parametrizations.weight_norm(
        parametrizations.spectral_norm(module, "weight_ih_l0", ITERATIONS), WEIGHT
    ),
    "weight_norm with hooks": lambda module: torch.nn.utils.weight_norm(module, WEIGHT),
    "spectral_norm with hooks": lambda module: torch.nn.utils.spectral_norm(module, WEIGHT),
    "pruned": lambda module: prune.l1_unstructured(module, WEIGHT, 0.4),
}


@pytest.mark.filterwarnings("ignore:.*torch.nn.utils.weight_norm:FutureWarning")
@pytest.mark.parametrize("norm", NORMS)
@each_kind
def test_parametrized_and_hooked_weights_stay_so(kind: str, norm: str) -> None:
    ours, theirs = (layer(kind, num_layers=2) for _ in range(2))
    for module in (ours, theirs):
        torch.manual_seed(5)  # of the spectral norm's vectors
        NORMS[norm](module)
    optimizers = [torch.optim.SGD(module.parameters(), lr=0.1) for module in (ours, theirs)]
    accelerate(ours)
    assert isinstance(ours, nn.Recurrent)
    for _ in range(3):  # each step moves what the weight is made of
        assert_same(ours, theirs, batch())
        for optimizer in optimizers:
            optimizer.step()
    assert_same(ours.eval(), theirs.eval(), batch())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=1e-12)


def test_a_parametrization_can_be_copied_and_removed() -> None:
    ours = layer("gru")
    parametrizations.weight_norm(ours, WEIGHT)
    torchs = type(ours)
    accelerate(ours)
    expected = results(ours, batch())[0]
    torch.testing.assert_close(results(copy.deepcopy(ours), batch())[0], expected, rtol=0, atol=0)
    parametrize.remove_parametrizations(ours, WEIGHT)
    torch.testing.assert_close(results(ours, batch())[0], expected, rtol=0, atol=0)
    assert type(ours) is nn.GRU
    assert hasattr(torchs, WEIGHT)  # a class that a copy made before may share


def test_hooks_are_called_as_before() -> None:
    called: list[str] = []
    model = layer("lstm")
    model.register_forward_pre_hook(lambda *_: called.append("before"))
    model.register_forward_hook(lambda *_: called.append("after"))
    model.register_full_backward_hook(lambda *_: called.append("back"))
    model.register_state_dict_post_hook(lambda *_: called.append("saved"))
    model.register_load_state_dict_pre_hook(lambda *_: called.append("loaded"))
    accelerate(model)
    x = batch().requires_grad_()
    model(x)[0].sum().backward()
    model.load_state_dict(model.state_dict())
    assert called == ["before", "after", "back", "saved", "loaded"]


def test_a_copy_and_a_saved_model_compute_the_same_and_share_nothing() -> None:
    model = accelerate(Model())
    expected = results(model, batch())
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    copies = [copy.deepcopy(model), torch.load(file, weights_only=False)]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    for copied in copies:
        assert isinstance(copied.once, nn.RNN)
        assert copied.again is copied.once
        torch.testing.assert_close(results(copied, batch()), expected, rtol=0, atol=0)


def test_weights_saved_before_are_loaded_after_and_the_reverse() -> None:
    model, theirs = accelerate(Model()), Model()
    assert list(model.state_dict()) == list(theirs.state_dict())
    for source, target in ((theirs, model), (model, theirs)):
        with torch.no_grad():
            for parameter in source.parameters():
                parameter.uniform_(-1, 1)
        file = io.BytesIO()
        torch.save(source.state_dict(), file)
        file.seek(0)
        target.load_state_dict(torch.load(file))
        assert_same(model, theirs, batch())


@pytest.mark.filterwarnings("ignore:on meta, recurrent layers run in torch's own kernels")
def test_the_model_moves_to_another_type_and_device() -> None:
    model, theirs = accelerate(Model()), Model()
    assert model.to("meta")(batch().to("meta")).shape == (TIME, BATCH, HIDDEN)
    model.to_empty(device="cpu")
    model.float().load_state_dict(theirs.float().state_dict())
    torch.testing.assert_close(model(batch().float()), theirs(batch().float()), rtol=0, atol=1e-6)
    model.load_state_dict(theirs.double().state_dict())
    assert_same(model.double(), theirs, batch())


class Peephole(torch.nn.LSTM):
    """A subclass may compute something else."""


def replaced() -> torch.nn.Module:
    module = torch.nn.RNN(3, 4)
    module.forward = lambda x: x  # type: ignore[method-assign]
    return module


def parametrized_subclass() -> torch.nn.Module:
    module = Peephole(3, 4)
    parametrizations.weight_norm(module, WEIGHT)
    return module


@pytest.mark.filterwarnings(
    "ignore:.*torch.quantize_per_tensor", "ignore:.*torch.jit.script:DeprecationWarning"
)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Peephole(3, 4), f"it is a {__name__}.Peephole"),
        (parametrized_subclass, f"it is a {__name__}.Peephole"),
        (replaced, "its forward was replaced"),
        (
            lambda: quantized.GRU(3, 4),
            "it is a torch.ao.nn.quantized.dynamic.modules.rnn.GRU",
        ),
        (lambda: torch.jit.script(torch.nn.LSTM(3, 4)), "it is a torch.jit._script.RecursiveScriptModule"),
    ],
)
def test_what_may_compute_otherwise_is_left_alone(
    make: Callable[[], torch.nn.Module], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = make()
    before = type(odd), vars(odd).copy()
    for model, name in ((odd, "the model itself"), (torch.nn.Sequential(odd), "0")):
        assert accelerate(model) is model
        said = f"elman: nothing to accelerate\nelman: left alone {name} ({reason})\n"
        assert capsys.readouterr().err == said
    assert (type(odd), vars(odd)) == before
    accelerate(torch.nn.Sequential(torch.nn.GRU(3, 4), odd, torch.nn.LSTM(4, 5)))
    assert capsys.readouterr().err == (
        f"elman: accelerated 0 (GRU 3→4), 2 (LSTM 4→5)\nelman: left alone 1 ({reason})\n"
    )


@pytest.mark.parametrize(
    "model", [torch.nn.Linear(3, 4), torch.nn.GRUCell(3, 4), accelerate(torch.nn.GRU(3, 4))], ids=repr
)
def test_nothing_to_accelerate(model: torch.nn.Module, capsys: pytest.CaptureFixture[str]) -> None:
    kind = type(model)
    assert type(accelerate(model)) is kind
    assert capsys.readouterr().err == "elman: nothing to accelerate\n"


def test_what_is_no_module_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"^model must be a torch.nn.Module, got type$"):
        accelerate(torch.nn.LSTM)  # type: ignore[type-var]


def test_every_layer_of_ours_stands_for_one_of_torchs() -> None:
    assert set(OURS.values()) == set(LAYERS.values())
    assert all(theirs.__name__ == ours.__name__ for theirs, ours in OURS.items())
