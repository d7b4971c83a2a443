"""Sample data for translation: how many of what, from words of three languages into digits.

"twenty-four apples and three hundred and seven pears", "vierundzwanzig Äpfel und dreihundertsieben Birnen"
and "vingt-quatre pommes et trois cent sept poires" are all "24 apple, 307 pear". A digit depends on where its
word stands: German says the ones before the tens, French says ninety as four twenties and ten, and tens that
nobody names are a 0. A dictionary that turns words into words cannot do it.
"""

from pathlib import Path
from random import Random

from elman.storage import write_whole

SIZES = {"train": 1500, "dev": 150, "test": 150}
LARGEST = 999
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
    """Return a number from 2 to 999 in words of English, German or French.

    >>> words(397, "english"), words(397, "german"), words(397, "french")
    ('three hundred and ninety-seven', 'dreihundertsiebenundneunzig', 'trois cent quatre-vingt-dix-sept')
    """
    return {"english": _english, "german": _german, "french": _french}[language](number)


def _english(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if hundreds:
        return f"{ENGLISH[hundreds]} hundred" + (f" and {_english(rest)}" if rest else "")
    tens, ones = divmod(number, 10)
    if tens < 2:
        return ENGLISH[number]
    return ENGLISH_TENS[tens] + (f"-{ENGLISH[ones]}" if ones else "")


def _german(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if hundreds:
        return f"{GERMAN[hundreds]}hundert" + (("eins" if rest == 1 else _german(rest)) if rest else "")
    tens, ones = divmod(number, 10)
    if tens < 2:
        return GERMAN[number]
    return (f"{GERMAN[ones]}und" if ones else "") + GERMAN_TENS[tens]


def _french(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if hundreds:
        hundred = "cent" if hundreds == 1 else f"{FRENCH[hundreds]} cent"
        return f"{hundred} {_french(rest)}" if rest else hundred + ("s" if hundreds > 1 else "")
    tens, ones = divmod(number, 10)
    if tens < 2:
        return FRENCH[number]
    if tens in (7, 9):  # soixante-dix, quatre-vingt-dix
        ones += 10
    if ones == 0:
        return FRENCH_TENS[tens] + ("s" if tens == 8 else "")
    joint = " et " if ones in (1, 11) and tens < 8 else "-"
    return f"{FRENCH_TENS[tens]}{joint}{FRENCH[ones]}"
