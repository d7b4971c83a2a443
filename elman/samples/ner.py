"""Sample data for named entities: three CoNLL files from a small grammar.

Names of people (PER), places (LOC) and organisations (ORG) are real, what is said of them is not. A name of
one file stands in no other, not even a part of it: knowing the names of train.conll by heart finds nothing in
test.conll, context must. Often the word that decides stands behind the name or far before it, and some names
are of two or three types ("Jordan laughed", "a ferry to Jordan", "shares of Jordan"), so that a model must
look both ways and farther than a fixed window.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from elman.samples.names import DEV, TEST, TRAIN, Names, listed
from elman.storage import write_whole

_Token = tuple[str, str]  # the word and its tag


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.conll, dev.conll and test.conll into `folder`, made where absent; return their paths.

    A row is a word, a tab and its tag in IOB2; a blank line ends a sentence. Equal seeds give equal bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder))]
    ['train.conll', 'dev.conll', 'test.conll']
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for split, (size, names) in SPLITS.items():
        text = "".join(
            "".join(f"{word}\t{tag}\n" for word, tag in sentence) + "\n"
            for sentence in _sentences(size, names, Random(f"{split} {seed}"))
        )
        path = folder / f"{split}.conll"
        write_whole(path, text.encode())
        paths.append(path)
    return paths


def _sentences(size: int, names: Names, random: Random) -> Iterator[list[_Token]]:
    """Yield `size` sentences, all different."""
    seen = set()
    while len(seen) < size:
        lower = random.random() < LOWER
        sentence = list(_expand("{quiet}" if lower else "{sentence}", names, random))
        if not lower:
            word, tag = sentence[0]
            sentence[0] = word[0].upper() + word[1:], tag
        named = [word for word, tag in sentence if tag != "O"]
        if len(named) == len(set(named)) and tuple(sentence) not in seen:  # nobody is named twice
            seen.add(tuple(sentence))
            yield sentence


def _expand(template: str, names: Names, random: Random) -> Iterator[_Token]:
    """Yield the template's words; {PER}, {LOC} and {ORG} become names, {other} a line of GRAMMAR["other"]."""
    for word in template.split():
        slot = word.strip("{}")
        if slot == word:
            yield word, "O"
        elif slot in GRAMMAR:
            yield from _expand(random.choice(GRAMMAR[slot]), names, random)
        else:
            first, *rest = names.draw(slot, random)
            yield first, f"B-{slot}"
            for part in rest:
                yield part, f"I-{slot}"


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


LOWER = 0.06  # this share of sentences are in lower case, without a name

# One line of those under a key is drawn, each as likely as the next. Lines come in threes, alike but for the
# words that tell a person from a place from an organisation; in "far" these stand apart from the name.
GRAMMAR = {
    "sentence": ("{far}", "{far}", "{near}"),
    "far": _lines("""
        {PER} {aside} {does} .
        {LOC} {aside} {lies} .
        {ORG} {aside} {trades} .
        {lead} {PER} {aside} {does} .
        {lead} {LOC} {aside} {lies} .
        {lead} {ORG} {aside} {trades} .
        {PER} {aside} {does} while {PER} {does} .
        {LOC} {aside} {lies} , whereas {LOC} {lies} .
        {ORG} {aside} {trades} before {ORG} {trades} .
        {PER} , though nobody at {ORG} would have guessed it , {does} .
        {LOC} , though {PER} never said so in public , {lies} .
        {ORG} , though hardly anybody in {LOC} took notice , {trades} .
        the {maker} whom the jury had wanted to hear since {month} was {aside} {PER} .
        the {maker} on the left of the photograph must be {PER} .
        of all the towns that we crossed by bicycle , the quietest was {aside} {LOC} .
        the country that we looked up in the atlas before breakfast was {LOC} .
        the employer that paid best , at least until {month} , was {aside} {ORG} .
        among the firms that had made an offer by {day} , the most generous was {ORG} .
        the {maker} at the next table , or so we thought , was {PER} and not {PER} .
        the capital in those days was not {LOC} but , if you please , {LOC} .
        the owner of the patent was not {ORG} but , if you please , {ORG} .
        {PER} , {PER} and {PER} shared a single umbrella .
        {LOC} , {LOC} and {LOC} lie on the same river .
        {ORG} , {ORG} and {ORG} formed a consortium .
        {PER} or {PER} ? both wrote well , but only one could spell .
        {LOC} or {LOC} ? both have a cathedral , but only one has a beach .
        {ORG} or {ORG} ? both pay well , but only one gives its staff a free {day} .
        we had heard so much about {PER} that we hardly dared to ask for an autograph .
        we had heard so much about {LOC} that we hardly dared to leave the railway station .
        we had heard so much about {ORG} that we hardly dared to apply for a job there .
        I never understood {PER} , but her jokes are excellent .
        I never understood {LOC} , but its beaches are excellent .
        I never understood {ORG} , but its shareholders seem content .
        everyone likes {PER} , and with good reason : a kinder soul never held a {thing} .
        everyone likes {LOC} , and with good reason : the climate is mild and the streets are clean .
        everyone likes {ORG} , and with good reason : the salaries are paid on time .
        the talk on {day} is about {PER} , a {maker} of rare patience .
        the talk on {day} is about {LOC} , a port of rare beauty .
        the talk on {day} is about {ORG} , a firm of rare patience .
    """),
    "near": _lines("""
        {PER} {does} .
        {LOC} {lies} .
        {ORG} {trades} .
        {lead} {PER} {does} .
        {lead} {LOC} {lies} .
        {lead} {ORG} {trades} .
        {PER} , who grew up in {LOC} , joined {ORG} on {day} .
        {ORG} , which was founded in {LOC} , elected {PER} as its president .
        {LOC} , where {PER} spent three summers , {lies} .
        {PER} is tired .
        {LOC} is hilly .
        {ORG} is hiring .
        {PER} and {PER} are cousins .
        {LOC} and {LOC} are neighbours , with a border that nobody guards .
        {ORG} and {ORG} are rivals , with a shared pension fund .
        {PER} said on {day} that the {thing} was out of tune .
        {PER} flew to {LOC} .
        they flew to {LOC} in {month} and came back without the {thing} .
        shares of {ORG} rose by {number} percent on {day} .
        on {day} , shares of {ORG} fell , and so did the {thing} .
        Professor {PER} explained the {thing} to {PER} in {LOC} .
        Dr. {PER} of {ORG} will give the lecture on {day} .
        the {maker} {PER} met the {maker} {PER} on the road to {LOC} .
        a spokeswoman for {ORG} declined to comment on the {thing} .
        the road from {LOC} to {LOC} is closed for repairs until {month} .
        born in {LOC} , {PER} spent {number} years at {ORG} .
        when the news reached {LOC} , {PER} was asleep .
        in {month} , {ORG} opened a museum of the {thing} in {LOC} .
        {makers} on the list are {PER} , {PER} and {PER} .
        the express calls at {LOC} , {LOC} and {LOC} .
        letters came from three companies : {ORG} , {ORG} and {ORG} .
        the King , the Queen and the Prime Minister waited until {day} for the {thing} .
        nothing at all happened on {day} .
        every {month} the swallows return , and the Archbishop counts them .
        my Danish is worse than my Latin , said the Captain , and sold the {thing} .
        on {day} the Professor left the {thing} in a taxi .
    """),
    "quiet": _lines("""
        the {maker} put the {thing} back on the shelf .
        nobody knows why the {thing} stopped .
        add {number} spoons of sugar and stir .
        it rained for {number} days , and then it rained again .
        there is a mouse in the {thing} , and the {maker} has named it .
        this sentence was written by a grammar , not by a {maker} .
        never lend a {maker} your {thing} .
        the price of a used {thing} fell by {number} percent .
        {makers} seldom agree on the colour of a {thing} .
    """),
    "lead": _lines("""
        on {day} ,
        in {month} ,
        according to the evening paper ,
        few readers recall that
        it is said that
        rumour has it that
        we were told on {day} that
        as far as we know ,
        last {month} , when nobody was looking ,
        the second chapter begins as follows :
        meanwhile ,
    """),
    "aside": _lines("""
        , to no one 's surprise ,
        , as the papers noted on {day} ,
        , once again in the news ,
        , if the rumours are right ,
        , as everybody at the table knew ,
        , or so the radio said this morning ,
        , the subject of {number} books and a film ,
        , whatever the weather in {month} ,
        , for reasons that nobody could explain ,
        , not for the first time ,
        , mentioned twice in the programme ,
        , after all the noise of the last few weeks ,
        , as {PER} had foretold in a letter ,
        , to the delight of all who live in {LOC} ,
        , unlike anything that {ORG} has on its books ,
    """),
    "does": _lines("""
        wrote a long letter about the {thing} to the children
        was born in {LOC} , far from any library
        laughed and asked for another cup of tea
        could not remember where the keys were
        learned to play the {thing} at the age of six
        married in {month} and never gave up teaching
        read the proofs twice and slept badly
        sat down at the piano
        dreamed of a career on the stage
        joined {ORG} as a young {maker}
        walked home along the canal without a coat
        studied botany before turning to verse
        caught a cold in {LOC}
        took off both gloves and shook hands with {PER}
        celebrated a seventieth birthday
        retired from {ORG} with a gold watch
        wept when the curtain fell
        forgot to post the letter to {PER}
    """),
    "lies": _lines("""
        lies at the foot of a range of hills
        has {number} bridges and one reliable ferry
        was covered in snow until {month}
        has fewer than a million inhabitants
        is best reached by the night train from {LOC}
        elected a new mayor
        was rebuilt after the great flood
        is warmer in {month} than most people think
        borders a desert in the south
        exports olives , timber and good manners
        is full of tourists by the end of {month}
        stands on an island where two rivers meet
        was drawn on the map in the wrong place
        has no airport and likes it that way
        has a harbour that freezes in {month}
        is smaller than {LOC} but has more owls
        named a square after {PER}
    """),
    "trades": _lines("""
        hired {number} engineers
        appointed {PER} as its new director
        published its annual report on {day}
        raised the price of its tickets
        opened a branch in {LOC}
        reported a profit for the third quarter
        awarded its yearly prize to {PER}
        agreed to merge its two laboratories
        moved its headquarters to {LOC}
        beat the visitors by two goals to one
        laid down a code of conduct for its members
        issued new bonds
        is recruiting interns with a sense of humour
        sold its stake in a small printing house
        signed a contract for {number} wooden chairs
        will fund the excavation for another decade
        took over the pension fund of {ORG}
    """),
    "maker": ("poet", "painter", "physicist", "composer", "novelist", "chemist", "pianist", "astronomer"),
    "makers": ("poets", "painters", "physicists", "composers", "novelists", "chemists", "pianists"),
    "thing": (
        "cello",
        "telescope",
        "teapot",
        "typewriter",
        "barometer",
        "harp",
        "bicycle",
        "gramophone",
        "kite",
    ),
    "number": ("two", "three", "five", "seven", "nine", "eleven", "forty", "12", "30", "150"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": listed("""
        January, February, March, April, May, June, July, August, September, October, November, December
    """),
}

SPLITS = {"train": (800, TRAIN), "dev": (150, DEV), "test": (150, TEST)}
