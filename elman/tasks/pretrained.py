"""A language model that another task starts from: `--init RUN`.

The other task reads each unit as its embedding beside the state of the language model behind it: what the
model knows of the unit where it stands (Peters et al. 2018, "Deep contextualized word representations").
Layers of the task's own come on top; those below rest at first and then learn more slowly (Howard and Ruder
2018, "Universal language model fine-tuning for text classification").

Letters: N real steps of a batch, B sequences of it, I size of an embedding, H hidden size.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.facts import part, text, whole
from elman.data.source import DataError, counted
from elman.data.units import END, Unit, Units
from elman.nn.layers import LAYERS
from elman.storage import missing_run
from elman.tasks.settings import MOST_LAYERS, language_model_files
from elman.tasks.stored import read_facts, read_weights, task_of

SIZES = ("cell", "size", "hidden", "layers")


def sizes_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes of what reads units, if anything does. Raises ValueError where they are none."""
    sizes = part(facts, "sizes")
    if sizes.keys() not in (set(), {"size"}, {*SIZES}):
        raise ValueError(f"'sizes' must have size alone, or all of {', '.join(SIZES)}")
    if "cell" in sizes and text(sizes, "cell") not in LAYERS:
        raise ValueError(f"there is no cell {brief(sizes['cell'])}")
    if whole(sizes.get("layers", 1), "layers", 1) > MOST_LAYERS:
        raise ValueError(f"'layers' must be at most {MOST_LAYERS}")
    return {name: size if name == "cell" else whole(size, name, 1) for name, size in sizes.items()}


class Reader(nn.Module):
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

    def depths(self, prefix: str) -> dict[str, int]:
        """Return how deep the parameters of the language model lie; see `depths`."""
        return {} if self.layers is None else depths(f"{prefix}.embedding", f"{prefix}.layers", self.layers)


def depths(embedding: str, prefix: str, layers: Any) -> dict[str, int]:
    """Return how deep pretrained parameters lie by their names, the embedding deepest.

    Args:
        embedding: what it is called in the model.
        prefix: what the layers are called there.
        layers: of the language model.
    """
    top = layers.num_layers
    below = {f"{prefix}.{name}": top - int(name.rpartition("_l")[2]) for name, _ in layers.named_parameters()}
    return {f"{embedding}.weight": top + 1, **below}


@dataclass(frozen=True)
class Pretrained:
    """What a task takes over from a language model: its sizes, units and weights."""

    sizes: Mapping[str, Any]
    units: Units
    weights: Mapping[str, Tensor]

    @classmethod
    def load(cls, folder: str | Path, unit: Unit | None = None) -> "Pretrained":
        """Read the run of a language model, of this unit if it matters.

        Raises DataError where there is none, DamagedError.
        """
        run, model = language_model_files(folder).values()
        folder, expected = Path(folder), "the run of a language model"
        remedy = "train one: elman train language --out RUN"
        if not run.is_file():
            raise missing_run(folder, expected, remedy)
        if not model.is_file():
            raise DataError(str(folder), f"no {model.name}", expected, remedy)
        facts = read_facts(folder)
        if facts.get("task") != "language":
            raise DataError(str(folder), f"a run of the task {facts.get('task')!r}", expected, remedy)
        language: Any = task_of(folder, facts)
        if unit and language.settings.unit != unit:
            raise DataError(
                str(folder),
                f"a language model of {language.settings.unit}s",
                f"one of {unit}s",
                f"train one: elman train language --unit {unit} --out RUN",
            )
        sizes = {name: getattr(language.settings, name) for name in SIZES}
        return cls(sizes, language.units, read_weights(folder, language))

    def units_for(self, texts: Iterable[str], largest: int) -> Units:
        """Return its units and behind them those that are new in these texts; there are no new subwords."""
        if self.units.kind == "subword":
            return self.units
        counts = Counter(unit for text in texts for unit in self.units.split(text))
        return self.units.extended((unit for unit, _ in counts.most_common()), largest)

    def describe(self, symbols: Sequence[str], normal: Callable[[str], str] = str) -> str:
        """One line for the user: what is taken over, and what is new; see `start`."""
        known = len({*symbols} & {*map(normal, self.units.symbols)})
        layers = counted(self.sizes["layers"], f"{self.sizes['cell']} layer")
        return (
            f"starts from a language model: {layers} of {self.sizes['hidden']}, "
            f"{known:,} of the {counted(len(symbols), self.units.kind)} known to it"
        )

    def start(self, reader: Reader, symbols: Sequence[str], normal: Callable[[str], str] = str) -> None:
        """Give a reader the weights; a symbol that is new starts from the mean of all.

        Args:
            reader: of the task.
            symbols: its dictionary.
            normal: how the dictionary writes a unit of the language model; of those that it writes alike, the
                first counts, which is the most frequent.
        """
        with torch.no_grad():
            reader.embedding.weight.copy_(self.rows(symbols, normal))
            reader.begin.copy_(self.weights["embedding.weight"][END])
        self.start_layers(reader.layers)

    def rows(self, symbols: Sequence[str], normal: Callable[[str], str] = str) -> Tensor:
        """Return the embedding of each symbol, [symbols, I]; see `start`."""
        number = {normal(symbol): i for i, symbol in reversed([*enumerate(self.units.symbols)])}
        weight = self.weights["embedding.weight"]
        mean = weight.mean(0)
        return torch.stack([weight[number[s]] if s in number else mean for s in symbols])

    def start_layers(self, layers: Any) -> None:
        """Give layers of the same sizes the weights of the language model's."""
        with torch.no_grad():
            for name, parameter in layers.named_parameters():
                parameter.copy_(self.weights[f"layers.{name}"])
