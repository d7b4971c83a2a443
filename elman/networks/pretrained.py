"""Units as vectors, with a pretrained language model below where there is one.

A task then reads each unit as its embedding beside the state of the language model after it. Layers of the task's
own come on top; those below are frozen at first and then learn with a smaller rate.

Letters: N real steps of a batch, B sequences, I size of an embedding, H hidden size.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.units import END, Units
from elman.encoders.pretrained import Pretrained
from elman.nn.layers import LAYERS
from elman.nn.shapes import OneToMany


class TokenEmbedder(nn.Module):
    """Units as vectors: the embedding of each and, where a language model lies below, its state beside it.

    A text begins where a line ended: `begin` is the embedding of that.

    Args:
        symbols: size of the dictionary.
        sizes: "size" I of the embedding, and those of the language model, if any; see `Pretrained.sizes`.
    """

    begin: Tensor

    def __init__(self, symbols: int, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, sizes["size"])
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.layers, self.output_size = None, sizes["size"]
        if "layers" in sizes:
            self.layers = LAYERS[sizes["cell"]](sizes["size"], sizes["hidden"], num_layers=sizes["layers"])
            self.register_buffer("begin", torch.zeros(sizes["size"]))
            self.output_size += sizes["hidden"]

    def forward(self, numbers: Tensor, like: PackedSequence) -> Tensor:
        """Return the vectors of numbers [N], packed as `like`, [N, I] or [N, I + H]."""
        return self.read(self.embedding(numbers), like)

    def read(self, embedded: Tensor, like: PackedSequence) -> Tensor:
        """Return the vectors of what is embedded already, [N, I]; see `forward`."""
        if self.layers is None:
            return embedded
        _, state = self.layers(self.begin.expand(1, int(like.batch_sizes[0]), -1))
        outputs, _ = self.layers(PackedSequence(embedded, *like[1:]), state)
        return torch.cat((embedded, outputs.data), 1)

    def layer_depths(self, prefix: str) -> dict[str, int]:
        """Return how deep the parameters of the language model lie; see `layer_depths`."""
        return {} if self.layers is None else layer_depths(f"{prefix}.embedding", f"{prefix}.layers", self.layers)


def layer_depths(embedding: str, prefix: str, layers: Any) -> dict[str, int]:
    """Return how deep pretrained parameters lie by their names, the embedding deepest.

    Args:
        embedding: what it is called in the model.
        prefix: what the layers are called there.
        layers: of the language model.
    """
    top = layers.num_layers
    below = {f"{prefix}.{name}": top - int(name.rpartition("_l")[2]) for name, _ in layers.named_parameters()}
    return {f"{embedding}.weight": top + 1, **below}


def start(
    embedder: TokenEmbedder,
    pretrained: Pretrained,
    symbols: Sequence[str],
    normal: Callable[[str], str] = str,
) -> None:
    """Give an embedder the weights of a language model; see `Pretrained.embeddings`."""
    with torch.no_grad():
        embedder.embedding.weight.copy_(torch.from_numpy(pretrained.embeddings(symbols, normal)))
        embedder.begin.copy_(torch.from_numpy(pretrained.weights["embedding.weight"][END]))
    start_layers(embedder.layers, pretrained)


def start_layers(layers: Any, pretrained: Pretrained) -> None:
    """Give layers of the same sizes the weights of the language model's."""
    with torch.no_grad():
        for name, parameter in layers.named_parameters():
            parameter.copy_(torch.from_numpy(pretrained.weights[f"layers.{name}"]))


def language_model(sizes: Mapping[str, Any], units: Units, pretrained: Pretrained | None) -> OneToMany:
    """Return a language model of these sizes; with the weights of a run, if they are there."""
    layers = LAYERS[sizes["cell"]](sizes["size"], sizes["hidden"], num_layers=sizes["layers"])
    model = OneToMany(len(units), layers, dropout=0.0)
    if pretrained:
        model.load_state_dict({name: torch.from_numpy(w) for name, w in pretrained.weights.items()})
    return model
