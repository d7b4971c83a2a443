"""Sample data for tagging: three CoNLL-U files of English-like sentences from a small grammar.

Most words say little by themselves: "light" is a noun, a verb or an adjective, "before" a preposition or a
conjunction, "that" any of three. Often the neighbours tell, and often a word far away does:

- "the keepers of the old garden waters near the wall sleep", but "the keeper of the old garden waters near
  the wall": the number of the subject says that "waters" is a noun, or that it is the verb.
- "was the guard by the tall gate watch near the river calm", but "did the guard by the tall gate watch near
  the river": the first word decides.
- "she waits before the march of the young sailors along the river", but "she waits before the march of the
  young sailors along the river ends": the last one does.
- "they need water , light and shelter", "they will water , light and shelter": what stands before the list
  decides for all of it.

Some words are invented anew for each file: their endings tell what they are, or their neighbours alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from elman.storage import write_whole

SIZES = {"train": 800, "dev": 150, "test": 150}  # sentences
INVENTED = 0.12  # of the nouns, adjectives and adverbs
DECORATED = 0.7  # of the nouns that may have an adjective


class Word(NamedTuple):
    """A word in its form, as a dictionary has it, its part of speech, and its features."""

    form: str
    lemma: str
    upos: str
    feats: str = "_"


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.conllu, dev.conllu and test.conllu into `folder`, made where absent; return their paths.

    Equal seeds give equal bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder))]
    ['train.conllu', 'dev.conllu', 'test.conllu']
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    invented: set[str] = set()  # a word invented for one file is not in another
    for split, size in SIZES.items():
        grammar = _Grammar(Random(f"{split} {seed}"), frozenset(invented))
        sentences = "".join(_rows(f"{split}-{n}", s) for n, s in enumerate(grammar.sentences(size), 1))
        invented |= grammar.invented
        path = folder / f"{split}.conllu"
        write_whole(path, sentences.encode())
        paths.append(path)
    return paths


def _rows(name: str, words: list[Word]) -> str:
    """The lines of a sentence; "can" and "not" are written as one."""
    text = " ".join(word.form for word in words).replace(" can not ", " cannot ")
    lines = [f"# sent_id = {name}", f"# text = {text}"]
    for number, (word, behind) in enumerate(zip(words, [*words[1:], None], strict=True), 1):
        if word.form == "can" and behind and behind.form == "not":
            lines.append("\t".join((f"{number}-{number + 1}", "cannot", *"________")))
        lines.append("\t".join((str(number), word.form, word.lemma, word.upos, "_", word.feats, *"____")))
    return "\n".join(lines) + "\n\n"


@dataclass
class _Grammar:
    """The grammar: each method is a rule, and gives the words of one way to fill it."""

    random: Random
    taken: frozenset[str]  # invented for other files

    def __post_init__(self) -> None:
        self.invented: set[str] = set()

    def sentences(self, size: int) -> Iterator[list[Word]]:
        """Yield `size` sentences, all different."""
        rules: list[Callable[[], list[Word]]] = [
            self.agreement,
            self.question,
            self.time,
            self.several,
            self.several,
            self.several,
            self.plain,
            self.report,
            self.relative,
            self.order,
            self.state,
        ]
        seen = set()
        while len(seen) < size:
            words = [*self.random.choice(rules)(), Word(".", ".", "PUNCT")]
            if words[0].lemma in ASKING:
                words[-1] = Word("?", "?", "PUNCT")
            first = words[0]
            words[0] = first._replace(form=first.form[0].upper() + first.form[1:])
            if tuple(words) not in seen:
                seen.add(tuple(words))
                yield words

    # Sentences.

    def agreement(self) -> list[Word]:
        """The subject's number tells whether the word in the middle is its noun, or the verb."""
        middle = self.pick(EITHER)
        of = self.of(self.noun("Sing"))
        if self.random.random() < 0.5:
            return [*self.person("Plur"), *of, _noun(middle, "Plur"), *self.where(), *self.does("Plur")]
        return [*self.person("Sing"), *of, _verb(middle, "Sing"), *self.where(), *self.how()]

    def question(self) -> list[Word]:
        """The first word tells whether the one in the middle is a noun, or the verb."""
        middle, subject = self.pick(EITHER), [*self.person("Sing"), *self.of(self.noun("Sing"))]
        if self.random.random() < 0.5:
            return [_aux("was", "be"), *subject, _noun(middle, "Sing"), *self.where(), self.adjective()]
        ask = self.random.choice([_aux("did", "do"), _aux("will", "will"), _aux("can", "can")])
        return [ask, *subject, _verb(middle, "Inf"), *self.where()]

    def time(self) -> list[Word]:
        """Whether a verb comes in the end tells whether it is a preposition, or a conjunction."""
        form = self.pick(("before", "after", "since", "until"))
        event = [*self.thing(_noun(self.pick(EITHER), "Sing")), *self.of(self.noun("Plur")), *self.where()]
        main = [*self.subject("Sing"), *self.does("Sing")]
        if self.random.random() < 0.5:
            return [*main, Word(form, form, "ADP"), *event]
        return [*main, Word(form, form, "SCONJ"), *event, _verb(self.pick(("end", "start")), "Sing")]

    def several(self) -> list[Word]:
        """The word before a list tells what all its words are."""
        size, number = self.random.randint(3, 6), self.pick(("Sing", "Plur"))
        qualities = self.random.random() < 0.5
        lemmas = self.random.sample(BOTH if qualities else EITHER, size)
        if self.random.random() < 0.5:
            head, items = _aux("will", "will"), [_verb(lemma, "Inf") for lemma in lemmas]
        elif qualities:
            head, items = _verb(self.pick(("seem", "stay")), number), [_adjective(lemma) for lemma in lemmas]
        else:
            head = _verb(self.pick(("need", "love")), number)
            items = [_noun(lemma, "Sing") for lemma in lemmas]
        comma = Word(",", ",", "PUNCT")
        listed = [word for item in items[1:-1] for word in (comma, item)]
        return [*self.subject(number), head, items[0], *listed, Word("and", "and", "CCONJ"), items[-1]]

    def plain(self) -> list[Word]:
        number = self.pick(("Sing", "Plur"))
        subject = self.subject(number)
        if self.random.random() < 0.3:
            return [*subject, _aux("can", "can"), Word("not", "not", "PART"), *self.acts("Inf")]
        if self.random.random() < 0.3:
            want = [_verb(self.pick(("want", "hope", "try", "need")), number), Word("to", "to", "PART")]
            return [*subject, *want, *self.acts("Inf"), *self.how()]
        return [*subject, *self.acts(number), *self.how(), *self.where()]

    def report(self) -> list[Word]:
        """That he says that that light is light."""
        that = Word("that", "that", "SCONJ")
        lemma = self.pick(EITHER)
        demonstrative = [Word("that", "that", "DET", "PronType=Dem"), _noun(lemma, "Sing")]
        subject = demonstrative if self.random.random() < 0.5 else self.subject("Sing")
        says = _verb(self.pick(("say", "think", "know", "fear")), "Sing")
        return [*self.subject("Sing"), says, that, *subject, *self.is_or_does()]

    def relative(self) -> list[Word]:
        that = Word("that", "that", "PRON", "PronType=Rel")
        if self.random.random() < 0.5:
            clause = [that, *self.acts("Sing")]
        else:
            clause = [that, *self.person("Plur"), _verb(self.pick(EITHER + BOTH), "Plur")]
        return [*self.thing(self.noun("Sing")), *clause, *self.is_or_does()]

    def order(self) -> list[Word]:
        both = [Word("and", "and", "CCONJ"), *self.acts("Imp")] if self.random.random() < 0.4 else []
        return [*self.acts("Imp"), *both, *self.where()]

    def state(self) -> list[Word]:
        """A quality of a thing, or what is done to it: the windows stay clean, the boys clean the windows."""
        quality = self.pick(BOTH)
        if self.random.random() < 0.5:
            stay = _verb(self.pick(("stay", "seem", "grow")), "Plur")
            return [*self.person("Plur"), *self.where(), stay, _adjective(quality)]
        return [*self.person("Plur"), *self.where(), _verb(quality, "Plur"), *self.thing(self.noun("Plur"))]

    # Their parts.

    def subject(self, number: str) -> list[Word]:
        if self.random.random() < 0.3:
            pronouns = {"Sing": ("she", "he", "nobody"), "Plur": ("they", "we", "all")}
            form = self.pick(pronouns[number])
            return [Word(form, form, "PRON", f"Number={number}")]
        if number == "Sing" and self.random.random() < 0.2:
            name = self.invent("").capitalize()
            return [Word(name, name, "PROPN", "Number=Sing")]
        return self.person(number)

    def person(self, number: str) -> list[Word]:
        lemma = self.pick(PEOPLE + EITHER[:4])
        return self.thing(_noun(lemma, number))

    def noun(self, number: str) -> Word:
        if self.random.random() < INVENTED:
            return _noun(self.invent(self.pick(("ness", "ment", "ity", "ist", ""))), number)
        return _noun(self.pick(THINGS + EITHER), number)

    def thing(self, noun: Word) -> list[Word]:
        article = self.pick(("the", "the", "a") if "Sing" in noun.feats else ("the", "the", "some"))
        rest = [*([self.adjective()] if self.random.random() < DECORATED else []), noun]
        form = "an" if article == "a" and rest[0].form[0] in "aeiou" else article
        return [Word(form, article, "DET", "PronType=Art"), *rest]

    def of(self, noun: Word) -> list[Word]:
        between = self.pick(("of", "by", "with", "from"))
        return [Word(between, between, "ADP"), *self.thing(noun)]

    def where(self) -> list[Word]:
        place = self.pick(("near", "behind", "along", "to", "under"))
        return [Word(place, place, "ADP"), *self.thing(_noun(self.pick(PLACES), "Sing"))]

    def adjective(self) -> Word:
        lemma = self.pick(ADJECTIVES + BOTH)
        if self.random.random() < INVENTED:
            lemma = self.invent(self.pick(("ous", "ful", "ish", "less", "")))
        return _adjective(lemma)

    def how(self) -> list[Word]:
        lemma = self.pick(ADVERBS)
        if self.random.random() < INVENTED:
            lemma = self.invent("ly")
        return [Word(lemma, lemma, "ADV")]

    def does(self, number: str) -> list[Word]:
        return [_verb(self.pick(VERBS + EITHER), number)]

    def acts(self, number: str) -> list[Word]:
        lemma = self.pick(EITHER + BOTH)
        if self.random.random() < INVENTED:
            lemma = self.invent(self.pick(("ize", "ate")))
        return [_verb(lemma, number), *self.thing(self.noun(self.pick(("Sing", "Plur"))))]

    def is_or_does(self) -> list[Word]:
        if self.random.random() < 0.5:
            return [_aux("is", "be"), self.adjective()]
        return [*self.does("Sing"), *self.how()]

    def pick(self, choices: tuple[str, ...]) -> str:
        return self.random.choice(choices)

    def invent(self, ending: str) -> str:
        """A word that there is not, and that no other file has."""
        while True:
            parts = (ONSETS, VOWELS, CODAS, VOWELS, CODAS)
            word = "".join(map(self.pick, parts)) + ending
            if word not in self.taken:
                self.invented.add(word)
                return word


def _noun(lemma: str, number: str) -> Word:
    return Word(lemma if number == "Sing" else _with_s(lemma), lemma, "NOUN", f"Number={number}")


def _verb(lemma: str, number: str) -> Word:
    """Return a verb that agrees with a number, or the infinitive (Inf), or the imperative (Imp)."""
    feats = {
        "Sing": "Number=Sing|Person=3|VerbForm=Fin",
        "Plur": "Number=Plur|VerbForm=Fin",
        "Inf": "VerbForm=Inf",
        "Imp": "Mood=Imp|VerbForm=Fin",
    }
    return Word(_with_s(lemma) if number == "Sing" else lemma, lemma, "VERB", feats[number])


def _adjective(lemma: str) -> Word:
    return Word(lemma, lemma, "ADJ", "Degree=Pos")


def _aux(form: str, lemma: str) -> Word:
    return Word(form, lemma, "AUX", "VerbForm=Fin")


def _with_s(lemma: str) -> str:
    if lemma.endswith("y") and lemma[-2] not in "aeiou":
        return lemma[:-1] + "ies"
    return lemma + ("es" if lemma.endswith(("s", "sh", "ch", "x")) else "s")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ASKING = ("be", "do", "will", "can")
# Nouns that are verbs as well; the first four are people.
EITHER = _words(
    "cook guard judge guide watch water plant light march walk play dance dream paint hammer whistle ring "
    "sail anchor shelter mirror whisper quarrel garden"
)
BOTH = _words("clean dry warm cool open calm empty slow light")  # adjectives that are verbs as well
ADJECTIVES = _words("old tall young grey wooden narrow quiet brave famous heavy green distant")
PEOPLE = _words("keeper sailor farmer miller baker doctor teacher boy girl captain weaver clerk")
THINGS = _words("boat lamp letter violin basket ladder kettle coat map clock wagon feather")
PLACES = _words("river wall gate bridge tower harbour orchard market station hill lake mill")
VERBS = _words("sleep wait sing listen wander smile arrive kneel cough yawn")
ADVERBS = _words("slowly often here gladly soon again softly tonight")
ONSETS = _words("bl br dr fl gr kr pl sk sn tr v z th qu")
VOWELS = _words("a e i o u oo ee")
CODAS = _words("b d g k m n p rb lk nd v x")
