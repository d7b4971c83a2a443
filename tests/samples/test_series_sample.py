"""The sample curves keep their promises: ragged, a pulse in each sensor, the label in their order alone."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from elman.data.series import Series, Wanted
from elman.data.series_formats import read_series
from elman.samples import series

Sample = dict[str, tuple[Series, ...]]


@pytest.fixture(scope="module", params=[0, 1])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    paths = series.write(tmp_path_factory.mktemp("sample"), seed=request.param)
    return {path.stem: read_series(path, Wanted()).series for path in paths}


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    written = []
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        paths = series.write(tmp_path / name / "new", seed)
        assert [path.name for path in paths] == ["train.csv", "dev.csv", "test.csv"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert all(one != other for one, other in zip(written[0], written[2], strict=True))


def test_sizes_and_lengths(sample: Sample) -> None:
    assert {name: len(part) for name, part in sample.items()} == series.SIZES
    assert {one.channels for part in sample.values() for one in part} == {series.SENSORS}
    assert len({len(one.values) for one in sample["train"]}) > 20


def test_the_label_is_the_sensor_whose_pulse_came_first(sample: Sample) -> None:
    right = [
        series.SENSORS[(one.values - np.median(one.values, 0)).argmax(0).argmin()] == one.answer
        for one in sample["train"]
    ]
    assert np.mean(right) > 0.95


def test_averages_tell_nothing(sample: Sample) -> None:
    def averages(part: str) -> np.ndarray:
        return np.stack([np.concatenate((one.values.mean(0), one.values.std(0))) for one in sample[part]])

    labels = {part: [str(one.answer) for one in sample[part]] for part in sample}
    linear = LogisticRegression(max_iter=1000).fit(averages("train"), labels["train"])
    assert linear.score(averages("test"), labels["test"]) < 0.5
