"""Text in units: words, characters or subwords, as numbers and back.

Every dictionary begins with the same four: padding, the unknown, the begin and the end of a sequence.

Source of the subwords: Kudo and Richardson 2018, "SentencePiece: a simple and language independent subword
tokenizer and detokenizer".
"""

import base64
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import regex

from elman.data.extras import need
from elman.data.facts import flag, text, texts
from elman.data.source import DataError, counted
from elman.data.text import COMPOUND, LETTER
from elman.data.vocabulary import PADDING, UNKNOWN, Vocabulary

Unit = Literal["word", "character", "subword"]
UNITS: tuple[Unit, ...] = ("word", "character", "subword")
BEGIN, END = 2, 3
LONGEST_TEXT = 2**30  # bytes, as many as sentencepiece takes; longer texts it leaves out in silence
LARGEST_MODEL = 3 << 20  # bytes of a model of subwords; 8,000 of them take 0.4 million
LEAST_KNOWN = 0.98  # of a text's characters, as few as sentencepiece takes
_MARKS = ("<begin>", "<end>")
_WORD = regex.compile(rf"<{LETTER}+>|{COMPOUND}")
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?%)\]}…])|(?<=[(\[{]) ")


@dataclass(frozen=True)
class Units:
    """A dictionary of one kind of unit.

    Args:
        kind: word, character or subword.
        symbols: the dictionary; of subwords, in the order of the model.
        lower: whether letters are read in lower case.
        model: of sentencepiece, where the units are subwords.

    >>> words = Units.of(["the cat saw the dog"], "word")
    >>> words.numbers("The cat!"), words.text(words.numbers("the dog"))
    ([4, 5, 1], 'the dog')
    """

    kind: Unit
    symbols: tuple[str, ...]
    lower: bool = True
    model: bytes | None = None

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        kind: Unit,
        *,
        largest: int = 50_000,
        min_count: int = 1,
        lower: bool = True,
        seed: int = 0,
    ) -> "Units":
        """Learn a dictionary of at most `largest` units, four marks included, from texts.

        Raises MissingError where the units are subwords and sentencepiece is not installed.
        """
        texts = [text.lower() for text in texts] if lower else list(texts)
        if kind == "subword":
            model = _learn_subwords(texts, largest)
            return cls(kind, _pieces(model), lower, model)
        split = _WORD.findall if kind == "word" else list
        symbols = Vocabulary.of(
            (symbol for text in texts for symbol in split(text)), min_count=min_count, largest=largest - 2
        ).symbols
        return cls(kind, (*symbols[:2], *_MARKS, *(s for s in symbols[2:] if s not in _MARKS)), lower)

    def extended(self, symbols: Iterable[str], largest: int) -> "Units":
        """Return units with these words or characters behind their own, as many as make it `largest`."""
        assert self.kind != "subword", "a model of subwords cannot grow"
        joined = tuple(dict.fromkeys((*self.symbols, *symbols)))
        return Units(self.kind, joined[: max(largest, len(self))], self.lower)

    def __len__(self) -> int:
        """Return the size of the dictionary, the four marks included."""
        return len(self.symbols)

    def split(self, text: str) -> list[str]:
        """Return the text's units as they are written; one that is not in the dictionary too."""
        text = text.lower() if self.lower else text
        if self.kind == "subword":
            return self._processor.encode(text, out_type=str)
        return _WORD.findall(text) if self.kind == "word" else list(text)

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of a text's units, without marks; `UNKNOWN` for one not in the dictionary."""
        if self.kind == "subword":
            return self._processor.encode(text.lower() if self.lower else text)
        numbers = self._vocabulary.numbers(self.split(text))
        return [n if n > END else UNKNOWN for n in numbers]  # who writes <end> ends nothing

    def text(self, numbers: Sequence[int]) -> str:
        """Return the text that numbers stand for; padding, begin and end say nothing."""
        said = [n for n in numbers if n not in (PADDING, BEGIN, END)]
        if self.kind == "subword":
            return self._processor.decode(said)
        symbols = [self.symbols[n] for n in said]
        return "".join(symbols) if self.kind == "character" else _NO_SPACE_BEFORE.sub("", " ".join(symbols))

    def facts(self) -> dict[str, Any]:
        """Return the dictionary, as JSON holds it."""
        if self.model is not None:
            return {"kind": self.kind, "lower": self.lower, "model": base64.b64encode(self.model).decode()}
        return {"kind": self.kind, "lower": self.lower, "symbols": self.symbols}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Units":
        """Restore what `facts` gave. Raises ValueError where it did not give it."""
        kind, lower = text(facts, "kind"), flag(facts, "lower")
        if kind == "subword":
            model = base64.b64decode(text(facts, "model"), validate=True)
            if not 0 < len(model) <= LARGEST_MODEL:
                raise ValueError(f"a model of {len(model):,} bytes; it has 1 to {LARGEST_MODEL:,}")
            return cls(kind, _pieces(model), lower, model)
        symbols = texts(facts, "symbols")
        if kind not in UNITS or symbols[2 : END + 1] != _MARKS:
            raise ValueError(f"units must be {', '.join(UNITS)}, and begin with the four marks")
        return cls(kind, symbols, lower)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.symbols)

    @cached_property
    def _processor(self) -> Any:
        assert self.model is not None
        return _processor(self.model)


def _learn_subwords(texts: Sequence[str], largest: int) -> bytes:
    """Learn a unigram model. It is smaller than `largest` where the texts do not have as many pieces."""
    sentencepiece = need("sentencepiece", "text")
    model = io.BytesIO()
    characters = Counter[str]()
    for line in texts:
        characters.update(line)
    # Each character that is known is a piece; at most half of the pieces shall be, and the rarest go first.
    known = sum(count for _, count in characters.most_common(largest // 2))
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=largest,
            hard_vocab_limit=False,
            character_coverage=max(LEAST_KNOWN, known / characters.total()),
            max_sentence_length=LONGEST_TEXT,
            normalization_rule_name="nmt_nfkc",
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            num_threads=1,  # more of them sum in another order
            minloglevel=2,
        )
    except RuntimeError as error:
        if "required_chars" not in str(error):
            raise
        raise DataError(
            "the dictionary",
            f"{counted(largest, 'subword')} for texts of {len(characters):,} different characters",
            "a subword for each character, and some more",
            "make it larger, or take characters for units",
        ) from None
    if len(model.getvalue()) > LARGEST_MODEL:
        raise DataError(
            "the dictionary",
            f"{counted(largest, 'subword')}: a model of {len(model.getvalue()):,} bytes",
            f"at most {LARGEST_MODEL:,}",
            "make it smaller",
        )
    return model.getvalue()


def _processor(model: bytes) -> Any:
    return need("sentencepiece", "text").SentencePieceProcessor(model_proto=model)


def _pieces(model: bytes) -> tuple[str, ...]:
    try:
        processor = _processor(model)
    except RuntimeError as error:
        raise ValueError(f"no model of subwords: {error}") from None
    return tuple(processor.id_to_piece(number) for number in range(processor.get_piece_size()))
