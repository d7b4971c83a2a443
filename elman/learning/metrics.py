"""The metrics of the field, by their reference implementations, each saved with its signature.

Entities are counted here, as conlleval does: its library is no dependency. So are likelihoods, and the
calibration error, which scikit-learn does not have. scikit-learn is imported where it scores: that takes a
second, and answering does without it.
"""

import math
import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

Entity = tuple[int, int, str]  # first word, word after the last, type

ENTITY_SIGNATURE = "entity_f1|match:start+stop+type|average:micro|as:conlleval"
LIKELIHOOD_SIGNATURE = "nll|log:natural|per:unit|line_ends:counted|word:white_space"
CALIBRATION_BINS = 15
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
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    labels, counts = confusion(gold, predicted, sorted({*gold, *predicted}))
    # Its stubs take zero_division for a text.
    each: Any = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=0)  # pyright: ignore[reportArgumentType]
    per_class = {
        label: {
            "f1": float(f1),
            "precision": float(precision),
            "recall": float(recall),
            "correct": int(counts[i, i]),
            "predicted": int(counts[:, i].sum()),
            "gold": int(counts[i].sum()),
        }
        for i, (label, precision, recall, f1) in enumerate(zip(labels, *each[:3], strict=True))
    }
    return {
        "metric": "accuracy",
        "value": float(accuracy_score(gold, predicted)),
        "macro_f1": float(np.mean(each[2])),
        "per_class": per_class,
        "signature": f"accuracy|macro_f1:mean_over_labels_of_either|{_by('scikit-learn')}",
    }


def classification_scores(
    gold: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]],
) -> dict[str, Any]:
    """Score one label an example, and how well the probabilities are to be trusted.

    The calibration error is the mean distance between how sure the answers are and how often they are right,
    in 15 bins of equal width (Guo et al. 2017, "On calibration of modern neural networks"). The log loss is
    computed here, because scikit-learn's has no place for a label without a probability.

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
    from sklearn.metrics import roc_auc_score

    if len(set(positive)) < 2:
        raise ValueError("auroc needs positive and negative examples, got one kind only")
    return float(roc_auc_score(positive, scores))


def matthews(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return Matthews' correlation of answers with right labels, of any number of them; 0 for a constant.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    >>> round(matthews(["a", "b", "b", "b"], ["a", "b", "b", "a"]), 4)
    0.5774
    """
    from sklearn.metrics import matthews_corrcoef

    if len({*gold, *predicted}) < 2:  # scikit-learn's answer too, but with a warning
        return 0.0
    return float(matthews_corrcoef(gold, predicted))


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
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    return {
        "metric": "rmse",
        "value": float(root_mean_squared_error(gold, predicted)),
        "mae": float(mean_absolute_error(gold, predicted)),
        "signature": f"rmse|unit:target|{_by('scikit-learn')}",
    }


def transcript_scores(gold: Sequence[str], predicted: Sequence[str], jiwer: Any) -> dict[str, Any]:
    """Score transcripts by jiwer: how many words and characters must be changed, put in or taken out.

    Args:
        gold: what was said; no text of them empty.
        predicted: what was heard.
        jiwer: the module, which not everybody has installed.

    Returns:
        {"metric": "wer", "value", "cer", "exact" the share of texts without an error, "word_errors", "words",
        "character_errors", "characters", "signature"}

    >>> import jiwer
    >>> scores = transcript_scores(["the cat sat"], ["the cat sad on"], jiwer)
    >>> round(scores["value"], 4), round(scores["cer"], 4)
    (0.6667, 0.3636)
    """
    said, heard = ([" ".join(text.split()) for text in texts] for texts in (gold, predicted))
    words, characters = jiwer.process_words(said, heard), jiwer.process_characters(said, heard)
    return {
        "metric": "wer",
        "value": words.wer,
        "cer": characters.cer,
        "exact": sum(map(operator.eq, said, heard)) / len(said),
        "word_errors": words.substitutions + words.deletions + words.insertions,
        "words": words.hits + words.substitutions + words.deletions,
        "character_errors": characters.substitutions + characters.deletions + characters.insertions,
        "characters": characters.hits + characters.substitutions + characters.deletions,
        "signature": f"wer|cer|white_space:one|{_by('jiwer')}",
    }


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


def _by(library: str) -> str:
    """Return the end of a signature: the library that scores, and its version."""
    return f"library:{library}|version:{version(library)}"
