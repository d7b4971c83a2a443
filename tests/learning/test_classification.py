"""Scores of labels and probabilities against scikit-learn, calibration, and the baseline of n-grams."""

from typing import Any

import numpy as np
import pytest
import sklearn
import torch
from sklearn import metrics as reference
from torch.nn import functional as F

from elman.learning.baselines import NGramRegression
from elman.learning.calibration import best_temperature, temperature_gain
from elman.learning.metrics import auroc, classification_scores, matthews, regression_scores

LABELS = ["a", "b", "c"]


def drawn(seed: int, kinds: int = 3) -> tuple[list[str], list[str], np.ndarray]:
    """Right labels, answers, and probabilities [B, K]."""
    random = np.random.default_rng(seed)
    rows = random.dirichlet(np.ones(kinds), 50)
    gold = [LABELS[i] for i in random.integers(0, kinds, 50)]
    return gold, [LABELS[i] for i in rows.argmax(1)], rows


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    gold, given, rows = drawn(seed)
    scores = classification_scores(gold, given, LABELS, rows.tolist())
    assert scores["metric"] == "accuracy"
    assert scores["value"] == reference.accuracy_score(gold, given)
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(gold, given, average="macro"), abs=1e-15)
    assert scores["log_loss"] == pytest.approx(reference.log_loss(gold, rows, labels=LABELS), abs=1e-15)
    assert matthews(gold, given) == pytest.approx(reference.matthews_corrcoef(gold, given), abs=1e-15)
    each: Any = reference.precision_recall_fscore_support(gold, given, labels=LABELS)
    for label, precision, recall, f1, support in zip(LABELS, *each, strict=True):
        got = scores["per_class"][label]
        assert (got["precision"], got["recall"], got["gold"]) == (precision, recall, support)
        assert got["f1"] == pytest.approx(f1, abs=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    positive, scores = random.random(40) < 0.3, random.integers(0, 9, 40) / 10  # with ties
    want = reference.roc_auc_score(positive, scores)
    assert auroc(positive.tolist(), scores.tolist()) == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize("kind", [True, False])
def test_auroc_needs_both_kinds(kind: bool) -> None:
    with pytest.raises(ValueError, match="auroc needs positive and negative examples, got one kind only"):
        auroc([kind, kind], [0.1, 0.2])


def test_correlation_with_a_constant_is_none() -> None:
    assert matthews(["a", "b"], ["a", "a"]) == 0
    assert matthews(["a", "a"], ["a", "a"]) == 0


def test_the_calibration_error_by_hand() -> None:
    """Of four answers two are sure by 0.9, of which one is right, and two by 0.6, both right."""
    rows = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]]
    scores = classification_scores(["a", "a", "a", "b"], ["a", "b", "a", "b"], ["a", "b"], rows)
    assert scores["calibration_error"] == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    sure = classification_scores(["a", "b"], ["a", "b"], ["a", "b"], [[1.0, 0.0], [0.0, 1.0]])
    assert (sure["calibration_error"], sure["log_loss"]) == (0, 0)


def test_a_label_that_had_no_probability_is_missed() -> None:
    scores = classification_scores(["new", "a"], ["a", "a"], ["a", "b"], [[0.7, 0.3], [0.7, 0.3]])
    assert scores["value"] == 0.5
    assert scores["log_loss"] == pytest.approx(-np.log([np.finfo(float).eps, 0.7]).mean())
    assert scores["per_class"]["new"]["recall"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_no_other_temperature_is_more_likely(seed: int) -> None:
    torch.manual_seed(seed)
    scores = 5 * torch.randn(2000, 3)
    targets = torch.multinomial((scores / 2.5).softmax(1), 1).squeeze(1)
    best = best_temperature(scores, targets)
    assert best == pytest.approx(2.5, rel=0.15)
    losses = [F.cross_entropy(scores / t, targets).item() for t in (best * 0.95, best, best * 1.05)]
    assert losses[1] == min(losses)


def test_right_answers_alone_are_no_certainty() -> None:
    scores, targets = torch.tensor([[3.0, 0.0]]).repeat(98, 1), torch.zeros(98, dtype=torch.long)
    sure = (scores / best_temperature(scores, targets)).softmax(1)[0, 0].item()
    assert sure == pytest.approx(0.99, abs=1e-4)  # 98 right ones, and one of each label
    flat = torch.zeros(9, 2)
    assert 0.05 <= best_temperature(flat, targets[:9]) <= 20


def synthetic(seed: int, examples: int, times: float, rows: int = 1) -> tuple[torch.Tensor, ...]:
    """Scores that are `times` as far apart as a calibrated model's, targets, and each row's example."""
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(examples, 4, generator=generator, dtype=torch.float64)
    targets = torch.multinomial(scores.softmax(1), 1, generator=generator).squeeze(1)
    numbers = torch.arange(examples).repeat_interleave(rows)
    return times * scores[numbers], targets[numbers], numbers


def is_used(gain: float, error: float) -> bool:
    return gain > error


@pytest.mark.parametrize(("times", "used"), [(1.0, 0), (4.0, 40), (0.2, 40)])
def test_scores_are_scaled_where_they_are_not_calibrated(times: float, used: int) -> None:
    found = sum(is_used(*temperature_gain(*synthetic(seed, 100, times))) for seed in range(40))
    assert abs(found - used) <= 3


@pytest.mark.parametrize("examples", [50, 100])
def test_scaling_on_few_examples_does_no_harm_on_average(examples: int) -> None:
    """Scores are calibrated; a temperature is chosen on a small set, and judged on a large one."""
    large, right, _ = synthetic(99, 4000, 1.0)
    before = F.cross_entropy(large, right).item()
    always, guarded = [], []
    for seed in range(40):
        scores, targets, numbers = synthetic(seed, examples, 1.0)
        change = F.cross_entropy(large / best_temperature(scores, targets), right).item() - before
        always.append(change)
        guarded.append(change if is_used(*temperature_gain(scores, targets, numbers)) else 0.0)
    assert np.mean(always) > 0.003
    assert np.mean(guarded) < 0.001


def test_rows_of_one_example_are_one_observation() -> None:
    """Ten copies of each row say no more than one: the same gain, the same standard error."""
    gain, error = temperature_gain(*synthetic(0, 80, 2.0))
    many, spread = temperature_gain(*synthetic(0, 80, 2.0, rows=10))
    assert many == pytest.approx(gain, rel=0.2)  # the two examples more of `best_temperature` weigh less
    assert spread == pytest.approx(error, rel=0.2)


def test_ngrams_see_order_within_themselves() -> None:
    train = [["good", "not", "bad"], ["bad", "not", "good"]] * 6
    labels = ["praise", "blame"] * 6
    single, double = NGramRegression(train, labels, (1, 1)), NGramRegression(train, labels, (1, 2))
    assert single.labels == double.labels == ["blame", "praise"]
    assert single(train)[:2] == pytest.approx(np.full((2, 2), 0.5))
    assert [double.labels[i] for i in double(train).argmax(1)] == labels
    assert double([["unheard"]]).sum() == pytest.approx(1)


def test_ngrams_of_a_label_that_stands_once() -> None:
    model = NGramRegression(["aa", "bb", "cc"], ["x", "y", "z"])
    assert [model.labels[i] for i in model(["aa", "cc"]).argmax(1)] == ["x", "z"]


def test_a_signature_names_the_library_and_its_version() -> None:
    scores = classification_scores(["a", "b"], ["a", "a"], ["a", "b"], [[0.7, 0.3], [0.7, 0.3]])
    assert scores["signature"].endswith(f"|library:scikit-learn|version:{sklearn.__version__}")
    scores = regression_scores([0.0], [1.0])
    assert scores["signature"].endswith(f"|library:scikit-learn|version:{sklearn.__version__}")


@pytest.mark.parametrize("gold", [["a"], ["a", "a"]])
def test_one_label_alone_is_scored_without_a_warning(gold: list[str]) -> None:
    assert classification_scores(gold, gold, ["a", "b"], [[1.0, 0.0]] * len(gold))["macro_f1"] == 1
