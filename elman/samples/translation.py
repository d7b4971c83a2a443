"""Sample data for translation: how many of what, from words of three languages into digits.

"twenty-four apples and ninety-seven pears", "vierundzwanzig Äpfel und siebenundneunzig Birnen" and
"vingt-quatre pommes et quatre-vingt-dix-sept poires" are all "24 apple, 97 pear". What a word is worth
depends on those beside it: German says the ones before the tens, and in French four twenties, ten and seven
are 97. A dictionary that turns each word into another can only know numbers that are one word.
"""

from pathlib import Path
from random import Random

from elman.storage import write_whole

SIZES = {"train": 1000, "dev": 150, "test": 150}
LARGEST = 99
THINGS = (  # what it is, in English (one, many), German (one, many), French (one, many)
    ("apple", "apple", "apples", "Apfel", "Äpfel", "pomme", "pommes"),
    ("pear", "pear", "pears", "Birne", "Birnen", "poire", "poires"),
    ("house", "house", "houses", "Haus", "Häuser", "maison", "maisons"),
    ("tree", "tree", "trees", "Baum", "Bäume", "arbre", "arbres"),
    ("book", "book", "books", "Buch", "Bücher", "livre", "livres"),
    ("bird", "bird", "birds", "Vogel", "Vögel", "oiseau", "oiseaux"),
    ("boat", "boat", "boats", "Boot", "Boote", "bateau", "bateaux"),
    ("letter", "letter", "letters", "Brief", "Briefe", "lettre", "lettres"),
)
AND = {"english": " and ", "german": " und ", "french": " et "}

ENGLISH = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
ENGLISH_TENS = (
    "-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
GERMAN = (
    "null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf",
    "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
)  # fmt: skip
GERMAN_TENS = (
    "-", "-", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
)  # fmt: skip
FRENCH = (
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze",
    "treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf",
)  # fmt: skip
FRENCH_TENS = (
    "-", "-", "vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt",
    "quatre-vingt",
)  # fmt: skip


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.tsv, dev.tsv and test.tsv into `folder`, made where absent; return their paths.

    Equal seeds give equal bytes; no source stands twice.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder))]
    ['train.tsv', 'dev.tsv', 'test.tsv']
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(seed)
    pairs: dict[str, str] = {}
    while len(pairs) < sum(SIZES.values()):
        source, target = _pair(random)
        pairs[source] = target
    rest, paths = iter(pairs.items()), []
    for part, size in SIZES.items():
        rows = ["source\ttarget", *("\t".join(next(rest)) for _ in range(size))]
        paths.append(folder / f"{part}.tsv")
        write_whole(paths[-1], "".join(f"{row}\n" for row in rows).encode())
    return paths


def _pair(random: Random) -> tuple[str, str]:
    language = random.choice(list(AND))
    said, written = [], []
    for thing in random.sample(THINGS, 2):
        number = random.randint(2, LARGEST)
        many = thing[2 + 2 * list(AND).index(language)]
        said.append(f"{words(number, language)} {many}")
        written.append(f"{number} {thing[0]}")
    return AND[language].join(said), ", ".join(written)


def words(number: int, language: str) -> str:
    """Return a number from 2 to 99 in words of English, German or French.

    >>> words(97, "english"), words(97, "german"), words(97, "french")
    ('ninety-seven', 'siebenundneunzig', 'quatre-vingt-dix-sept')
    """
    return {"english": _english, "german": _german, "french": _french}[language](*divmod(number, 10))


def _english(tens: int, ones: int) -> str:
    if tens < 2:
        return ENGLISH[10 * tens + ones]
    return ENGLISH_TENS[tens] + (f"-{ENGLISH[ones]}" if ones else "")


def _german(tens: int, ones: int) -> str:
    if tens < 2:
        return GERMAN[10 * tens + ones]
    return (f"{GERMAN[ones]}und" if ones else "") + GERMAN_TENS[tens]


def _french(tens: int, ones: int) -> str:
    if tens < 2:
        return FRENCH[10 * tens + ones]
    if tens in (7, 9):  # soixante-dix, quatre-vingt-dix
        ones += 10
    if ones == 0:
        return FRENCH_TENS[tens] + ("s" if tens == 8 else "")
    joint = " et " if ones in (1, 11) and tens < 8 else "-"
    return f"{FRENCH_TENS[tens]}{joint}{FRENCH[ones]}"
