"""A language model that another task starts from. Imports no torch.

Source: Peters et al. 2018, "Deep contextualized word representations"; Howard and Ruder 2018, "Universal language
model fine-tuning for text classification".

Letters: I size of an embedding.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.source import DataError, counted
from elman.data.units import Unit, Units
from elman.storage import DamagedError, read_json, read_tensors

FILES = ("run.json", "model.safetensors")
SIZES = ("cell", "size", "hidden", "layers")


@dataclass(frozen=True)
class Pretrained:
    """What a task takes over from the run of a language model: its sizes, units and weights."""

    sizes: Mapping[str, Any]
    units: Units
    weights: Mapping[str, np.ndarray]

    @classmethod
    def load(cls, folder: str | Path, unit: Unit | None = None) -> "Pretrained":
        """Read the run of a language model, of this unit if it matters.

        Raises DataError where there is none, DamagedError.
        """
        run, model = files = [Path(folder) / name for name in FILES]
        expected, remedy = "the run of a language model", "train one: elman train language --out RUN"
        for file in files:
            if not file.is_file():
                raise DataError(str(folder), f"no {file.name}", expected, remedy)
        facts = read_json(run)
        if facts.get("task") != "language":
            raise DataError(str(folder), f"a run of the task {facts.get('task')!r}", expected, remedy)
        if unit and facts["settings"]["unit"] != unit:
            raise DataError(
                str(folder),
                f"a language model of {facts['settings']['unit']}s",
                f"one of {unit}s",
                f"train one: elman train language --unit {unit} --out RUN",
            )
        weights, _ = read_tensors(model, "np")
        try:
            sizes = {name: facts["settings"][name] for name in SIZES}
            return cls(sizes, Units.from_facts(facts["learned"]["units"]), weights)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(run, f"no language model of this version of elman ({error})") from None

    def units_for(self, texts: Iterable[str], largest: int) -> Units:
        """Return its units and behind them those that are new in these texts; there are no new subwords."""
        if self.units.kind == "subword":
            return self.units
        counts = Counter(unit for text in texts for unit in self.units.split(text))
        return self.units.extended((unit for unit, _ in counts.most_common()), largest)

    def describe(self, symbols: Sequence[str], normal: Callable[[str], str] = str) -> str:
        """One line for the user: what is taken over, and what is new; see `embeddings`."""
        known = len({*symbols} & {*map(normal, self.units.symbols)})
        layers = counted(self.sizes["layers"], f"{self.sizes['cell']} layer")
        return (
            f"starts from a language model: {layers} of {self.sizes['hidden']}, "
            f"{known:,} of the {counted(len(symbols), self.units.kind)} known to it"
        )

    def embeddings(self, symbols: Sequence[str], normal: Callable[[str], str] = str) -> np.ndarray:
        """Return the embedding of each symbol, [symbols, I]; one that is new gets the mean of all.

        Args:
            symbols: a vocabulary.
            normal: how the vocabulary writes a unit of the language model; of those that it writes alike, the
                first counts, which is the most frequent.
        """
        number = {normal(symbol): i for i, symbol in reversed([*enumerate(self.units.symbols)])}
        weight = self.weights["embedding.weight"]
        mean = weight.mean(0)
        return np.stack([weight[number[s]] if s in number else mean for s in symbols])


def pretrained_files(folder: str | None) -> dict[str, Path]:
    """Return the files that a run depends on which starts from the language model in `folder`, if any."""
    return {f"init {name}": Path(folder) / name for name in FILES} if folder else {}
