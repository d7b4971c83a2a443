"""The CoNLL-U reader: words, tokens of several words, empty nodes, and an error for each that is wrong."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.columns import Labelled
from elman.data.conllu import COLUMNS, is_conllu, read_conllu, read_unlabelled_conllu
from elman.data.source import DataError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.conllu"


def row(number: object, form: str = "x", **filled: str) -> str:
    return "\t".join({**dict.fromkeys(COLUMNS, "_"), "id": str(number), "form": form, **filled}.values())


def block(*rows: str) -> str:
    return "".join(f"{line}\n" for line in rows) + "\n"


def read(file: Path, text: str, column: str = "upos", **options: bool) -> Labelled:
    file.write_bytes(text.encode())
    return read_conllu(file, column, **options)


AUX_VILLES = block(
    "# sent_id = 1",
    "# text = aux villes",
    row("1-2", "aux"),
    row(1, "à", lemma="à", upos="ADP", feats="_"),
    row(2, "les", lemma="le", upos="DET", feats="Number=Plur"),
    row("2.1", "vues", upos="VERB"),
    row("2.2", "là", upos="ADV"),
    row(3, "villes", lemma="ville", upos="NOUN", feats="Number=Plur"),
)


def test_words_are_what_is_tagged(file: Path) -> None:
    read_ = read(file, AUX_VILLES)
    (sentence,) = read_.sentences
    assert sentence.words == ("à", "les", "villes")
    assert sentence.tags == ("ADP", "DET", "NOUN")
    assert [sentence.place_of(i) for i in range(3)] == [f"{file}:{line}" for line in (4, 5, 8)]
    assert read_.describe() == (
        f"{file}: 1 sentence, 3 tokens, 3 labels; 1 multiword token passed over; 2 empty nodes passed over; "
        "2 comments passed over"
    )


@pytest.mark.parametrize(
    ("column", "labels"),
    [("lemma", ("à", "le", "ville")), ("feats", ("_", "Number=Plur", "Number=Plur")), ("misc", ("_",) * 3)],
)
def test_any_column(file: Path, column: str, labels: tuple[str, ...]) -> None:
    assert read(file, AUX_VILLES, column).sentences[0].tags == labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (block(row(1, "a", upos="X")) + "\n\n" + block(row(1, "b", upos="X")), [("a",), ("b",)]),
        (block(row(1, "a", upos="X"))[:-2], [("a",)]),
        ("\ufeff" + block(row(1, "a", upos="X")).replace("\n", "\r\n"), [("a",)]),
        (block("# newdoc") + block(row(1, "a", upos="X")), [("a",)]),
        (block(row("0.1", "Ø"), row(1, "a", upos="X")), [("a",)]),
        (block(row(1, "10 000", upos="NUM"), "# late", row(2, "_", upos="PUNCT")), [("10 000", "_")]),
        (block(row(1, "#", upos="SYM")), [("#",)]),
    ],
)
def test_dialects(file: Path, text: str, words: list[tuple[str, ...]]) -> None:
    assert [sentence.words for sentence in read(file, text).sentences] == words


BAD = {
    "nine columns": (
        block(row(1, "a", upos="X").removesuffix("\t_")),
        ":1: found 9 columns in '1\\ta\\t_\\tX\\t_\\t_\\t_\\t_\\t_'\n"
        "  expected the 10 columns of CoNLL-U, parted by tabs: id, form, lemma, upos, xpos, feats, head, "
        "deprel, deps, misc\n  correct the row, or leave its sentence out with --skip-bad",
    ),
    "spaces": (block(row(1, "a", upos="X").replace("\t", " ")), ":1: found 1 column in '1 a _ X _"),
    "an empty column": (
        block(row(1, "a", upos="")),
        ":1: found an empty column upos\n  expected a value, or _",
    ),
    "an empty word": (block(row(1, "", upos="X")), ":1: found an empty column form"),
    "no label": (
        block(row(1, "a", xpos="Y", feats="F=1")),
        ":1: found no upos for 'a', but _\n  expected a label in the column upos\n"
        "  choose a column that is filled (xpos, feats), or leave such sentences out with --skip-bad",
    ),
    "no label at all": (
        block(row(1, "a")),
        ":1: found no upos for 'a', but _\n  expected a label in the column upos\n  leave such sentences out",
    ),
    "a number left out": (
        block(row(1, upos="X"), row(3, upos="X")),
        ":2: found the number 3\n  expected 2, for the words of a sentence are counted from 1",
    ),
    "a number twice": (
        block(row(1, upos="X"), row(1, upos="X")),
        ":2: found the number 1\n  expected 2, for",
    ),
    "no blank line between": (
        block(row(1, upos="X"), row(2, upos="X"), "# next", row(1, upos="X")),
        ":4: found the number 1\n  expected 3, for",
    ),
    "no number": (
        block(row("one", upos="X")),
        ":1: found the number 'one'\n  expected a number such as 3, 3-4 or",
    ),
    "a number of zero": (block(row(0, upos="X")), ":1: found the number '0'\n"),
    "a huge number": (block(row("9" * 40, upos="X")), ":1: found the number '9999"),
    "a token behind its words": (
        block(row(1, upos="X"), row("1-2", "ab"), row(2, upos="X")),
        ":2: found the number 1-2\n  expected 2, for",
    ),
    "a token backwards": (block(row("1-0", "ab"), row(1, upos="X")), ":1: found the number '1-0'"),
    "a token within another": (
        block(row("1-3", "abc"), row(1, upos="X"), row("2-3", "bc"), row(2, upos="X"), row(3, upos="X")),
        ":3: found the number 2-3\n  expected 2-3, and none within another",
    ),
    "a token that does not end": (
        block(row("1-3", "abc"), row(1, upos="X"), row(2, upos="X")),
        ":1: found a token up to word 3 in a sentence of 2 words\n  expected its words in the rows below it",
    ),
    "an empty node out of turn": (
        block(row(1, upos="X"), row("1.2")),
        ":2: found the number 1.2\n  expected 1.1, for",
    ),
}
BAD_FILES = {
    "an empty file": ("", ": found no sentence\n  expected a row for each word"),
    "comments alone": ("# a\n\n# b\n", ": found no sentence"),
    "words withheld": (
        block("# 1", row(1, "_", upos="X"), row(2, "_", upos="X")),
        ":2: found no word but _ in the whole file: the words are withheld\n"
        "  expected words in the column form",
    ),
    "invalid UTF-8": (b"# \xe9\n", ":1:3: found the byte 0xe9"),
    "a NUL byte": (b"# a\n1\ta\0\n", ":2:4: found a NUL byte"),
    "a long line": ("# " + "x" * 1_000_000, ":1: found a line of more than 1,000,000 bytes"),
}


@pytest.mark.parametrize(("text", "message"), [*BAD.values(), *BAD_FILES.values()], ids=[*BAD, *BAD_FILES])
def test_bad_input(file: Path, text: str | bytes, message: str) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_conllu(file, "upos")
    assert str(caught.value).startswith(f"{file}{message}")


@pytest.mark.parametrize("text", [text for text, _ in BAD.values()], ids=list(BAD))
def test_bad_sentences_are_skipped_and_counted(file: Path, text: str) -> None:
    read_ = read(file, text + block(row(1, "good", upos="X")), skip_bad=True)
    assert [sentence.words for sentence in read_.sentences] == [("good",)]
    assert "1 bad sentence skipped" in read_.describe()
    with pytest.raises(DataError, match=f"{file}: found 1 bad sentence and no good one"):
        read(file, text, skip_bad=True)


@pytest.mark.parametrize("text", [text for text, _ in BAD_FILES.values()], ids=list(BAD_FILES))
def test_bad_files_stay_errors(file: Path, text: str | bytes) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError):
        read_conllu(file, "upos", skip_bad=True)


def test_the_lemma_of_an_underscore(file: Path) -> None:
    text = block(row(1, "_", lemma="_"), row(2, "a", lemma="a"))
    assert read(file, text, "lemma").sentences[0].tags == ("_", "a")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.conllu", "", True),
        ("a.txt", row(1), True),
        ("a.txt", "# text = a b\n\n" + row("1-2", "ab"), True),
        ("a.txt", row("0.1"), True),
        ("a.txt", row(1).removesuffix("\t_"), True),  # damaged: an error, not another format
        ("a.txt", row(1).replace("\t", " "), True),
        ("a.txt", row("a"), False),
        ("a.txt", row(2), False),
        ("a.txt", "1\tCD\n", False),
        ("a.txt", "1 cat saw 2 dogs and they all did sleep\n", False),
        ("a.txt", "1 cat saw 2 dogs\n", False),
        ("a.txt", "the cat saw 2 dogs in the old garden\n", False),
        ("a.txt", "", False),
    ],
)
def test_conllu_is_told_from_other_files(tmp_path: Path, name: str, text: str, expected: bool) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert is_conllu(path) == expected


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Its first lines would be lost to who looks at them."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="pipe: found a pipe, which can be read only once"):
        is_conllu(pipe)


def test_all_but_the_answers_stays_as_it_was(file: Path) -> None:
    file.write_text(AUX_VILLES, encoding="utf-8")
    (sentence,) = read_unlabelled_conllu(file, "xpos").sentences
    assert sentence.tags is None
    assert sentence.written
    assert sentence.written.form.header is None
    answered = sentence.written.answered(["P", "D", "N"])
    before = AUX_VILLES.removesuffix("\n").split("\n")
    assert len(answered) == len(before)
    for old, new in zip(before, answered, strict=True):
        fields = old.split("\t")
        if fields[0].isdigit():
            fields[4] = {"à": "P", "les": "D", "villes": "N"}[fields[1]]
        assert new.split("\t") == fields


@pytest.mark.parametrize("read_again", [read_unlabelled_conllu, read_conllu])
def test_labels_that_are_there_are_kept_beside_the_answers(file: Path, read_again: Any) -> None:
    """One column more, which the first line names, as CoNLL-U Plus has it."""
    text = "\n# about the file\n" + AUX_VILLES * 2 + "\n# the end\n"
    file.write_text(text, encoding="utf-8")
    sentences = read_again(file, "upos").sentences
    form = sentences[0].written.form
    assert form.header == (
        "# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC ELMAN:UPOS"
    )
    answered = [line for sentence in sentences for line in sentence.written.answered("PDN")]
    before = text.removesuffix("\n").split("\n")
    assert len(answered) == len(before)
    for old, new in zip(before, answered, strict=True):
        form = {"à": "P", "les": "D", "villes": "N"}
        assert new == old + (f"\t{form.get(old.split(chr(9))[1], '_')}" if "\t" in old else "")


FIELD = st.text(
    st.characters(exclude_characters="\r\n\0\t ", exclude_categories=["Cs"]), min_size=1, max_size=5
)
LABEL = FIELD.filter(lambda label: label != "_")


@given(st.lists(st.lists(st.tuples(FIELD, LABEL), min_size=1, max_size=5), min_size=1, max_size=4), st.data())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    file = tmp_path_factory.getbasetemp() / "written.conllu"
    text = ""
    for sentence in sentences:
        rows = []
        for number, (form, label) in enumerate(sentence, 1):
            if number < len(sentence) and number % 2 and data.draw(st.booleans()):
                rows.append(row(f"{number}-{number + 1}", "both"))
            rows.append(row(number, form, deprel=label))
            rows += [row(f"{number}.1", "none")] if data.draw(st.booleans()) else []
        text += block(*rows)
    file.write_bytes(text.encode())
    if all(form == "_" for sentence in sentences for form, _ in sentence):
        return
    read_ = read_conllu(file, "deprel").sentences
    assert [[*zip(s.words, s.tags or (), strict=True)] for s in read_] == sentences
    again = [
        line
        for s, pairs in zip(read_unlabelled_conllu(file, "deprel").sentences, sentences, strict=True)
        for line in (s.written.answered(tag for _, tag in pairs) if s.written else [])
    ]
    kept = ["\t".join(line.split("\t")[:10]) for line in again]
    assert "".join(f"{line}\n" for line in kept) == text
    added = [line.split("\t")[10] for line in again if line.split("\t")[0].isdecimal()]
    assert added == [label for sentence in sentences for _, label in sentence]
