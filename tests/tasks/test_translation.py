"""What translation promises beside the battery."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import torch

from elman.data.batch import unpack
from elman.data.parallel import Pair
from elman.data.source import DataError
from elman.data.units import BEGIN, END
from elman.learning.lexicon import Lexicon
from elman.learning.metrics import translation_scores
from elman.tasks.translation import Translation, TranslationSettings

PAIRS = [
    Pair("the cat sees the dog", "die Katze sieht den Hund", "train.en:1"),
    Pair("the dog sees the cat", "der Hund sieht die Katze", "train.en:2"),
    Pair("a man sleeps", "ein Mann schläft", "train.en:3"),
    Pair("a man sees a boat in the harbour", "ein Mann sieht ein Boot im Hafen", "train.en:4"),
]


def settings(**given: Any) -> TranslationSettings:
    made = TranslationSettings.of({"hidden": 8, "size": 8, **given})
    assert isinstance(made, TranslationSettings)
    return made


@pytest.fixture
def task() -> Translation:
    return Translation.learn(PAIRS, settings())


def test_scores_are_those_of_sacrebleu() -> None:
    gold = ["Ein Mann schläft.", "Die Katze sieht den Hund, der bellt.", "Zwei Boote liegen im Hafen."]
    said = ["Ein Mann schläft.", "Die Katze sieht den Hund.", "Zwei Boote im Hafen liegen."]
    scores = translation_scores(gold, said, sacrebleu.metrics)
    assert scores["value"] == sacrebleu.corpus_bleu(said, [gold]).score
    assert scores["chrf"] == sacrebleu.corpus_chrf(said, [gold]).score
    assert 20 < scores["value"] < 100
    assert scores["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert scores["chrf_signature"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0")
    assert translation_scores(gold, gold, sacrebleu.metrics)["value"] == pytest.approx(100)
    assert translation_scores(gold, ["", "", ""], sacrebleu.metrics)["value"] == 0


def test_a_batch_holds_real_steps_only(task: Translation) -> None:
    batch = task.batch(PAIRS, answers=True)
    assert batch.target is not None
    assert batch.targets is not None
    said = unpack(batch.target.data, batch.target)
    wanted = unpack(batch.targets, batch.target)
    for pair, source, before, after in zip(
        PAIRS, unpack(batch.source.data, batch.source), said, wanted, strict=True
    ):
        assert task.units.text(source.tolist()) == pair.source
        assert task.units.text(after.tolist()) == pair.target
        assert source[-1] == after[-1] == END
        assert before.tolist() == [BEGIN, *after[:-1].tolist()]


def test_text_that_no_unit_stands_for_is_answered(task: Translation) -> None:
    torch.manual_seed(0)
    model = task.model().eval()
    questions = [task.question(text) for text in ("日本", "\u200b", "a\tman")]
    assert all(isinstance(answer, str) for answer in task.answers(model, questions))


def test_the_dictionary_is_smaller_where_there_is_less_text() -> None:
    few = Translation.learn(PAIRS, settings())
    many = [Pair(f"{p.source} {i}", f"{p.target} {i * 7}", p.place) for i in range(300) for p in PAIRS]
    more = Translation.learn(many, settings())
    least = Translation.learn(many, settings(largest=150))
    assert len(few.units) < len(more.units) < 1500
    assert len(least.units) <= 150


def test_swapped_files_are_refused(task: Translation) -> None:
    task.check(PAIRS)
    with pytest.raises(DataError, match="found the languages swapped"):
        task.check([Pair(p.target or "", p.source, p.place) for p in PAIRS])
    loaded = Translation.from_facts(task.facts(), settings())
    loaded.check(PAIRS)


def test_sides_that_are_the_same_are_told() -> None:
    same = [Pair(pair.source, pair.source, pair.place) for pair in PAIRS]
    remarks = Translation.learn(same, settings()).remarks
    assert remarks[-1] == "warning: in 4 of 4 pairs both sides are the same"


def test_a_dictionary_of_single_words() -> None:
    lexicon = Lexicon([("the house", "das Haus"), ("the book", "das Buch"), ("a book", "ein Buch")])
    assert lexicon("a house, a xylophone") == "ein Haus, ein xylophone"
    with pytest.raises(ValueError, match="no pair"):
        Lexicon([])


def test_baselines(task: Translation) -> None:
    baselines = task.baselines(PAIRS)
    assert list(baselines) == ["word_for_word", "copy_of_the_source"]
    assert baselines["copy_of_the_source"](PAIRS) == [pair.source for pair in PAIRS]
    assert baselines["word_for_word"](PAIRS[2:3])[0].endswith("schläft")


def test_the_picture_shows_where_each_subword_looked(task: Translation) -> None:
    torch.manual_seed(0)
    heatmap = task.picture(task.model().eval(), PAIRS[3])
    assert heatmap.values.shape == (len(heatmap.rows), len(heatmap.columns))
    assert heatmap.values.sum(1) == pytest.approx(1, abs=1e-5)
    assert "".join(heatmap.columns).replace("▁", " ") == f" {PAIRS[3].source}(end)"
    assert "".join(heatmap.rows).replace("▁", " ") == f" {PAIRS[3].target}(end)"
    said = task.picture(task.model().eval(), task.question("a man"))
    assert len(said.columns) == len(task.numbers("a man"))


@pytest.mark.parametrize(
    ("name", "content", "records"),
    [
        ("x.tsv", "source\ttarget\na\tb\n", True),
        ("x", "target\tsource\na\tb\n", True),
        ("x.jsonl", '{"source": "a"}\n', True),
        ("x.en", "A man, a plan.\n", False),
        ("x.txt", "the source\n", False),
    ],
)
def test_tables_are_told_from_plain_text(
    task: Translation, name: str, content: str, records: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert task.has_records(str(tmp_path / name)) == records


def test_a_table_without_translations_is_answered(task: Translation, tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("id\tsource\n1\ta man\n2\tthe cat\n")
    questions = task.questions(str(path)).examples
    assert [q.source for q in questions] == ["a man", "the cat"]
    assert [q.place for q in questions] == [f"{path}:2", f"{path}:3"]


def test_training_is_judged_by_the_most_probable_subwords(
    task: Translation, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = []

    def translate(_: Any, batch: Any, width: int) -> Sequence[str]:
        widths.append(width)
        return ["ein Mann"] * len(batch.longest)

    monkeypatch.setattr(task, "_translate", translate)
    model = task.model().eval()
    task.score(model, PAIRS)
    task.answers(model, PAIRS)
    assert widths == [1, 5]


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="size and beam must be at least 1 and largest at least 100, got 8"):
        settings(beam=0)
