"""What the command line suggests in place of a misspelt word, and that its help needs no torch."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from elman.cli import cli, main
from elman.data.source import did_you_mean, nearest
from elman.tasks import TASKS
from elman.tasks.settings import Settings

FILES = {
    "train.conll": "Ada\tB-PER\nin\tO\nOslo\tB-LOC\n\nIBM\tB-ORG\n",
    "types.conll": "Ada\tB-PRE\n",
    "reviews.csv": "review,sentiment\ngood,positive\nbad,negative\nso so,neutral\n",
    "misspelt.csv": "review,sentiment\ngood,postive\n",
    "capital.csv": "review,sentiment\nbad,NEGATIVE\n",
    "short.csv": "review,sentiment\nbad,neutr\n",
    "genes.csv": "sequence,kind\nACGT,promoter\nAAAA,background\n",
    "others.csv": "sequence,kind\nACGT,promotor\n",
    "sensors.csv": "series,pressure,temperature,label\n1,1,2,up\n2,2,1,down\n",
    "talks.tsv": "path\ttranscript\na.wav\tyes\n",
    "vectors.txt": "Ada 1 2\n",
    "film.tsv": "path\tactivity\nclip.mp4\trun\n",
    "data/dev.conll": "Ada\tB-PER\n",
}
REVIEWS = "train sentiment reviews.csv --text review --label sentiment"
# What was typed, and the first suggestion that is wanted.
TYPOS = [
    # commands
    ("trian ner", "train"),
    ("tarin ner", "train"),
    ("evalute run file", "evaluate"),
    ("eval run file", "evaluate"),
    ("pridict run", "predict"),
    ("genrate run", "generate"),
    ("gen run", "generate"),
    ("smaple ner x", "sample"),
    ("docter", "doctor"),
    ("task", "tasks"),
    ("Train ner", "train"),
    ("ner train.conll", "train ner"),
    ("help evalaute", "evaluate"),
    # options
    ("train ner --hiden 3", "--hidden"),
    ("train ner --hidden-size 3", "--hidden"),
    ("train ner --epoch 3", "--epochs"),
    ("train ner --learning_rate 3", "--learning-rate"),
    ("train ner --batch-size 3", "--batch-steps"),
    ("train ner --num-layers 3", "--layers"),
    ("train ner --vec x", "--vectors"),
    ("train ner --drop-out 0.1", "--dropout"),
    ("train ner -o run", "--out"),
    ("train ner --output run", "--out"),
    ("predict run --jsn", "--json"),
    ("generate run --temprature 1", "--temperature"),
    # tasks
    ("train nerr", "ner"),
    ("train NER", "ner"),
    ("train sentimant", "sentiment"),
    ("train trnaslation", "translation"),
    ("train dan", "dna"),
    ("train lang", "language"),
    ("sample vidoe x", "video"),
    ("help train speach", "speech"),
    # choices
    ("train ner train.conll --cell lsmt", "lstm"),
    ("train sentiment reviews.csv --unit charcter", "character"),
    ("train tagging train.conll --column uops", "upos"),
    # labels
    (f"{REVIEWS} --dev misspelt.csv", "positive"),
    (f"{REVIEWS} --dev capital.csv", "negative"),
    (f"{REVIEWS} --dev short.csv", "neutral"),
    ("train ner train.conll --dev types.conll", "PER"),
    ("train dna genes.csv --label kind --dev others.csv", "promoter"),
    # columns
    ("train sentiment reviews.csv --text reveiw --label sentiment", "review"),
    ("train sentiment reviews.csv --text review --label sentimnt", "sentiment"),
    ("train dna genes.csv --sequence sequnce --label kind", "sequence"),
    ("train series sensors.csv --target temprature", "temperature"),
    ("train series sensors.csv --channels presure,temperature", "pressure"),
    ("train speech talks.tsv --text transcrpt", "transcript"),
    ("train video film.tsv --label activty", "activity"),
    # files
    ("train ner trian.conll", "train.conll"),
    ("train ner train.conl", "train.conll"),
    ("train ner Train.conll", "train.conll"),
    ("train ner train.conll --dev data/dve.conll", "data/dev.conll"),
    ("train ner train.conll --test trian.conll", "train.conll"),
    ("train ner train.conll --vectors vector.txt", "vectors.txt"),
    ("train sentiment review.csv", "reviews.csv"),
    ("train dna gene.csv", "genes.csv"),
    # runs
    ("evaluate models/nre train.conll", "models/ner"),
    ("predict models/sentimant good", "models/sentiment"),
    ("train ner train.conll --init models/langauge", "models/language"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, and three folders that look like runs."""
    folder = tmp_path_factory.mktemp("hints")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("ner", "sentiment", "language"):
        (folder / "models" / name / "plots").mkdir(parents=True)
        (folder / "models" / name / "run.json").write_text("{}")
    return folder


def complaint(words: str, folder: Path) -> str:
    """What a command that fails says on stderr; it writes nothing else."""
    before = sorted(folder.rglob("*"))
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["elman", *words.split()])
        patch.setattr("signal.signal", lambda *_: None)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code in (2, 3)
    assert out.getvalue() == ""
    assert sorted(folder.rglob("*")) == before
    return err.getvalue()


@pytest.mark.parametrize(("words", "meant"), TYPOS, ids=[words for words, _ in TYPOS])
def test_the_first_suggestion_is_what_was_meant(words: str, meant: str, folder: Path) -> None:
    said = complaint(words, folder)
    suggested = re.search(r"[Dd]id you mean '?(.*?)'?\?", said)
    assert suggested, said
    assert suggested[1] == meant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train ner --gpu", "there is no option --gpu; models run on the CPU, which needs no option"),
        ("train ner --device cuda", "there is no option --device; models run on the CPU"),
        ("predict run --cuda", "there is no option --cuda; models run on the CPU"),
        ("train ner --qqq 1", "there is no option --qqq; --help lists the options"),
        ("qqq", "there is no command 'qqq'; the commands are: bench, doctor, "),
        ("help tasks ner", "elman tasks has no commands of its own"),
        ("train train.conll", "the task comes before the file: elman train TASK train.conll"),
        ("evaluate models train.conll", "it holds these runs: language, ner, sentiment"),
        ("evaluate models/xyz train.conll", "models holds these runs: language, ner, sentiment"),
        ("evaluate models/ner/run.json train.conll", "give its folder: models/ner"),
        ("predict models/ner/plots Oslo", "give its folder: models/ner"),
        ("predict train.conll Oslo", "give the folder that `elman train --out` named"),
        ("train ner train.conll --init models/qqq", "models holds these runs: language, ner, sentiment"),
    ],
)
def test_other_ways_out(words: str, said: str, folder: Path) -> None:
    assert said in complaint(words, folder)


def test_many_runs_are_not_all_named(tmp_path: Path) -> None:
    for number in range(10, 30):
        (tmp_path / f"fold-{number}").mkdir()
        (tmp_path / f"fold-{number}" / "run.json").write_text("{}")
    said = complaint(f"predict {tmp_path} Oslo", tmp_path)
    assert "fold-17, ..." in said
    assert "fold-18" not in said


def test_what_is_like_nothing_has_no_suggestion() -> None:
    assert nearest("qqq", ["train", "predict"]) is None
    assert nearest("--", ["--train"]) is None
    assert did_you_mean("x", []) is None


# Settings


def test_a_choice_may_be_in_any_case() -> None:
    assert Settings(cell="LSTM") == Settings.of({"cell": "Lstm"}) == Settings(cell="lstm")


def test_settings_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="no setting 'lr'; did you mean 'learning_rate'"):
        Settings.of({"lr": 0.1})
    with pytest.raises(ValueError, match="no setting 'device'; models run on the CPU"):
        Settings.of({"device": "cuda"})


# Help

HELPS = [
    ["--help"],
    ["train", "--help"],
    *(["train", task, "--help"] for task in TASKS),
    *([name, "--help"] for name in ("evaluate", "predict", "generate", "draw", "sample", "bench", "doctor")),
    ["help"],
    ["help", "train", "ner"],
    ["tasks"],
]


def test_no_help_imports_torch() -> None:
    """In one process, in which each help is asked for after the other."""
    code = (
        "import contextlib, io, json, sys\n"
        "from elman.cli import main\n"
        "told = []\n"
        f"for words in {HELPS!r}:\n"
        "    sys.argv = ['elman', *words]\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit): main()\n"
        "    told.append([out.getvalue(), 'torch' in sys.modules])\n"
        "print(json.dumps(told))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for words, (text, torch) in zip(HELPS, json.loads(done.stdout), strict=True):
        assert ("Usage: elman" in text) == (words != ["tasks"]), words
        assert not torch, words


def test_help_says_what_the_option_says(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for words in (["train", "ner", "--help"], ["help", "train", "ner"]):
        with pytest.raises(SystemExit):
            cli.main(words, "elman")
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "--learning-rate, --lr FLOAT" in told[0]


def test_the_shell_completes_commands_and_options() -> None:
    def complete(*words: str) -> list[str]:
        number = str(len(words))
        done = subprocess.run(
            [sys.executable, "-c", "from elman.cli import main; main()"],
            env={
                "_ELMAN_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["elman", *words]),
                "COMP_CWORD": number,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return [line.partition(",")[2] for line in done.stdout.split()]

    assert complete("train", "se") == ["sentiment", "series"]
    assert complete("train", "ner", "--ep") == ["--epochs"]
    assert complete("train", "nerr", "--ep") == []
