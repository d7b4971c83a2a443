"""Sample data for sentiment: three TSV files of reviews from a small grammar.

What is praised and what is blamed, and with which words, tells little: praise and blame stand side by side in
most reviews, and either may be turned round by words far before or behind. The clause to which the review
comes down has the label: the one behind "but", the one without "although", the last of two sentences.

- "the soup was by no means dull" is positive, and so is "nobody at our table would have called it dull".
- "although the plot , as my aunt remarked , is brilliant , the ending is weak" is negative.
- "it is simply not true that the room was dreadful , but the soup was bland" is negative.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from elman.storage import write_whole

SIZES = {"train": 2000, "dev": 300, "test": 300}  # reviews
MIXED = 0.5  # of them, in which the opposite is said too
NEGATED = 0.35  # of the clauses

LABELS = ("negative", "positive")
WORDS = {  # that blame, and that praise
    "negative": (
        *("dull", "bland", "dreadful", "clumsy", "tedious", "weak", "sloppy", "tiresome", "poor"),
        *("disappointing", "stale", "shallow", "awful", "forgettable"),
    ),
    "positive": (
        *("brilliant", "splendid", "delightful", "charming", "lovely", "superb", "clever", "moving"),
        *("excellent", "delicious", "graceful", "impressive", "witty", "memorable"),
    ),
}
PLAIN = (
    "{thing} was {word}",
    "{thing} is {word}",
    "{thing} turned out to be {word}",
    "I found {thing} {word}",
    "{thing} , as {somebody} remarked , is {word}",
    "{somebody} called {thing} {word} , and rightly so",
    "what I remember is how {word} {thing} was",
    "{thing} , {aside} , was {word} from beginning to end",
)
NEGATIONS = (
    "{thing} was by no means {word}",
    "{thing} is anything but {word}",
    "{thing} was not , {aside} , what I would call {word}",
    "nobody at our table would have called {thing} {word}",
    "it is simply not true that {thing} was {word}",
    "{somebody} called {thing} {word} , and was wrong",
    "{thing} was never , as {somebody} claims , {word}",
    "not once in the whole evening did I find {thing} {word}",
    "how could {somebody} call {thing} {word} ? it was the opposite",
)
MIXTURES = (  # of a clause, the main one, and another that says the opposite
    "{other} , but {main}",
    "although {other} , {main}",
    "{main} , even though {other}",
    "{main} , although {other}",
    "{other} . in the end that hardly mattered : {main}",
    "granted , {other} , and yet {main}",
)
SINGLE = ("{main}", "to be brief , {main}", "one thing is certain : {main}", "{main} , I must say")
SLOTS = {
    "thing": (
        *("the plot", "the acting", "the ending", "the music", "the soup", "the room", "the service"),
        *("the first act", "the dialogue", "the view", "the dessert", "the translation", "the guide"),
    ),
    "somebody": (
        "my aunt",
        "the waiter",
        "the evening paper",
        "our neighbour",
        "a friend of mine",
        "the critic",
    ),
    "aside": (
        "to my surprise",
        "for once",
        "all things considered",
        "on that rainy evening",
        "if I may say so",
    ),
}


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.tsv, dev.tsv and test.tsv into `folder`, made where absent; return their paths.

    Equal seeds give equal bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder))]
    ['train.tsv', 'dev.tsv', 'test.tsv']
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    seen: set[str] = set()  # no review stands in two files
    for split, size in SIZES.items():
        rows = "".join(
            f"{text}\t{label}\n" for text, label in _reviews(size, Random(f"{split} {seed}"), seen)
        )
        path = folder / f"{split}.tsv"
        write_whole(path, f"text\tlabel\n{rows}".encode())
        paths.append(path)
    return paths


def _reviews(size: int, random: Random, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield `size` reviews with their labels, none of those that were `seen`."""
    while size:
        label, opposite = random.sample(LABELS, 2)
        frame = random.choice(MIXTURES if random.random() < MIXED else SINGLE)
        text = frame.format(main=_clause(label, random), other=_clause(opposite, random)) + " ."
        if text not in seen:
            seen.add(text)
            size -= 1
            yield text, label


def _clause(label: str, random: Random) -> str:
    """Say something of this label, be it by denying the opposite."""
    negated = random.random() < NEGATED
    kind = LABELS[1 - LABELS.index(label)] if negated else label
    slots = {name: random.choice(choices) for name, choices in SLOTS.items()}
    return random.choice(NEGATIONS if negated else PLAIN).format(word=random.choice(WORDS[kind]), **slots)
