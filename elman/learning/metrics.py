"""The metrics of the field, each equal to its reference implementation, each saved with its signature."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

Entity = tuple[int, int, str]  # first word, word after the last, type

ENTITY_SIGNATURE = "entity_f1|match:start+stop+type|average:micro|as:conlleval"
ACCURACY_SIGNATURE = "accuracy|macro_f1:mean_over_labels_of_either|as:scikit-learn"
REGRESSION_SIGNATURE = "rmse|unit:target|as:scikit-learn"
LIKELIHOOD_SIGNATURE = "nll|log:natural|per:unit|line_ends:counted|word:white_space"
CALIBRATION_BINS = 15
TRANSCRIPT_SIGNATURE = "wer|cer|edits:substitutions+insertions+deletions|white_space:one|as:jiwer"
LARGEST_EXPONENT = 700.0  # of a perplexity that is still a number


def entity_scores(gold: Iterable[Iterable[Entity]], predicted: Iterable[Iterable[Entity]]) -> dict[str, Any]:
    """Score predicted entities against gold ones, sentence by sentence, as conlleval does.

    An entity is right when its first word, its last word and its type are right. Rates are fractions; a rate
    with nothing to count is 0.

    Returns:
        {"metric": "entity_f1", "value", "precision", "recall", "correct", "predicted", "gold", "signature",
        "per_type": {TYPE: {"f1", "precision", "recall", "correct", "predicted", "gold"}}}

    >>> entity_scores([[(0, 2, "PER"), (4, 5, "LOC")]], [[(0, 2, "PER"), (4, 6, "LOC")]])["value"]
    0.5
    """
    right: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for gold_entities, predicted_entities in zip(gold, predicted, strict=True):
        gold_set, predicted_set = set(gold_entities), set(predicted_entities)
        right.update(kind for _, _, kind in gold_set & predicted_set)
        guessed.update(kind for _, _, kind in predicted_set)
        wanted.update(kind for _, _, kind in gold_set)
    overall = _rates(right.total(), guessed.total(), wanted.total())
    return {
        "metric": "entity_f1",
        "value": overall.pop("f1"),
        **overall,
        "per_type": {
            kind: _rates(right[kind], guessed[kind], wanted[kind]) for kind in sorted(wanted | guessed)
        },
        "signature": ENTITY_SIGNATURE,
    }


def confusion(
    gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """Count how often one label was taken for another.

    Returns:
        `labels` and whatever others occur, K of them; the counts [K, K], gold in rows, predicted in columns.
    """
    number = {label: i for i, label in enumerate([*labels, *sorted({*gold, *predicted} - {*labels})])}
    counts = np.zeros((len(number), len(number)), dtype=int)
    np.add.at(counts, ([number[label] for label in gold], [number[label] for label in predicted]), 1)
    return list(number), counts


def _rates(correct: int, predicted: int, gold: int) -> dict[str, Any]:
    return {
        "f1": 2 * correct / (predicted + gold) if correct else 0.0,
        "precision": correct / predicted if correct else 0.0,
        "recall": correct / gold if correct else 0.0,
        "correct": correct,
        "predicted": predicted,
        "gold": gold,
    }


def perplexity(nll: float) -> float:
    """Return between how many equally probable choices one would be as unsure, given the nats of a choice."""
    return math.exp(min(nll, LARGEST_EXPONENT))


def likelihood_scores(
    nats: float, *, units: int, unknown: int, words: int, characters: int
) -> dict[str, Any]:
    """Score how likely a language model finds a text.

    Args:
        nats: the negative log-likelihood of all of the text.
        units: how many units the model took it for.
        unknown: how many of them are the unknown unit, whose likelihood is that of all that it stands for.
        words: how many words it has.
        characters: how many characters it has.

    Returns:
        {"metric": "nll", "value" in nats a unit, "perplexity_unit", "perplexity_word", "bits_character",
        "units", "unknown", "words", "characters", "signature"}

    >>> scores = likelihood_scores(2 * np.log(10), units=2, unknown=0, words=1, characters=4)
    >>> round(scores["perplexity_unit"], 4), round(scores["perplexity_word"], 4)
    (10.0, 100.0)
    """
    return {
        "metric": "nll",
        "value": nats / units,
        "perplexity_unit": perplexity(nats / units),
        "perplexity_word": perplexity(nats / words),
        "bits_character": nats / characters / math.log(2),
        "units": units,
        "unknown": unknown,
        "words": words,
        "characters": characters,
        "signature": LIKELIHOOD_SIGNATURE,
    }


def label_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Score one label an example, as scikit-learn does; a rate with nothing to count is 0.

    Returns:
        {"metric": "accuracy", "value", "macro_f1", "signature", "per_class": {LABEL: {"f1", "precision",
        "recall", "correct", "predicted", "gold"}}}

    >>> label_scores(["a", "b", "b", "b"], ["a", "b", "b", "a"])["value"]
    0.75
    """
    right = Counter(label for label, answer in zip(gold, predicted, strict=True) if label == answer)
    wanted, guessed = Counter(gold), Counter(predicted)
    per_class = {
        label: _rates(right[label], guessed[label], wanted[label]) for label in sorted(wanted | guessed)
    }
    return {
        "metric": "accuracy",
        "value": right.total() / len(gold),
        "macro_f1": sum(rates["f1"] for rates in per_class.values()) / len(per_class),
        "per_class": per_class,
        "signature": ACCURACY_SIGNATURE,
    }


def classification_scores(
    gold: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]],
) -> dict[str, Any]:
    """Score one label an example, and how well the probabilities are to be trusted.

    The calibration error is the mean distance between how sure the answers are and how often they are right,
    in 15 bins of equal width (Guo et al. 2017, "On calibration of modern neural networks").

    Args:
        gold: B right labels; one that is not in `labels` had no probability.
        predicted: B labels.
        labels: K, in the order of the probabilities.
        probabilities: [B, K], of each label; a row sums to 1.

    Returns:
        What `label_scores` returns, with "log_loss" in nats and "calibration_error".

    >>> scores = classification_scores(["a", "b"], ["a", "a"], ["a", "b"], [[0.75, 0.25], [0.5, 0.5]])
    >>> scores["value"], scores["calibration_error"], round(scores["log_loss"], 4)
    (0.5, 0.375, 0.4904)
    """
    rows = np.asarray(probabilities, dtype=float)
    number = {label: i for i, label in enumerate(labels)}
    pairs = zip(rows, gold, strict=True)
    given = np.array([row[number[label]] if label in number else 0.0 for row, label in pairs])
    sure = rows.max(1)
    right = np.array([label == answer for label, answer in zip(gold, predicted, strict=True)])
    bins = np.ceil(sure * CALIBRATION_BINS).astype(int)
    gaps = [abs((right[bins == b] - sure[bins == b]).sum()) for b in np.unique(bins)]
    scores = label_scores(gold, predicted)
    per_class = scores.pop("per_class")
    return {
        **scores,
        "log_loss": float(-np.log(np.clip(given, np.finfo(float).eps, 1)).mean()),
        "calibration_error": float(sum(gaps) / len(rows)),
        "per_class": per_class,
    }


def auroc(positive: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the probability that a positive example scores higher than a negative one; a tie counts half.

    Raises ValueError where all examples are of one kind.

    >>> auroc([True, False, False], [0.5, 0.1, 0.5])
    0.75
    """
    kind = np.asarray(positive, dtype=bool)
    if kind.all() or not kind.any():
        raise ValueError("auroc needs positive and negative examples, got one kind only")
    _, place, count = np.unique(np.asarray(scores, dtype=float), return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1; equal scores share the mean of theirs
    positives = int(kind.sum())
    above = rank[kind].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(kind) - positives)))


def matthews(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return Matthews' correlation of answers with right labels, of any number of them; 0 for a constant.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    >>> round(matthews(["a", "b", "b", "b"], ["a", "b", "b", "a"]), 4)
    0.5774
    """
    _, counts = confusion(gold, predicted, [])
    total, wanted, guessed = counts.sum(), counts.sum(1), counts.sum(0)
    spread = float(total**2 - (wanted**2).sum()) * float(total**2 - (guessed**2).sum())
    return float(np.trace(counts) * total - wanted @ guessed) / math.sqrt(spread) if spread else 0.0


def music_scores(nats: Sequence[Sequence[float]], unit: str) -> dict[str, Any]:
    """Score how likely a model of music finds pieces.

    Args:
        nats: the negative log-likelihood of each step of each piece; a step has at least one.
        unit: what a step is: "step", of keys that sound together, or "event".

    Returns:
        {"metric": "nll", "value" in nats a step, over all steps of all pieces, "after_first" the same without
        the first step of each piece (as Bai, Kolter and Koltun 2018 count), "steps", "pieces", "signature"}

    >>> music_scores([[4.0, 1.0], [3.0, 2.0, 2.0]], "step")["value"]
    2.4
    """
    steps = sum(map(len, nats))
    later = [n for piece in nats for n in piece[1:]]
    return {
        "metric": "nll",
        "value": sum(map(sum, nats)) / steps,
        "after_first": sum(later) / max(1, len(later)),
        "steps": steps,
        "pieces": len(nats),
        "signature": f"nll|log:natural|per:{unit}|first:counted",
    }


def regression_scores(gold: Sequence[float], predicted: Sequence[float]) -> dict[str, Any]:
    """Score one number an example.

    Returns:
        {"metric": "rmse", "value", "mae", "signature"}: the root of the mean squared error and the mean of
        the absolute one, both in the unit of the numbers.

    >>> regression_scores([0.0, 0.0], [3.0, 5.0])["mae"]
    4.0
    """
    error = np.asarray(predicted, dtype=float) - np.asarray(gold, dtype=float)
    return {
        "metric": "rmse",
        "value": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.abs(error).mean()),
        "signature": REGRESSION_SIGNATURE,
    }


def transcript_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Score transcripts: how many words and characters must be changed, put in or taken out, as jiwer does.

    Args:
        gold: what was said; no text of them empty.
        predicted: what was heard.

    Returns:
        {"metric": "wer", "value", "cer", "exact" the share of texts without an error, "word_errors", "words",
        "character_errors", "characters", "signature"}

    >>> scores = transcript_scores(["the cat sat"], ["the cat sad on"])
    >>> round(scores["value"], 4), round(scores["cer"], 4)
    (0.6667, 0.3636)
    """
    words = characters = word_errors = character_errors = right = 0
    for one, other in zip(map(str.split, gold), map(str.split, predicted), strict=True):
        words += len(one)
        word_errors += edits(one, other)
        characters += len(" ".join(one))
        character_errors += edits(" ".join(one), " ".join(other))
        right += one == other
    return {
        "metric": "wer",
        "value": word_errors / words,
        "cer": character_errors / characters,
        "exact": right / len(gold),
        "word_errors": word_errors,
        "words": words,
        "character_errors": character_errors,
        "characters": characters,
        "signature": TRANSCRIPT_SIGNATURE,
    }


def edits(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Return the least number of substitutions, insertions and deletions that make one sequence the other.

    Source: Wagner and Fischer 1974, "The string-to-string correction problem".

    >>> edits("kitten", "sitting")
    3
    """
    number: dict[Hashable, int] = {}
    rows, columns = (
        np.array([number.setdefault(s, len(number)) for s in each], int) for each in (one, other)
    )
    places = np.arange(len(columns) + 1)
    costs = places  # of the beginnings of `other`, against none of `one`
    for row in rows:
        without = costs + 1  # an insertion; costs[j] + (...) a substitution, or the same
        without[1:] = np.minimum(without[1:], costs[:-1] + (columns != row))
        costs = np.minimum.accumulate(without - places) + places  # deletions, one after the other
    return int(costs[-1])


def translation_scores(gold: Sequence[str], predicted: Sequence[str], sacrebleu: Any) -> dict[str, Any]:
    """Score translations by sacrebleu itself.

    Args:
        gold: a reference for each.
        predicted: the translations.
        sacrebleu: the module `sacrebleu.metrics`, which not everybody has installed.

    Returns:
        {"metric": "bleu", "value" from 0 to 100, "precisions" of 1- to 4-grams, "brevity_penalty",
        "signature", "chrf" from 0 to 100, "chrf_signature"}
    """
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    score = bleu.corpus_score(list(predicted), [list(gold)])
    return {
        "metric": "bleu",
        "value": score.score,
        "precisions": list(score.precisions),
        "brevity_penalty": score.bp,
        "signature": str(bleu.get_signature()),
        "chrf": chrf.corpus_score(list(predicted), [list(gold)]).score,
        "chrf_signature": str(chrf.get_signature()),
    }
