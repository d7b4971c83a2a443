"""Torch's own samples for its recurrent layers and cells, run over ours.

They stand in `torch.testing._internal.common_modules`: 87 that must work, 48 more with packed sequences, 58
that must raise. No public interface promises them, so their numbers are compared too: a test that ran over
none of them could not fail.
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman import nn

COUNTS = {  # of samples that must work, of those with packed sequences, of those that must raise
    "RNN": (32, 32, 14),
    "GRU": (16, 16, 14),
    "LSTM": (32, 0, 14),
    "RNNCell": (3, 0, 6),
    "GRUCell": (2, 0, 6),
    "LSTMCell": (2, 0, 4),
}
DTYPES = {torch.float32: 1e-5, torch.float64: 1e-12}
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),  # torch's
    pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations"),
    pytest.mark.filterwarnings("ignore:with projected outputs, recurrent layers run in torch's own kernels"),
]
each_kind = pytest.mark.parametrize("kind", COUNTS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


@cache
def infos() -> dict[str, Any]:
    """What torch knows of each kind; its import takes seconds, and only these tests should."""
    from torch.testing._internal.common_modules import module_db

    return {info.module_cls.__name__: info for info in module_db}


def samples(function: str, kind: str, dtype: torch.dtype, training: bool) -> list[Any]:
    torch.manual_seed(0)
    info = infos()[kind]
    return list(
        getattr(info, function)(
            info, device="cpu", dtype=dtype, requires_grad=True, training=training, with_packed_sequence=True
        )
    )


def tensors(value: Any) -> list[Tensor]:
    """All tensors within what a layer takes or returns."""
    if isinstance(value, PackedSequence):
        return [value.data]
    return [value] if isinstance(value, Tensor) else [t for part in value or () for t in tensors(part)]


def results(layer: torch.nn.Module, given: Any) -> tuple[list[Tensor], list[Tensor]]:
    """What the layer returns, and the gradients of its sum with a weight for each entry."""
    returned = tensors(layer(*given.args, **given.kwargs))
    draw = torch.Generator().manual_seed(9)
    terms = [(t * torch.randn(t.shape, generator=draw, dtype=t.dtype)).sum() for t in returned]
    leaves = [*tensors(given.args), *(p for _, p in sorted(layer.named_parameters()))]
    return returned, list(torch.autograd.grad(torch.stack(terms).sum(), leaves))


@pytest.mark.parametrize("training", [True, False])
@each_dtype
@each_kind
def test_every_sample_gives_what_it_gives_in_torch(kind: str, dtype: torch.dtype, training: bool) -> None:
    tolerance = DTYPES[dtype]
    packed = 0
    found = samples("module_inputs_func", kind, dtype, training)
    for sample in found:
        made, given = sample.constructor_input, sample.forward_input
        ours, theirs = (
            getattr(where, kind)(*made.args, **made.kwargs).to(dtype).train(training)
            for where in (nn, torch.nn)
        )
        ours.load_state_dict(theirs.state_dict())
        of_ours, of_theirs = results(ours, given), results(theirs, given)
        torch.testing.assert_close(of_ours, of_theirs, rtol=tolerance, atol=tolerance)
        if isinstance(given.args[0], PackedSequence):
            packed += 1
        else:
            reference = sample.reference_fn(ours, *given.args, **given.kwargs)
            torch.testing.assert_close(of_ours[0], tensors(reference), rtol=tolerance, atol=tolerance)
    assert (len(found) - packed, packed) == COUNTS[kind][:2]


@each_dtype
@each_kind
def test_every_sample_that_raises_in_torch_raises(kind: str, dtype: torch.dtype) -> None:
    found = samples("module_error_inputs_func", kind, dtype, training=True)
    for number, sample in enumerate(found):
        made, given = sample.module_error_input.constructor_input, sample.module_error_input.forward_input
        try:
            layer = getattr(nn, kind)(*made.args, **made.kwargs).to(dtype)
            if given is not None:
                layer(*given.args, **given.kwargs)
        except (ValueError, TypeError, RuntimeError):
            continue
        pytest.fail(f"sample {number} did not raise: {sample.error_regex}")
    assert len(found) == COUNTS[kind][2]
