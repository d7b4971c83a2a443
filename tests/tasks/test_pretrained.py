"""Starting from a language model: what is carried over, what is new, what thaws when, and the errors."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from elman import training
from elman.data.batch import pack, unpack
from elman.data.fasta import distributions
from elman.data.source import DataError
from elman.data.strands import frames
from elman.data.units import END
from elman.nn.shapes import OneToMany
from elman.run import Run
from elman.storage import DamagedError, read_json, write_json
from elman.tasks import find
from elman.tasks.dna import DNA, DNASettings
from elman.tasks.language import Language
from elman.tasks.pretrained import Pretrained, Reader
from elman.tasks.sentiment import Sentiment, SentimentSettings
from elman.tasks.words import normal

TEXT = [
    "The film was great",
    "the plot was dull in 1990",
    "a great cast , and the film",
    "dull , dull plot",
] * 5
REVIEWS = [
    ("the film was superb", "yes"),
    ("a dull plot", "no"),
    ("great cast", "yes"),
    ("dull film", "no"),
] * 5

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Language models of the same text in words and in subwords, and the text as other tasks' files."""
    folder = tmp_path_factory.mktemp("pretrained")
    text, reviews, tags = folder / "text.txt", folder / "reviews.tsv", folder / "tags.conll"
    text.write_text("".join(f"{line}\n" for line in TEXT))
    reviews.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in REVIEWS))
    tags.write_text(
        "".join(
            "".join(f"{word}\t{'B-X' if word == 'film' else 'O'}\n" for word in line.split()) + "\n"
            for line in TEXT
        )
    )
    for side in ("source", "target"):
        (folder / f"pairs.{side}").write_text("".join(f"{line} {side}\n" for line in TEXT))
    strands, labelled = folder / "strands.txt", folder / "strands.fa"
    strands.write_text("acgttgca\nggttaaccgt\ncat\n" * 9)
    pairs = (f">a{i} label=x\nACGTTGCAGT\n>b{i} label=y\nGGTTAACNRTTA\n" for i in range(9))
    labelled.write_text("".join(pairs))
    made = {"strands": labelled, "reviews": reviews, "tags": tags, "pairs": folder / "pairs"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", lambda *_: None)
        models = {
            "word": (text, {"lower": True}),
            "subword": (text, {"largest": 45}),
            "character": (strands, {}),
        }
        for unit, (file, more) in models.items():
            made[unit] = folder / unit
            settings: dict[str, Any] = {"size": 6, "hidden": 5, "layers": 2, "epochs": 1, "min_count": 1}
            training.train("language", file, unit=unit, out=made[unit], lines=True, **settings, **more)
    return made


def voice(run: Path) -> OneToMany:
    model = Run.load(run).model
    assert isinstance(model, OneToMany)
    return model


def critic(runs: dict[str, Path], unit: str) -> Sentiment:
    """The sentiment task as it starts from a language model of a unit."""
    settings = SentimentSettings.of({"init": str(runs[unit])})
    assert isinstance(settings, SentimentSettings)
    return Sentiment.learn(Sentiment.read(str(runs["reviews"]), settings).examples, settings)


def test_a_reader_has_the_states_of_the_language_model(runs: dict[str, Path]) -> None:
    pretrained, model = Pretrained.load(runs["word"]), voice(runs["word"])
    reader = Reader(len(pretrained.units), pretrained.sizes)
    pretrained.start(reader, pretrained.units.symbols)
    texts = [pretrained.units.numbers(text) for text in ("the film was great", "dull")]
    read = reader(pack(texts).data, pack(texts))
    whole = model.embedding(pack([[END, *text] for text in texts]).data)
    outputs, _ = model.layers(PackedSequence(whole, *pack([[END, *text] for text in texts])[1:]))
    torch.testing.assert_close(read[:, :6], model.embedding(pack(texts).data))
    torch.testing.assert_close(read[:, 6:], outputs.data[2:])  # without those behind the end


def test_words_are_carried_over_and_new_ones_start_from_the_mean(runs: dict[str, Path]) -> None:
    pretrained, model = Pretrained.load(runs["word"]), voice(runs["word"])
    task = critic(runs, "word")
    assert task.units.symbols == (*pretrained.units.symbols, "superb")
    assert task.remarks == (
        f"starts from a language model: 2 lstm layers of 5, {len(task.units) - 1} of the {len(task.units)} "
        "words known to it",
    )
    weight = task.model().unit.embedding.weight
    torch.testing.assert_close(weight[:-1], model.embedding.weight)
    torch.testing.assert_close(weight[-1], model.embedding.weight.mean(0))


def test_subwords_are_carried_over_as_they_are(runs: dict[str, Path]) -> None:
    task = critic(runs, "subword")
    assert task.units.facts() == Pretrained.load(runs["subword"]).units.facts()
    assert task.settings.unit == "subword"


def test_words_that_a_task_writes_alike_start_from_the_most_frequent(runs: dict[str, Path]) -> None:
    pretrained = Pretrained.load(runs["word"])
    rows = pretrained.rows(["film", "0000", "zebra"], normal)
    weight, symbols = pretrained.weights["embedding.weight"], pretrained.units.symbols
    torch.testing.assert_close(rows[0], weight[symbols.index("film")])
    torch.testing.assert_close(rows[1], weight[symbols.index("1990")])
    torch.testing.assert_close(rows[2], weight.mean(0))


@pytest.mark.parametrize(
    ("task", "file", "unit"),
    [
        ("sentiment", "reviews", "word"),
        ("sentiment", "reviews", "subword"),
        ("ner", "tags", "word"),
        ("tagging", "tags", "word"),
        ("translation", "pairs", "subword"),
        ("dna", "strands", "character"),
    ],
)
def test_a_task_trains_from_it_and_is_whole_without_it(
    runs: dict[str, Path], task: str, file: str, unit: str, tmp_path: Path
) -> None:
    init = tmp_path / "init"
    shutil.copytree(runs[unit], init)
    settings: dict[str, Any] = {
        "hidden": 6,
        "epochs": 2,
        "dropout": 0.0,
        "batch_steps": 40,
        "init": str(init),
    }
    run = training.train(task, runs[file], out=tmp_path / "run", **settings)
    saved = read_json(tmp_path / "run" / "run.json")["data"]
    assert {"init run.json", "init model.safetensors"} <= saved.keys()
    shutil.rmtree(init)
    examples = run.read(runs[file]).examples[:4]
    assert Run.load(tmp_path / "run").answers(examples) == run.answers(examples)


def test_the_bases_of_dna_are_read_as_the_language_model_reads_them(runs: dict[str, Path]) -> None:
    """Frames three bases apart too: its state is that behind every third base."""
    settings = DNASettings.of({"init": str(runs["character"])})
    assert isinstance(settings, DNASettings)
    pretrained = Pretrained.load(runs["character"])
    strands = ["ACGTTGCATTACGGT", "GATTACA", "CCCGGGTTTA"]
    wanted = [whole(voice(runs["character"]), pretrained.units.numbers(strand.lower())) for strand in strands]
    for per_base, phase, apart in ((True, 0, 1), (False, 1, 3)):
        task = DNA(settings, "xy", per_base, pretrained.sizes)
        task._pretrained = pretrained
        model = task.model()
        assert model.language is not None
        batch = [torch.from_numpy(frames(distributions(strand))[phase::apart]) for strand in strands]
        packed = pack_sequence(batch, enforce_sorted=False)
        found = unpack(model._understood(model.language, packed), packed)
        for rows, states in zip(found, wanted, strict=True):
            behind = states[apart - 1 :: apart]
            torch.testing.assert_close(rows[: len(behind)], behind)
            assert len(rows) - len(behind) in (0, 1)  # one more where the sequence ends within its bases


def whole(model: OneToMany, numbers: list[int]) -> torch.Tensor:
    """Return the states of the language model behind each unit, [T, H]."""
    outputs, _ = model.layers(model.embedding(torch.tensor([END, *numbers]))[:, None])
    return outputs[1:, 0]


def test_layers_thaw_from_the_top(runs: dict[str, Path], tmp_path: Path) -> None:
    """For an epoch all of them rest: they have the language model's weights, bit by bit."""
    settings: dict[str, Any] = {"hidden": 4, "epochs": 1, "init": str(runs["word"])}
    run = training.train("sentiment", runs["reviews"], out=tmp_path / "run", **settings)
    before, reader = voice(runs["word"]), run.model.get_submodule("unit")
    assert isinstance(reader, Reader)
    assert reader.layers is not None
    assert torch.equal(reader.embedding.weight[:-1], before.embedding.weight)
    for (name, weight), old in zip(reader.layers.named_parameters(), before.layers.parameters(), strict=True):
        assert torch.equal(weight, old), name
    depths = run.task.depths(run.model)
    assert {name: depth for name, depth in depths.items() if "bias" not in name} == {
        "unit.embedding.weight": 3,
        "unit.layers.weight_ih_l0": 2,
        "unit.layers.weight_hh_l0": 2,
        "unit.layers.weight_ih_l1": 1,
        "unit.layers.weight_hh_l1": 1,
    }


def test_without_it_nothing_lies_deep() -> None:
    assert Reader(5, {"size": 3}).depths("unit") == {}
    assert Reader(5, {"size": 3}).output_size == 3


@pytest.mark.parametrize("task", ["ner", "tagging"])
def test_word_vectors_and_a_language_model_are_one_too_many(task: str) -> None:
    with pytest.raises(ValueError, match="vectors and init are both what the words start from; give one"):
        find(task).settings_type.of({"vectors": "v.txt", "init": "runs/lm"})


def test_what_is_no_language_model_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    remedy = "\n  expected the run of a language model\n  train one: elman train language --out RUN"
    with pytest.raises(DataError) as caught:
        Pretrained.load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: found no run.json{remedy}"
    shutil.copytree(runs["word"], tmp_path / "other")
    facts = read_json(tmp_path / "other" / "run.json")
    write_json(tmp_path / "other" / "run.json", {**facts, "task": "ner"})
    with pytest.raises(DataError) as caught:
        Pretrained.load(tmp_path / "other")
    assert str(caught.value) == f"{tmp_path / 'other'}: found a run of the task 'ner'{remedy}"
    write_json(tmp_path / "other" / "run.json", {**facts, "learned": {}})
    with pytest.raises(DamagedError, match="no run of this version of elman"):
        Pretrained.load(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedError):
        Pretrained.load(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"other: found no model\.safetensors"):
        Pretrained.load(tmp_path / "other")


def test_a_language_model_of_other_units_is_refused(runs: dict[str, Path]) -> None:
    with pytest.raises(DataError) as caught:
        Pretrained.load(runs["subword"], "word")
    assert str(caught.value) == (
        f"{runs['subword']}: found a language model of subwords\n  expected one of words\n"
        "  train one: elman train language --unit word --out RUN"
    )


def test_it_reads_what_the_language_task_writes() -> None:
    assert Language.name == "language"
    assert {"cell", "size", "hidden", "layers", "unit"} <= Language.settings_type.__dataclass_fields__.keys()
