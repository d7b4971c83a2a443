"""A language model that another task starts from: `--init RUN`.

The other task reads each unit as its embedding beside the state of the language model behind it: what the
model knows of the unit where it stands (Peters et al. 2018, "Deep contextualized word representations").
Layers of the task's own come on top; those below rest at first and then learn more slowly (Howard and Ruder
2018, "Universal language model fine-tuning for text classification").

Letters: N real steps of a batch, B sequences of it, I size of an embedding, H hidden size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.source import DataError
from elman.data.units import END, Units
from elman.nn.layers import LAYERS
from elman.storage import DamagedError, read_json, read_tensors

FILES = ("run.json", "model.safetensors")
SIZES = ("cell", "size", "hidden", "layers")


class Reader(nn.Module):
    """A language model without its voice.

    Args:
        symbols: size of the dictionary.
        sizes: of the language model; see `Pretrained.sizes`.
    """

    def __init__(self, symbols: int, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, sizes["size"])
        self.layers = LAYERS[sizes["cell"]](sizes["size"], sizes["hidden"], num_layers=sizes["layers"])
        self.output_size = sizes["size"] + sizes["hidden"]

    def forward(self, numbers: PackedSequence) -> Tensor:
        """Return the embedding of each step beside the state behind it, [N, I + H]."""
        begin = torch.full((1, int(numbers.batch_sizes[0])), END)  # [1, B]: a text begins where a line ended
        _, state = self.layers(self.embedding(begin))
        embedded = self.embedding(numbers.data)
        outputs, _ = self.layers(PackedSequence(embedded, *numbers[1:]), state)
        return torch.cat((embedded, outputs.data), 1)

    def depths(self, prefix: str) -> dict[str, int]:
        """Return how deep the parameters lie, by name in a model in which this is `prefix`."""
        layers = self.layers.num_layers
        depths = {f"{prefix}.embedding.weight": layers + 1}
        for name, _ in self.layers.named_parameters():
            depths[f"{prefix}.layers.{name}"] = layers - int(name.rpartition("_l")[2])
        return depths


@dataclass(frozen=True)
class Pretrained:
    """What a task takes over from a language model: its sizes, units and weights."""

    sizes: Mapping[str, Any]
    units: Units
    weights: Mapping[str, Tensor]

    @classmethod
    def load(cls, folder: str | Path) -> "Pretrained":
        """Read the run of a language model. Raises DataError where there is none, DamagedError."""
        run, model = files = [Path(folder) / name for name in FILES]
        expected, remedy = "the run of a language model", "train one: elman train language --out RUN"
        for file in files:
            if not file.is_file():
                raise DataError(str(folder), f"no {file.name}", expected, remedy)
        facts = read_json(run)
        if facts.get("task") != "language":
            raise DataError(str(folder), f"a run of the task {facts.get('task')!r}", expected, remedy)
        weights, _ = read_tensors(model)
        try:
            sizes = {name: facts["settings"][name] for name in SIZES}
            return cls(sizes, Units.from_facts(facts["learned"]["units"]), weights)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(run, f"no language model of this version of elman ({error})") from None

    @staticmethod
    def files(folder: str | None) -> dict[str, Path]:
        """Return the files that a run depends on which starts from the language model in `folder`, if any."""
        return {f"init/{name}": Path(folder) / name for name in FILES} if folder else {}

    def start(self, reader: Reader, symbols: Sequence[str]) -> None:
        """Give a reader of these symbols the weights; a symbol that is new starts from the mean."""
        with torch.no_grad():
            reader.embedding.weight.copy_(self.rows("embedding.weight", symbols))
            for name, parameter in reader.layers.named_parameters():
                parameter.copy_(self.weights[f"layers.{name}"])

    def rows(self, name: str, symbols: Sequence[str]) -> Tensor:
        """Return the rows of a weight that belong to symbols; the mean for one that is new."""
        weight = self.weights[name]
        number = {symbol: i for i, symbol in enumerate(self.units.symbols)}
        rows = weight.mean(0, keepdim=True).repeat(len(symbols), *[1] * (weight.dim() - 1))
        known = [i for i, symbol in enumerate(symbols) if symbol in number]
        rows[known] = weight[[number[symbols[i]] for i in known]]
        return rows
