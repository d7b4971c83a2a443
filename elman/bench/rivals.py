"""Who is timed: one layer's weights and one batch in elman, torch, ONNX Runtime and Keras.

Each of them is a dictionary of works, one a pass. ONNX Runtime and Keras are timed where they are installed.

Letters: T time, B batch, N real steps of the batch, I input, H hidden, G gates, D directions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.nn.cells import CELLS

FORWARD, BOTH = "forward", "forward+backward"
TORCH: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
ONNX_GATES = {"rnn": "h", "gru": "zrn", "lstm": "iofg"}  # its c is our g
KERAS_GATES = {"rnn": "h", "gru": "zrn", "lstm": "ifgo"}
OPSET, IR_VERSION = 17, 9  # old enough for any ONNX Runtime in use


@dataclass(frozen=True)
class Work:
    """What is timed, and how its result reads as tensors; reading is not timed."""

    call: Callable[[], Any]
    read: Callable[[Any], list[Tensor]]


Works = dict[str, Work]


@dataclass(frozen=True)
class Guests:
    """The rivals that need not be installed; None for one that is not."""

    onnx: Any
    onnxruntime: Any
    keras: Any
    notes: tuple[str, ...]  # a sentence each: who is missing or not everywhere, and why

    @classmethod
    def find(cls) -> "Guests":
        """Import who is there."""
        found: dict[str, Any] = dict.fromkeys(("onnx", "onnxruntime", "keras"))
        notes = []
        for title, names in {"ONNX Runtime": ("onnx", "onnxruntime"), "Keras": ("keras",)}.items():
            try:
                found |= {name: import_module(name) for name in names}
            except ImportError as error:  # its backend may be what is missing
                found |= dict.fromkeys(names)
                notes.append(f"{title} is not timed: {error}")
        guests = cls(**found, notes=())
        if guests._keras_has_its_own_threads:
            notes.append(
                "Keras has threads of its own on this backend, and is in the rows of all threads only"
            )
        return replace(guests, notes=tuple(notes))

    @property
    def _keras_has_its_own_threads(self) -> bool:
        return self.keras is not None and self.keras.backend.backend() != "torch"

    def with_threads(self, threads: int, everything: int) -> "Guests":
        """Return those whose number of threads can be this, where `everything` is what the machine has."""
        out = threads < everything and self._keras_has_its_own_threads
        return replace(self, keras=None) if out else self

    def versions(self) -> dict[str, str]:
        """Say which version of each is there, and what Keras runs on."""
        found = {}
        if self.onnxruntime:
            found["onnxruntime"] = self.onnxruntime.__version__
        if self.keras:
            found["keras"] = f"{self.keras.__version__} on {self.keras.backend.backend()}"
        return found


def torch_works(layer: nn.Module, batch: Tensor | PackedSequence, doutputs: Tensor) -> Works:
    """Return both passes of a layer of torch, or of ours; `doutputs` is the gradient of its outputs."""
    x = (batch.data if isinstance(batch, PackedSequence) else batch).detach().requires_grad_()
    batch = PackedSequence(x, batch.batch_sizes) if isinstance(batch, PackedSequence) else x

    def outputs() -> Tensor:
        y, _ = layer(batch)
        return y.data if isinstance(y, PackedSequence) else y

    def forward() -> list[Tensor]:
        with torch.no_grad():
            return [outputs()]

    def both() -> Sequence[Tensor]:
        return torch.autograd.grad(outputs(), [x, *layer.parameters()], doutputs)

    def rows(result: Sequence[Tensor]) -> list[Tensor]:
        return [result[0].reshape(-1, result[0].shape[-1]), *result[1:]]

    return {FORWARD: Work(forward, rows), BOTH: Work(both, rows)}


def onnx_works(guests: Guests, cell: str, layer: nn.RNNBase, x: Tensor, threads: int) -> Works:
    """Return the forward pass of ONNX Runtime."""
    time, batch, _ = x.shape
    run = _session(guests, onnx_model(guests.onnx, cell, layer, time, batch), threads).run
    feed = {"x": x.numpy()}
    return {FORWARD: Work(lambda: run(None, feed), lambda y: [torch.from_numpy(y[0]).flatten(0, 1)])}


def keras_works(keras: Any, cell: str, layer: nn.RNNBase, x: Tensor, doutputs: Tensor) -> Works:
    """Return both passes of Keras, compiled where its backend compiles."""
    kinds = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
    guest = kinds[cell](layer.hidden_size, return_sequences=True)
    if layer.bidirectional:
        guest = keras.layers.Bidirectional(guest)
    batch, dy = (keras.ops.convert_to_tensor(t.transpose(0, 1).contiguous().numpy()) for t in (x, doutputs))
    guest(batch)  # makes its weights
    weights = []
    for w_ih, w_hh, b, c in _weights(cell, layer, KERAS_GATES):
        # Keras keeps two biases only where they differ in effect, which they do for GRU.
        weights += [w_ih.t(), w_hh.t(), torch.stack([b, c]) if cell == "gru" else b + c]
    guest.set_weights([w.numpy() for w in weights])
    forward, both = {"torch": _on_torch, "jax": _on_jax, "tensorflow": _on_tensorflow}[
        keras.backend.backend()
    ](guest, batch, dy)

    def rows(result: Any) -> list[Tensor]:  # of the weights' gradients, none: they are laid out otherwise
        return [torch.tensor(keras.ops.convert_to_numpy(result)).transpose(0, 1).flatten(0, 1)]

    return {FORWARD: Work(forward, rows), BOTH: Work(both, lambda grads: rows(grads[0]))}


Passes = tuple[Callable[[], Any], Callable[[], Any]]


def _on_torch(layer: Any, x: Any, dy: Any) -> Passes:
    weights = [weight.value for weight in layer.trainable_variables]
    x = x.detach().requires_grad_()
    return torch.no_grad()(lambda: layer(x)), lambda: torch.autograd.grad(layer(x), [x, *weights], dy)


def _on_jax(layer: Any, x: Any, dy: Any) -> Passes:
    jax = import_module("jax")
    weights, rest = (
        [v.value for v in vs] for vs in (layer.trainable_variables, layer.non_trainable_variables)
    )
    outputs = jax.jit(lambda x, weights: layer.stateless_call(weights, rest, x)[0])
    gradients = jax.jit(lambda x, weights, dy: jax.vjp(outputs, x, weights)[1](dy))
    wait = jax.block_until_ready  # it would go on behind our clock's back
    return lambda: wait(outputs(x, weights)), lambda: wait(gradients(x, weights, dy))


def _on_tensorflow(layer: Any, x: Any, dy: Any) -> Passes:
    tf = import_module("tensorflow")
    weights = [weight.value for weight in layer.trainable_variables]
    outputs = tf.function(layer)

    @tf.function
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, [x, *weights], dy)

    return lambda: outputs(x), gradients


def step_works(guests: Guests, cell: str, ours: Any, layer: nn.RNNBase, calls: int, threads: int) -> Works:
    """Return who can go one step at a time, by name: `calls` steps from a state of zeros, B = 1."""
    x = torch.randn(1, layer.input_size)
    state: Any = torch.zeros(1, 1, layer.hidden_size)
    if cell == "lstm":
        state = (state, state)

    @torch.no_grad()
    def walk(step: Callable[[Tensor, Any], tuple[Tensor, Any]], x: Tensor) -> Any:
        now = state
        for _ in range(calls):
            _, now = step(x, now)
        return now

    works = {
        "ours": Work(lambda: walk(ours.step, x), _states),
        "torch": Work(lambda: walk(layer, x[None]), _states),
    }
    if guests.onnxruntime:
        run = _session(guests, onnx_model(guests.onnx, cell, layer, 1, 1, step=True), threads).run
        feed, first = x[None].numpy(), [s.numpy() for s in _states(state)]

        def walk_onnx() -> Any:
            h, c = first[0], first[-1]
            if cell == "lstm":
                for _ in range(calls):
                    h, c = run(None, {"x": feed, "h": h, "c": c})
                return h, c
            for _ in range(calls):
                (h,) = run(None, {"x": feed, "h": h})
            return h

        works["onnxruntime"] = Work(walk_onnx, _states)
    return works


def _states(state: Any) -> list[Tensor]:
    return [torch.as_tensor(s) for s in (state if isinstance(state, tuple) else (state,))]


def onnx_model(onnx: Any, cell: str, layer: nn.RNNBase, time: int, batch: int, step: bool = False) -> bytes:
    """Return a layer of torch, or of ours, as an ONNX graph: x [T, B, I] to y [T, B, D*H].

    With `step` the state goes in and out and nothing else does: x, h (and c) to h_n (and c_n), [D, B, H].
    """
    w_ih, w_hh, b, c = (torch.stack(parts) for parts in zip(*_weights(cell, layer, ONNX_GATES), strict=True))
    d, hidden = len(w_ih), layer.hidden_size
    settings = f'hidden_size = {hidden}, direction = "{"bidirectional" if d > 1 else "forward"}"'
    if cell == "gru":
        settings += ", linear_before_reset = 1"  # the reset gate acts on U h + c, as torch has it
    recurrent = f"{cell.upper()} <{settings}>"
    state, x = f"float[{d}, {batch}, {hidden}]", f"float[{time}, {batch}, {layer.input_size}] x"
    if step:
        names = CELLS[cell].states
        given = ", ".join([x, *(f"{state} {name}" for name in names)])
        returned = ", ".join(f"{state} {name}_n" for name in names)
        ends = ", ".join(f"{name}_n" for name in names)
        body = f'"", {ends} = {recurrent} (x, W, R, B, "", {", ".join(names)})'
    else:
        given, returned = x, f"float[{time}, {batch}, {d * hidden}] y"
        body = f"each = {recurrent} (x, W, R, B) "  # [T, D, B, H]
        if d == 1:
            body += "axis = Constant <value_ints = [1]> () y = Squeeze (each, axis)"
        else:
            body += f"sizes = Constant <value_ints = [{time}, {batch}, {d * hidden}]> () "
            body += "moved = Transpose <perm = [0, 2, 1, 3]> (each) y = Reshape (moved, sizes)"
    model = onnx.parser.parse_model(
        f'<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]> '
        f"{cell} ({given}) => ({returned}) {{ {body} }}"
    )
    for name, weight in {"W": w_ih, "R": w_hh, "B": torch.cat([b, c], 1)}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight.numpy(), name))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _session(guests: Guests, model: bytes, threads: int) -> Any:
    options = guests.onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or it would slow who comes next
    return guests.onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _weights(cell: str, layer: nn.RNNBase, gates: dict[str, str]) -> list[tuple[Tensor, ...]]:
    """Return W, U, b, c of each direction, with their rows in another order of gates."""
    own = CELLS[cell].gates
    found = []
    for suffix in ("_l0", "_l0_reverse")[: 2 if layer.bidirectional else 1]:
        parts = [
            getattr(layer, name + suffix).detach().chunk(len(own))
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        found.append(tuple(torch.cat([part[own.index(gate)] for gate in gates[cell]]) for part in parts))
    return found
