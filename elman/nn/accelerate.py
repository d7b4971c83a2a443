"""Puts elman's layers where a model of the user's own has `torch.nn.RNN`, `GRU` and `LSTM`."""

import sys
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils import parametrize

from elman.nn import cells
from elman.nn.layers import GRU, LSTM, RNN
from elman.nn.recurrent import Recurrent

Model = TypeVar("Model", bound=nn.Module)
OURS: dict[type[nn.Module], type[Recurrent]] = {nn.RNN: RNN, nn.GRU: GRU, nn.LSTM: LSTM}


def accelerate(model: Model) -> Model:
    """Make every `torch.nn.RNN`, `GRU` and `LSTM` within a model an elman one; say on stderr which.

    A layer stays the same object and keeps all that it holds: parameters (an optimizer made before goes on
    working), names in the state_dict, hooks, parametrizations, mode, device, type. Only its class changes:
    `isinstance(layer, torch.nn.LSTM)` is False afterwards, and a gradient can be taken once, not twice. What
    may compute otherwise than torch's own layers, such as a subclass of one, a quantized or a scripted layer,
    is left alone, and stderr says why.

    Args:
        model: a model with recurrent layers, or such a layer itself.

    Returns:
        The model that was given, changed in place.

    Raises:
        TypeError: for what is not a module.

    >>> model = accelerate(nn.Sequential(nn.LSTM(3, 5)))
    >>> model
    Sequential(
      (0): LSTM(3, 5)
    )
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    done, left = [], []
    for name, module in model.named_modules():
        where = name or "the model itself"
        if reason := _reason_against(module):
            left.append(f"{where} ({reason})")
        elif (kind := parametrize.type_before_parametrizations(module)) in OURS:
            _swap(module, OURS[kind])
            done.append(f"{where} ({kind.__name__} {module.input_size}→{module.hidden_size})")
    print("elman:", f"accelerated {', '.join(done)}" if done else "nothing to accelerate", file=sys.stderr)
    if left:
        print(f"elman: left alone {', '.join(left)}", file=sys.stderr)
    return model


def _reason_against(module: nn.Module) -> str | None:
    """Why a module that looks like a recurrent layer of torch's must stay; None for every other module."""
    kind = parametrize.type_before_parametrizations(module)
    if kind in OURS:
        return "its forward was replaced" if "forward" in vars(module) else None
    name = getattr(module, "original_name", kind.__name__)  # the former of a scripted module
    quantized_or_scripted = kind.__module__.startswith("torch.") and name in {k.__name__ for k in OURS}
    if isinstance(module, nn.RNNBase) or quantized_or_scripted:
        return f"it is a {kind.__module__}.{kind.__qualname__}"
    return None


def _swap(module: Any, ours: type[Recurrent]) -> None:
    """Change the class of a layer of torch's, and the attributes that the two do not share."""
    module.cell = cells.RNN(module.nonlinearity) if ours is RNN else cells.CELLS[module.mode.lower()]()
    module.output_size = module.proj_size or module.hidden_size
    for name in ("mode", "_all_weights", "_flat_weights", "_flat_weights_names", "_flat_weight_refs"):
        vars(module).pop(name, None)
    kind = type(module)
    if parametrize.is_parametrized(module):  # a class of its own, which holds the parametrized weights
        module.__class__ = type(kind.__name__, (ours,), dict(vars(kind)))
    else:
        module.__class__ = ours
