"""The command line: exit codes, what goes to stdout and what to stderr, one good error for each bad input.

(A long file, because of its tables of misspellings and bad input.)
"""

import bz2
import gzip
import io
import json
import lzma
import math
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from elman import training
from elman.cli import main
from elman.data.columns import read_columns
from elman.data.source import DataError
from elman.data.tags import spans
from elman.learning.fit import Progress, fit
from elman.learning.metrics import entity_scores
from elman.run import Run
from elman.storage import DiskFullError, read_json, write_json
from elman.tasks import TASKS
from elman.tasks.ner import NER

Files = dict[str, Path]
Settings = dict[str, Any]
COMMANDS = ("bench", "doctor", "draw", "evaluate", "generate", "help", "predict", "sample", "tasks", "train")


class Told(NamedTuple):
    """What a command gave back."""

    code: object
    out: str
    err: str


Call = Callable[..., Told]


@pytest.fixture
def elman(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run a command in this process, as the console script does."""

    def call(*words: object, stdin: str | bytes = "") -> Told:
        given = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "argv", ["elman", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return Told(end.value.code, shown.out, shown.err)

    handler = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, handler)


def process(code: str, *words: object, **options: Any) -> subprocess.Popen[str]:
    """Run a command in a process of its own; the code runs `main()`."""
    command = [sys.executable, "-c", code, *map(str, words)]
    pipes: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.Popen(command, text=True, **{**pipes, **options})


def flags(settings: Settings) -> list[str]:
    return [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", str(value))]


# Help and spelling


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\nfrom elman.cli import main\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'rich', 'safetensors'}\ntry: main()\n"
        "finally: print(*sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    helped = process(code, "--help")
    out, err = helped.communicate()
    assert (helped.returncode, err) == (0, "\n")
    assert [line.split()[0] for line in out.split("Commands:\n")[1].splitlines()] == list(COMMANDS)


@pytest.mark.parametrize("words", [["-h"], ["train", "--help"], ["train", "ner", "-h"], ["predict", "-h"]])
def test_help_of_each_command(elman: Call, words: list[str]) -> None:
    told = elman(*words)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("Usage: elman ")


def test_every_setting_is_an_option(elman: Call) -> None:
    from elman.tasks import find

    for task in TASKS:
        helped = elman("train", task, "--help").out
        assert find(task).summary in " ".join(helped.split())
        for name in find(task).settings_type.__dataclass_fields__:
            assert f"--{name.replace('_', '-')}" in helped


def test_no_command_shows_the_help(elman: Call) -> None:
    told = elman()
    assert told.code == 2
    assert "Commands:" in told.out + told.err


def test_tasks_are_listed(elman: Call) -> None:
    told = elman("tasks")
    assert (told.code, told.err) == (0, "")
    for task in TASKS:
        assert re.search(rf"^{task}\s", told.out, re.MULTILINE)
    for word in ("shape", "input files", "metric", "entity_f1"):
        assert word in told.out


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ("trian ner", 2, "did you mean 'train'?"),
        ("train nerr", 2, "there is no task 'nerr'; did you mean 'ner'?"),
        ("train zzz", 2, "there is no task 'zzz'; the tasks are: ner"),
        ("sample nerr x", 2, "there is no task 'nerr'; did you mean 'ner'?"),
        ("train ner --hiden 3", 2, "'--hidden'"),
        (
            "train ner train.conll --cell lsmt",
            2,
            "cell must be one of rnn, gru, lstm, got 'lsmt'; did you mean 'lstm'?",
        ),
        ("train ner trian.conll", 3, "No such file: trian.conll. Did you mean train.conll?"),
        ("train ner train.conll --dev train.conl", 3, "No such file: train.conl. Did you mean train.conll?"),
        ("train ner train.conll --hidden many", 2, "'many' is not a valid integer"),
        ("train ner train.conll --dropout 1.5", 2, "dropout must be from 0 to less than 1, got 1.5"),
        ("train ner --dev train.conll", 2, "dev and test need a training file beside them"),
        ("evaluate", 2, "Missing argument 'RUN'"),
    ],
)
def test_misspellings(
    elman: Call, words: str, code: int, hint: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files["train"].parent)
    before = sorted(Path().iterdir())
    told = elman(*words.split())
    assert (told.code, told.out) == (code, "")
    assert hint in told.err
    assert sorted(Path().iterdir()) == before


# What the commands give


@pytest.fixture
def short(settings: Settings) -> list[str]:
    return flags({**settings, "epochs": 1})


@pytest.mark.usefixtures("no_pictures")
def test_train_puts_figures_on_stdout_and_talk_on_stderr(
    elman: Call, files: Files, short: list[str], tmp_path: Path
) -> None:
    told = elman("train", "ner", files["train"], "--dev", files["dev"], "--out", tmp_path / "run", *short)
    assert told.code == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = [re.split(r"\s\s+", line.strip()) for line in told.out.splitlines()]
    assert rows[0] == ["data", "method", "entity_f1", "precision", "recall"]
    assert [row[1] for row in rows[1:]] == ["this model", "most frequent tag", "standard network"]
    judged = [metrics["dev"], *(baseline["dev"] for baseline in metrics["baselines"].values())]
    best = max(figures["value"] for figures in judged)
    for row, figures in zip(rows[1:], judged, strict=True):
        star = " *" if figures["value"] == best else ""
        assert row[2:] == [
            f"{figures['value']:.4f}{star}",
            *(f"{figures[n]:.4f}" for n in ("precision", "recall")),
        ]
    assert "train " in told.err
    assert "30 sentences, 475 tokens, IOB2, 3 types" in told.err
    assert re.search(r"epoch   1  loss +\d+\.\d+  dev \d\.\d{4} kept", told.err)
    assert "\x1b" not in told.out + told.err
    assert "━" not in told.err


@pytest.mark.usefixtures("no_pictures")
def test_train_prints_one_json_object(elman: Call, files: Files, short: list[str], tmp_path: Path) -> None:
    call = ["train", "ner", files["train"], "--dev", files["dev"], "--test", files["test"], *short]
    told = elman(*call, "--out", tmp_path / "run", "--json")
    assert told.code == 0
    assert json.loads(told.out) == json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_evaluate(elman: Call, trained: Path, files: Files) -> None:
    expected = json.loads((trained / "metrics.json").read_text())["test"]
    told = elman("evaluate", trained, files["test"], "--json")
    assert told.code == 0
    assert json.loads(told.out) == expected
    assert told.err.startswith(f"{files['test']}: 10 sentences, ")
    told = elman("evaluate", trained, files["test"])
    assert told.code == 0
    assert re.search(rf"^all\s+{expected['value']:.4f}\s+{expected['precision']:.4f}", told.out, re.MULTILINE)
    for kind, figures in expected["per_type"].items():
        assert re.search(rf"^{kind}\s+{figures['f1']:.4f}\s", told.out, re.MULTILINE)
    assert expected["signature"] in told.out
    assert "\x1b" not in told.out + told.err


def test_evaluate_warns_of_what_training_never_showed(
    elman: Call, trained: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "warning" not in elman("evaluate", trained, files["test"]).err
    monkeypatch.setattr(Run, "doubt", lambda *_: "file:3: found a label")
    told = elman("evaluate", trained, files["test"])
    assert (told.code, told.err.splitlines()[-1]) == (0, "warning: file:3: found a label")


def test_evaluate_skips_what_is_bad_when_told_to(
    elman: Call, trained: Path, files: Files, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.conll"
    bad.write_text(files["test"].read_text(encoding="utf-8") + "\none two O\n\nlast O\n", encoding="utf-8")
    assert elman("evaluate", trained, bad).code == 3
    told = elman("evaluate", trained, bad, "--skip-bad", "--json")
    assert told.code == 0
    assert "2 bad sentences skipped" in told.err
    assert json.loads(told.out) == json.loads((trained / "metrics.json").read_text())["test"]


def test_evaluate_writes_the_file_with_the_answers(
    elman: Call, trained: Path, files: Files, tmp_path: Path
) -> None:
    out = tmp_path / "predictions.conll"
    told = elman("evaluate", trained, files["test"], "--out", out, "--json")
    assert told.code == 0
    assert json.loads(told.out) == json.loads((trained / "metrics.json").read_text())["test"]
    assert told.err.splitlines()[-1] == str(out)
    rows = [line.split("\t") for line in out.read_text(encoding="utf-8").splitlines()]
    assert ["\t".join(row[:2]) for row in rows] == files["test"].read_text(encoding="utf-8").splitlines()
    found = entity_scores(*([spans(row[i] if len(row) > 1 else "O" for row in rows)] for i in (1, -1)))
    assert json.loads(told.out)["value"] == pytest.approx(found["value"])
    again = elman("evaluate", trained, out, "--out", out)
    assert (again.code, again.out) == (2, "")
    assert f"--out is {out} itself" in again.err


def test_predict_skips_what_is_bad_when_told_to(
    elman: Call, trained: Path, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.conll"
    bad.write_text(files["test"].read_text(encoding="utf-8") + "\none two O\n\nlast O\n", encoding="utf-8")
    assert elman("predict", trained, bad).code == 3
    told = elman("predict", trained, bad, "--skip-bad")
    assert told.code == 0
    assert told.err.startswith(f"{bad}: 10 sentences, ")
    assert told.err.endswith("; 2 bad sentences skipped\n")
    assert told.out.rstrip("\n") == elman("predict", trained, files["test"]).out.rstrip("\n")
    assert len(json.loads(elman("predict", trained, bad, "--skip-bad", "--json").out)["answers"]) == 10

    lines = tmp_path / "lines.txt"
    lines.write_text("Oslo fell\nbad\n\nin Osaka\n", encoding="utf-8")
    ask = NER.question
    monkeypatch.setattr(NER, "question", lambda self, text: (refuse if text == "bad" else ask)(self, text))
    good = [
        line
        for text in ("Oslo fell", "in Osaka")
        for line in elman("predict", trained, text).out.splitlines()
    ]
    for words, stdin in [((lines,), ""), (("-",), lines.read_text())]:
        assert elman("predict", trained, *words, stdin=stdin).code == 3
        told = elman("predict", trained, *words, "--skip-bad", stdin=stdin)
        assert (told.code, told.out.splitlines()) == (0, [good[0], "", "", good[1]])
        assert (
            told.err
            == f"1 bad text skipped; {lines if words[0] == lines else '/dev/stdin'}:2:7 has nothing\n"
        )
        told = elman("predict", trained, *words, "--skip-bad", "--json", stdin=stdin)
        assert len(json.loads(told.out)["answers"]) == 2


def test_an_input_far_longer_than_any_in_training_is_said(
    elman: Call, trained: Path, files: Files, tmp_path: Path
) -> None:
    longest = json.loads((trained / "run.json").read_text())["longest"]
    assert longest == max(len(sentence.words) for sentence in read_columns(files["train"]).sentences)
    ten, more = " ".join(["Oslo"] * 10 * longest), " ".join(["Oslo"] * (10 * longest + 1))
    assert elman("predict", trained, ten).err == ""
    said = "10 times as long as any in training; the answer may be unreliable"
    assert elman("predict", trained, more).err == f"warning: input: {said}\n"
    told = elman("predict", trained, ten, more, "--json")
    assert told.err == f"warning: input: {said}\n"
    assert [answer.get("warning") for answer in json.loads(told.out)["answers"]] == [None, said]
    path = tmp_path / "long.conll"
    path.write_text("\n\n".join(text.replace(" ", " O\n") + " O" for text in (ten, more, more)) + "\n")
    for command in ("predict", "evaluate"):
        told = elman(command, trained, path)
        line = read_columns(path).sentences[1].lines[0]
        assert told.code == 0
        assert f"warning: {path}:{line}: {said}; so for 1 more\n" in told.err


def test_a_run_that_did_not_keep_the_longest_length_loads(elman: Call, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    facts = read_json(run / "run.json")
    del facts["longest"]
    write_json(run / "run.json", facts)
    told = elman("predict", run, " ".join(["Oslo"] * 1000))
    assert (told.code, told.err) == (0, "")
    write_json(run / "run.json", {**facts, "longest": "far"})
    assert elman("predict", run, "Oslo").code == 5


TEXT = "Marie Curie, of Oslo, wrote to Alan Turing."


def bare(shown: str) -> str:
    """What `predict` shows without its brackets."""
    return re.sub(r"\[([^|\]]*) \| \w+ [01]\.\d\d\]", r"\1", shown)


def test_predict_a_text(elman: Call, trained: Path) -> None:
    told = elman("predict", trained, TEXT, "in  Osaka")
    assert (told.code, told.err) == (0, "")
    assert [bare(line) for line in told.out.splitlines()] == [TEXT, "in  Osaka"]
    told = elman("predict", trained, TEXT, "--json")
    (answer,) = json.loads(told.out)["answers"]
    assert answer["text"] == TEXT
    assert len(answer["tags"]) == len(answer["words"])
    assert json.loads(told.out)["task"] == "ner"


def test_predict_a_text_longer_than_a_file_name_may_be(elman: Call, trained: Path) -> None:
    told = elman("predict", trained, "in Osaka " * 1000)
    assert told.code == 0
    assert bare(told.out) == "in Osaka " * 1000 + "\n"


def test_predict_a_file_of_columns(elman: Call, trained: Path, files: Files, tmp_path: Path) -> None:
    told = elman("predict", trained, files["test"])
    assert (told.code, told.err) == (0, "")
    written = tmp_path / "predicted.conll"
    written.write_text(told.out, encoding="utf-8")
    given, back = read_columns(files["test"]), read_columns(written)
    assert [sentence.words for sentence in back.sentences] == [sentence.words for sentence in given.sentences]
    assert back.repaired == 0
    answers = json.loads(elman("predict", trained, files["test"], "--json").out)["answers"]
    assert [list(sentence.tags or ()) for sentence in back.sentences] == [
        answer["tags"] for answer in answers
    ]


def test_predict_a_file_of_words_alone(elman: Call, trained: Path, files: Files, tmp_path: Path) -> None:
    words = tmp_path / "words.conll"
    rows = files["test"].read_text(encoding="utf-8").split("\n")
    words.write_text("\n".join(row.split("\t")[0] for row in rows), encoding="utf-8")
    answered = elman("predict", trained, files["test"]).out
    assert elman("predict", trained, words).out == re.sub(r"\t.*\t", " ", answered)


def test_predict_plain_text(elman: Call, trained: Path, tmp_path: Path) -> None:
    """From the command line, a file and standard input: the same answers."""
    texts = [TEXT, "in  Osaka", "nobody"]
    plain = tmp_path / "plain.txt"
    plain.write_text("\n\n".join(texts), encoding="utf-8")
    told = elman("predict", trained, *texts)
    assert [bare(line) for line in told.out.splitlines()] == texts
    first, second, third = told.out.splitlines()
    for words, stdin in [((plain,), ""), (("-",), plain.read_text()), ((), plain.read_text())]:
        # A blank line is answered with one, so that an answer stands in the line of its question.
        given = elman("predict", trained, *words, stdin=stdin)
        assert (given.code, given.out.splitlines()) == (0, [first, "", second, "", third])
        given = json.loads(elman("predict", trained, *words, "--json", stdin=stdin).out)["answers"]
        expected = json.loads(elman("predict", trained, *texts, "--json").out)["answers"]
        assert [answer["tags"] for answer in given] == [answer["tags"] for answer in expected]
        assert [answer["text"] for answer in given] == texts


def test_predict_nothing(elman: Call, trained: Path) -> None:
    told = elman("predict", trained, "")
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith("elman: input: found a text without a word\n")


@pytest.mark.parametrize(
    ("stdin", "found"),
    [
        (b"Oslo\ncaf\xe9\n", "/dev/stdin:2:4: found the byte 0xe9, which is not UTF-8\n"),
        (b"Oslo\n\n--\0\n", "/dev/stdin:3:3: found a NUL byte"),
        ("Oslo".encode("utf-16"), "/dev/stdin:1: found the byte order mark of UTF-16\n"),
    ],
)
def test_standard_input_is_refused_as_a_file_would_be(
    elman: Call, trained: Path, stdin: bytes, found: str
) -> None:
    told = elman("predict", trained, "-", stdin=stdin)
    assert told.code == 3
    assert told.err.startswith(f"elman: {found}")


def test_a_byte_order_mark_is_no_part_of_standard_input(elman: Call, trained: Path) -> None:
    plain, marked = (elman("predict", trained, stdin=TEXT.encode(name)) for name in ("utf-8", "utf-8-sig"))
    assert marked == plain


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_and_standard_input(
    elman: Call, packed: Callable[[bytes], bytes], trained: Path, files: Files, tmp_path: Path
) -> None:
    for name, content in {"test.conll": files["test"].read_bytes(), "plain.txt": TEXT.encode()}.items():
        plain, file = tmp_path / name, tmp_path / "packed"
        plain.write_bytes(content)
        file.write_bytes(packed(content))
        assert elman("predict", trained, file) == elman("predict", trained, plain)
        given = (elman("predict", trained, "-", stdin=data) for data in (packed(content), content))
        assert next(given) == next(given)
    test = tmp_path / "test.conll"
    test.write_bytes(packed(test.read_bytes()))
    assert elman("evaluate", trained, test).out == elman("evaluate", trained, files["test"]).out


def test_json_lines_of_tokens(elman: Call, trained: Path, files: Files, tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    sentences = [
        [row.split() for row in block.split("\n")]
        for block in files["test"].read_text().strip().split("\n\n")
    ]
    rows = ({"tokens": [r[0] for r in rows], "ner_tags": [r[-1] for r in rows]} for rows in sentences)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert elman("evaluate", trained, path).out == elman("evaluate", trained, files["test"]).out
    lists, columns = (elman("predict", trained, file, "--json").out for file in (path, files["test"]))
    assert json.loads(lists) == json.loads(columns)


def test_a_line_that_is_no_question_is_named(elman: Call, trained: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("Oslo\n\n\u200b \n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NER, "question", refuse)
        assert elman("predict", trained, plain).err.startswith(f"elman: {plain}:1:7: found nothing\n")
        assert elman("predict", trained, stdin="\nx").err.startswith("elman: /dev/stdin:2:7: found nothing\n")
        assert elman("predict", trained, "x").err.startswith("elman: input:7: found nothing\n")


def refuse(self: NER, text: str) -> NoReturn:
    raise DataError("input:7", "nothing", "something", "say it")


def test_a_text_that_looks_like_a_file_is_answered_with_a_warning(
    elman: Call, trained: Path, files: Files
) -> None:
    told = elman("predict", trained, "tset.conll")
    assert (told.code, bare(told.out.strip())) == (0, "tset.conll")
    assert told.err == (
        "warning: tset.conll is answered as a text, not as a file: "
        "No such file: tset.conll. Check the spelling.\n"
    )
    told = elman("predict", trained, files["test"], "U.S. troops")
    assert told.err == (
        f"warning: {files['test']} is answered as a text, not as a file: give one file at a time\n"
    )


def test_an_argument_that_is_not_utf8(elman: Call, trained: Path) -> None:
    told = elman("predict", trained, b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert (told.code, told.out) == (2, "")
    assert "the argument 'caf\\udce9' is not UTF-8" in told.err


def test_a_sample_overwrites_nothing(elman: Call, tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("mine")
    told = elman("sample", "ner", tmp_path)
    assert (told.code, told.out) == (2, "")
    assert f"{tmp_path} is not empty; name another folder" in told.err
    assert (tmp_path / "train.conll").read_text() == "mine"


def test_sample_says_what_it_wrote(elman: Call, tmp_path: Path) -> None:
    told = elman("sample", "ner", tmp_path / "new" / "data")
    assert (told.code, told.err) == (0, "")
    paths = [tmp_path / "new" / "data" / f"{name}.conll" for name in ("train", "dev", "test")]
    assert told.out.split() == list(map(str, paths))
    assert all(path.stat().st_size > 1000 for path in paths)


# Folds and files a class


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("words", "folds", "note"),
    [
        (["--folds", "2"], 2, ""),
        (["--group-folds", "author"], 4, ""),
        (["--group-folds", "author", "--folds", "3"], 3, ""),
        (["--folds", "author"], 4, "note: --folds author is --group-folds author now\n"),
    ],
)
def test_folds_by_number_and_by_a_column(
    elman: Call, words: list[str], folds: int, note: str, tmp_path: Path
) -> None:
    path = tmp_path / "texts.csv"
    rows = [f"text {i},{'ab'[i % 2]},author {i // 4}\n" for i in range(16)]
    path.write_text("text,label,author\n" + "".join(rows))
    call = ["train", "sentiment", path, *words, "--out", tmp_path / "cv", "--epochs", "1", "--hidden", "4"]
    told = elman(*call)
    assert told.code == 0
    assert told.err.startswith(note or str(path))
    assert len(re.findall(r"(?m)^fold \d: ", told.err)) == folds
    assert [row.split()[0] for row in told.out.splitlines()] == ["data", *["test"] * 4]


def test_folds_that_cannot_be(elman: Call, files: Files, tmp_path: Path) -> None:
    call = ["train", "ner", files["train"], "--out", tmp_path / "cv"]
    told = elman(*call, "--folds", "x", "--group-folds", "y")
    assert (told.code, told.out) == (2, "")
    assert "--folds takes a number, got 'x'" in told.err
    told = elman(*call, "--group-folds", "author")
    assert told.code == 2
    assert "is no row of a table, whose columns could make groups" in told.err
    assert elman("train", "ner", "--folds", "3").code == 2
    assert not (tmp_path / "cv").exists()


def test_several_files_where_one_is_trained_on(elman: Call, files: Files, tmp_path: Path) -> None:
    told = elman("train", "ner", files["train"], files["dev"], "--out", tmp_path / "run")
    assert (told.code, told.out) == (2, "")
    assert f"ner trains on one file, got 2: {files['train']}, {files['dev']}; name those" in told.err
    assert "--dev and --test" in told.err


@pytest.mark.usefixtures("no_pictures")
def test_a_file_a_class(elman: Call, tmp_path: Path) -> None:
    folder = tmp_path / "classes"
    folder.mkdir()
    for label, motif in (("on", "TATAAA"), ("off", "GCGCGC")):
        records = [f">{label}{i} gene {i}\nACGT{motif}{'ACGT'[i % 4] * 4}\n" for i in range(12)]
        (folder / f"{label}.fa").write_text("".join(records))
    (folder / "README").write_text("not FASTA")
    tiny = ["--epochs", "1", "--hidden", "4"]
    told = elman("train", "dna", folder / "off.fa", folder / "on.fa", "--out", tmp_path / "run", *tiny)
    assert told.code == 0
    assert f"train {folder / 'off.fa'}, {folder / 'on.fa'}, a label each: 24 sequences" in told.err
    assert Run.load(tmp_path / "run").task.facts()["labels"] == ("off", "on")
    told = elman("train", "dna", folder, "--out", tmp_path / "run-2", *tiny)
    assert told.code == 0
    assert f"train {folder}: 24 sequences; 336 bases; 1 other file left out" in told.err
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("run", "run-2")]
    assert weights[0] == weights[1]
    out = tmp_path / "out.fa"
    told = elman("evaluate", tmp_path / "run", folder, "--json", "--out", out)
    assert json.loads(told.out)["per_class"]["on"]["gold"] == 12
    assert re.match(
        r">off0 gene 0 label=off predicted=o\w+ confidence=0\.\d{4}\nACGTGCGCGCAAAA\n", out.read_text()
    )
    assert json.loads(elman("evaluate", tmp_path / "run", out, "--json").out) == json.loads(told.out)


@pytest.mark.usefixtures("no_pictures")
def test_a_table_whose_columns_have_no_names(elman: Call, tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("".join(f'{i},{"ab"[i % 2]},"text, {i}"\n' for i in range(20)))
    words = ["--text", "3", "--label", "2", "--epochs", "1", "--hidden", "4"]
    told = elman("train", "sentiment", path, "--out", tmp_path / "run", *words)
    assert told.code == 0
    assert f"{path}: 20 rows, CSV; 1 other column passed over; 2 labels" in told.err
    told = elman("predict", tmp_path / "run", path)
    for row, answered in zip(path.read_text().splitlines(), told.out.splitlines(), strict=True):
        assert re.fullmatch(re.escape(row) + r",[ab],\d\.\d{4}", answered)


# Exit codes


def test_a_folder_that_is_taken_is_a_usage_error(elman: Call, trained: Path, files: Files) -> None:
    told = elman("train", "ner", files["train"], "--out", trained)
    assert (told.code, told.out) == (2, "")
    assert told.err == (
        f"elman: {trained} holds a run; name another folder with --out, or go on in it with --resume\n"
    )


def test_no_run_is_a_data_error(elman: Call, files: Files, tmp_path: Path) -> None:
    told = elman("evaluate", tmp_path, files["test"])
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith(f"elman: {tmp_path}: found no run.json\n  expected the folder of a run\n")


def test_a_folder_that_cannot_be_made_is_no_bug(elman: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = elman("sample", "ner", tmp_path / "file")
    assert (told.code, told.out) == (2, "")
    assert str(tmp_path / "file") in told.err
    assert len(told.err.splitlines()) == 1


def test_divergence(elman: Call, files: Files, settings: Settings, tmp_path: Path) -> None:
    wild = flags({**settings, "learning_rate": 1e30})
    told = elman("train", "ner", files["train"], "--dev", files["dev"], "--out", tmp_path / "run", *wild)
    assert (told.code, told.out) == (4, "")
    assert re.search(
        rf"^elman: training diverged: .* {re.escape(str(files['train']))}:\d+", told.err, re.MULTILINE
    )
    back = re.findall(
        r"^warning: found a .* at update \d+, .*; back to (.*), at a learning rate of (.*)$",
        told.err,
        re.MULTILINE,
    )
    assert [rate for _, rate in back] == ["5e+29 (1 of 3)", "2.5e+29 (2 of 3)", "1.25e+29 (3 of 3)"]
    assert "go on with it" not in told.err


def test_a_damaged_file(elman: Call, trained: Path, tmp_path: Path) -> None:
    for name in ("run.json", "model.safetensors"):
        content = bytearray((trained / name).read_bytes())
        content[-20] ^= 1
        (tmp_path / name).write_bytes(
            content if name == "model.safetensors" else (trained / name).read_bytes()
        )
    told = elman("predict", tmp_path, "a")
    assert (told.code, told.out) == (5, "")
    assert told.err.startswith(f"elman: {tmp_path / 'model.safetensors'}: damaged: ")
    assert len(told.err.splitlines()) <= 6


@pytest.mark.parametrize("shortage", ["raise MemoryError", "import torch; torch.empty(2**58)"])
def test_too_little_memory_is_no_bug(shortage: str) -> None:
    code = f"import elman.tasks as t\ndef find(name): {shortage}\nt.find = find\n"
    failed = process(f"{code}from elman.cli import main\nmain()", "train", "ner")
    out, err = failed.communicate()
    assert (failed.returncode, out) == (2, "")
    assert err == "elman: there is not enough memory for this; smaller sizes need less\n"


def test_a_bug_of_ours_shows_where_it_is() -> None:
    code = "import elman.tasks as t\nt.declared = lambda name: 1 / 0\nfrom elman.cli import main\nmain()"
    failed = process(code, "tasks")
    out, err = failed.communicate()
    assert (failed.returncode, out) == (1, "")
    assert "Traceback" in err
    assert "ZeroDivisionError" in err


class Stop:
    """Ends a training at the end of its second epoch."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *args: Any) -> Iterator[Progress]:
        for progress in fit(*args):
            if progress.epoch == 3:
                raise self.error
            yield progress


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "elman: interrupted\n"),
        (SystemExit(143), 143, ""),
        (DiskFullError(Path("run/log.jsonl"), 5000, 12), 2, "5,000 bytes are needed, 12 are free\n"),
    ],
)
def test_what_stops_a_training_says_how_it_goes_on(
    error: BaseException,
    code: int,
    told: str,
    elman: Call,
    files: Files,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    call = ["train", "ner", files["train"], "--dev", files["dev"], "--out", "a run", *flags(settings)]
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", Stop(error))
        stopped = elman(*call)
    again = shlex.join(["elman", *map(str, call), "--resume"])
    assert (stopped.code, stopped.out) == (code, "")
    assert f"elman: training has stopped; go on with it: {again}\n" in stopped.err
    assert told in stopped.err

    warning = (
        "warning: the training of a run is not finished: epoch 2 of 4 is done; unless it still runs, "
        f"go on with it: {again}\n"
    )
    for words in (["evaluate", "a run", files["test"]], ["predict", "a run", "in Oslo"]):
        answered = elman(*words)
        assert answered.code == 0
        assert answered.out
        assert warning in answered.err

    assert elman(*shlex.split(again)[1:]).code == 0
    assert elman("predict", "a run", "in Oslo").err == ""


def test_a_training_that_never_began_names_nothing_to_go_on_with(
    elman: Call, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(NER, "read", interrupted)
    told = elman("train", "ner", files["train"], "--out", tmp_path / "run")
    assert (told.code, told.err.strip()) == (130, "elman: interrupted")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(number: int, code: int, files: Files, settings: Settings, tmp_path: Path) -> None:
    # Where tests run in the background, SIGINT is ignored from the start; at a terminal it is not.
    start = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    start += "from elman.cli import main\nmain()"
    endless = flags({**settings, "epochs": 10**6, "patience": 10**6})
    call = ["train", "ner", files["train"], "--dev", files["dev"], "--out", tmp_path / "run", *endless]
    running = process(start, *call)
    assert running.stderr
    for line in running.stderr:
        if line.startswith("epoch"):
            break
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (code, "")
    assert "Traceback" not in err
    again = shlex.join(["elman", *map(str, call), "--resume"])
    assert f"elman: training has stopped; go on with it: {again}\n" in err
    assert not (tmp_path / "run" / ".lock").exists()


@pytest.mark.parametrize("word", ["tasks", "--help"])  # rich writes the one, click the other
def test_a_reader_that_goes_away_is_no_error(word: str) -> None:
    code = "import sys\nfrom elman.cli import main\nsys.stdin.readline()\nmain()"
    running = process(code, word, stdin=subprocess.PIPE)
    assert running.stdin
    assert running.stdout
    assert running.stderr
    running.stdout.close()
    running.stdin.write("go\n")
    running.stdin.close()
    err = running.stderr.read()
    running.stderr.close()
    assert (running.wait(), err) == (0, "")


# Bad input

GOOD = "Ada\tB-PER\nLovelace\tI-PER\nwrote\tO\n\nin\tO\nOslo\tB-LOC\n\nto\tO\nCharles\tB-PER\n"


class Bad(NamedTuple):
    """A training file, and what the error says of it."""

    content: bytes
    place: str
    found: str
    expected: str
    way_out: str


BAD = {
    "columns": Bad(
        b"a\tx\tO\nb\tO\n", ":2", "2 columns in 'b\\tO'", "3 columns parted by tabs", "--skip-bad"
    ),
    "missing tag": Bad(b"a\tO\n\nb\n", ":3", "a missing tag: 1 column in 'b'", "2 columns", "--skip-bad"),
    "empty tag": Bad(
        b"a\tO\nb\t\n", ":2", "a missing tag in 'b\\t'", "a tag in the last column", "--skip-bad"
    ),
    "no tags": Bad(b"a\nb\n", ":1", "a missing tag: 1 column", "at least 2 columns", "add a column"),
    "prefix": Bad(b"a\tO\nb\tX-PER\n", ":2", "the unknown tag 'X-PER'", "O, or PREFIX-TYPE", "mean 'B-PER'?"),
    "case": Bad(b"a\tO\nb\tb-PER\n", ":2", "the unknown tag 'b-PER'", "O, or PREFIX-TYPE", "mean 'B-PER'?"),
    "mixed": Bad(
        b"a\tB-P\nb\tI-P\n\nc\tS-P\n", ":4", "mixed schemes: 'S-P'", "IOB1 or IOB2", "in one scheme"
    ),
    "UTF-8": Bad(b"a\tO\ncaf\xe9\tO\n", ":2:4", "the byte 0xe9, which is not UTF-8", "UTF-8 text", "iconv"),
    "UTF-16": Bad(GOOD.encode("utf-16"), ":1", "the byte order mark of UTF-16", "UTF-8", "iconv -f utf-16"),
    "UTF-16 unmarked": Bad(GOOD.encode("utf-16-le"), ":1:2", "a NUL byte", "UTF-8 text", "iconv -f utf-16le"),
    "NUL": Bad(b"a\tO\nb\0\tO\n", ":2:2", "a NUL byte", "UTF-8 text", "iconv"),
    "empty": Bad(b"", "", "no sentence", "a row for each token", "check that this"),
    "blank": Bad(b"\n \n\n", "", "no sentence", "a row for each token", "check that this"),
    "long line": Bad(
        b"x" * 100_000_000,
        ":1",
        "a line of more than 1,000,000 bytes",
        "at most 1,000,000 bytes",
        "check that",
    ),
}


def complains(told: Told, path: Path | str, bad: Bad) -> None:
    """The error has at most six lines: place and what was found, what was expected, one way out."""
    assert (told.code, told.out) == (3, "")
    assert len(told.err.splitlines()) <= 6
    first, expected, way_out = told.err.splitlines()[-3:]
    assert first.startswith(f"elman: {path}{bad.place}: found {bad.found}")
    assert expected.startswith("  expected ")
    assert bad.expected in expected
    assert way_out.startswith("  ")
    assert bad.way_out in way_out


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("part", ["train", "dev"])
def test_bad_data(elman: Call, name: str, part: str, short: list[str], tmp_path: Path) -> None:
    bad, paths = BAD[name], {"train": tmp_path / "train", "dev": tmp_path / "dev"}
    for path in paths.values():
        path.write_text(GOOD, encoding="utf-8")
    paths[part].write_bytes(bad.content)
    told = elman("train", "ner", paths["train"], "--dev", paths["dev"], "--out", tmp_path / "run", *short)
    complains(told, paths[part], bad)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("folder", Bad(b"", "", "a folder", "a file", "name a file in it: 'inner'")),
        ("absent", "No such file: absent. Check the spelling."),
        ("gone/train", "No such file: gone/train. There is no folder gone."),
        ("trian", "No such file: trian. Did you mean train?"),
    ],
)
def test_files_that_are_none(
    elman: Call, path: str, bad: Bad | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder", "inner").touch()
    Path("train").write_text(GOOD)
    for words in ([path], ["train", "--dev", path], ["train", "--vectors", path]):
        told = elman("train", "ner", *words, "--out", "run")
        if isinstance(bad, Bad):
            complains(told, path, bad)
        else:
            assert (told.code, told.out, told.err.splitlines()[-1]) == (3, "", f"elman: {bad}")
        assert not Path("run").exists()


# The kinds of input: where the wrong name stands in the command, and what is there instead.
MISSPELT = {
    "ner": ("train ner {}", "train.conll"),
    "tagging": ("train tagging {}", "train.conllu"),
    "sentiment": ("train sentiment {}", "train.csv"),
    "dna": ("train dna {}", "train.fasta"),
    "language": ("train language {}", "train.txt"),
    "series": ("train series {}", "train.ts"),
    "arrays": ("train series {}", "train.npy"),
    "manifest": ("train video {}", "train.tsv"),
    "recordings": ("train speech {}", "train.tsv"),
    "steps": ("train music {}", "train.json"),
    "MIDI": ("train music {}", "train.mid"),
    "a pair": ("train translation {} --source en --target de", "train"),
    "dev": ("train ner data/train.conll --dev {}", "dev.conll"),
    "test": ("train ner data/train.conll --test {}", "test.conll"),
    "vectors": ("train ner data/train.conll --vectors {}", "glove.txt"),
    "evaluate": ("evaluate {run} {}", "dev.conll"),
    "a run": ("evaluate {} data/train.conll", "run"),
    "a run to ask": ("predict {} hello", "run"),
    "--init": ("train ner data/train.conll --init {}", "lm"),
}


@pytest.mark.parametrize("kind", MISSPELT)
def test_a_name_beside_a_similar_one(
    elman: Call, kind: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, name = MISSPELT[kind]
    is_folder = "." not in name and kind != "a pair"
    Path("data").mkdir()
    Path("data/train.conll").write_text(GOOD)
    there = Path("data", name)
    if is_folder:
        there.mkdir()
    for side in (".en", ".de") if kind == "a pair" else ("",):
        if not is_folder:
            Path(f"{there}{side}").touch()
    wrong = f"dta/{name}"
    told = elman(*command.format(wrong, run=trained).split())
    asked = f"{wrong}.en" if kind == "a pair" else wrong
    said = f"elman: No such {'folder' if is_folder else 'file'}: {asked}. Did you mean {there}?"
    assert (told.code, told.out, told.err.splitlines()[-1]) == (3, "", said)


@pytest.mark.parametrize(
    ("option", "content", "bad"),
    [
        (
            "--dev",
            "a\tO\nb\tB-PRE\n",
            Bad(b"", ":2", "an entity of type 'PRE', never seen", "'PER'", "mean 'PER'?"),
        ),
        (
            "--dev",
            "b\tB-X\n",
            Bad(b"", ":1", "an entity of type 'X', never seen", "'LOC', 'PER'", "train on"),
        ),
        (
            "--vectors",
            "",
            Bad(b"", "", "an empty file", "a word and its vector in each line", "copied whole"),
        ),
        ("--vectors", "a 1 2\nb 1\n", Bad(b"", ":2", "1 number in 'b 1'", "2 numbers, as line 1", "again")),
        (
            "--vectors",
            "2 3\na 1 2\n",
            Bad(b"", ":2", "2 numbers in 'a 1 2'", "3 numbers, as line 1", "again"),
        ),
        ("--vectors", "a 1 nan\n", Bad(b"", ":1", "'nan' in a vector", "a finite number", "again")),
    ],
)
def test_a_second_file_that_does_not_fit(
    elman: Call, option: str, content: str, bad: Bad, short: list[str], tmp_path: Path
) -> None:
    train, other = tmp_path / "train", tmp_path / "other"
    train.write_text(GOOD, encoding="utf-8")
    other.write_text(content, encoding="utf-8")
    complains(elman("train", "ner", train, option, other, "--out", tmp_path / "run", *short), other, bad)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("content", "told_of"),
    [
        ("\ufeff" + GOOD, "3 sentences, 7 tokens, IOB2, 2 types"),
        (GOOD.replace("\n", "\r\n"), "3 sentences, 7 tokens, IOB2, 2 types"),
        (
            GOOD.replace("O\nOslo\tB", "O\nOslo\tI"),
            "IOB2, 2 types; 1 I- tag after O or another type read as B-",
        ),
        (GOOD.replace("B-", "I-"), "3 sentences, 7 tokens, IOB1, 2 types"),
        (
            GOOD.replace("I-PER", "E-PER").replace("B-LOC", "S-LOC").replace("Charles\tB", "Charles\tS"),
            "IOBES",
        ),
    ],
)
def test_accepted_data(elman: Call, content: str, told_of: str, short: list[str], tmp_path: Path) -> None:
    train, dev = tmp_path / "train", tmp_path / "dev"
    train.write_bytes(content.encode())
    dev.write_text(GOOD, encoding="utf-8")
    told = elman("train", "ner", train, "--dev", dev, "--out", tmp_path / "run", "--json", *short)
    assert told.code == 0
    assert f"train {train}: " in told.err
    assert told_of in told.err
    assert math.isfinite(json.loads(told.out)["dev"]["value"])
    told = elman("evaluate", tmp_path / "run", train, "--json")
    assert json.loads(told.out)["gold"] == 3
