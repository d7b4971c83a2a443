"""A language model of characters as a speller: what a run of the `language` task says of the next character.

Letters: K outputs of the task that spells, the blank first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from elman.data.facts import part
from elman.data.source import DataError, quote
from elman.data.units import END
from elman.nn.shapes import OneToMany
from elman.storage import missing_run
from elman.tasks.language import Language, LanguageSettings
from elman.tasks.stored import FACTS, WEIGHTS, read_facts, read_weights, task_of


def read_language(folder: str) -> tuple[Language, OneToMany]:
    """Load a run of the `language` task. Raises DataError where there is none, or one of other units."""
    path = Path(folder)
    if not (path / FACTS).is_file():
        raise missing_run(path, "the folder of a run of language")
    if not (path / WEIGHTS).is_file():
        raise DataError(
            folder, "no trained run", "the folder of a run of language", "give what `elman train --out` named"
        )
    facts = read_facts(path)
    settings = facts.get("settings")
    unit = settings.get("unit") if isinstance(settings, dict) else None
    if facts.get("task") != Language.name or unit != "character":
        raise DataError(
            folder,
            f"a run of {facts.get('task')}" + (f" with --unit {unit}" if unit else ""),
            "a run of language with --unit character",
            f"train one: elman train language TEXT --lines --unit character --out {quote(folder)}",
        )
    language = task_of(path, facts)
    assert isinstance(language, Language)
    weights = read_weights(path, language)
    model = language.model()
    model.load_state_dict(weights)
    return language, model


def language_of(facts: Mapping[str, Any]) -> Language:
    """Restore a language model's dictionary from what `facts_of` gave."""
    settings = LanguageSettings.of(part(facts, "settings"))
    assert isinstance(settings, LanguageSettings)
    return Language.from_facts(part(facts, "learned"), settings)


def facts_of(language: Language) -> dict[str, Any]:
    """Return all that rebuilds a language model but its weights, as JSON holds it."""
    return {"settings": asdict(language.settings), "learned": language.facts()}


class Spelling:
    """The speller (see `elman.nn.ctc.Speller`) of K outputs.

    Args:
        language: the dictionary.
        model: the language model.
        outputs: the K characters, the first of them the blank.
    """

    def __init__(self, language: Language, model: OneToMany, outputs: Sequence[str]) -> None:
        self._model = model
        spelt = [language.units.numbers(character) for character in outputs[1:]]
        self._numbers = torch.tensor([END, *(numbers[0] for numbers in spelt)])

    def __call__(self, symbol: int | None, state: Any) -> tuple[Sequence[float], Any]:
        """Take one more output, and return the log-probabilities of the next, and the state."""
        number = torch.tensor([END]) if symbol is None else self._numbers[symbol : symbol + 1]
        with torch.no_grad():
            scores, state = self._model.step(number, state)
        return scores[0, self._numbers].tolist(), state
