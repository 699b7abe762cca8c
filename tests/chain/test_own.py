"""A reader's own model: the whole experiment in one call, and mistakes told by name."""

import numpy as np
import pytest
from toy import Gaussian, GaussianConfig

from collapse_utils import own
from collapse_utils.chain import run_chain
from collapse_utils.errors import InputError, RunError
from collapse_utils.pages import report
from collapse_utils.regimes import REGIMES

METRIC = "negative_log_likelihood"


class Mine(Gaussian):
    def __init__(self, temperature=1.0):
        super().__init__(GaussianConfig(items=40, temperature=temperature), dimensions=2)
        self.temperature = temperature


def test_one_call_runs_every_regime_and_seed_and_reads_what_is_finished(tmp_path):
    frame = own.experiment(Mine(), tmp_path, iterations=4, seeds=range(3), name="mine")
    rows = frame[frame["metric"] == METRIC]
    assert (
        len(rows) == 4 * 3 * 4
        and set(rows["regime"]) == set(REGIMES)
        and set(rows["section"]) == {"mine"}
    )
    again = Mine()
    assert own.experiment(
        again, tmp_path, iterations=4, seeds=range(3), name="mine", check=False
    ).equals(frame)
    assert again.fits == 0


def test_the_same_numbers_as_the_chain_alone(tmp_path):
    frame = own.experiment(
        Mine(), tmp_path / "own", iterations=3, seeds=[1], regimes=["accumulate"]
    )
    config = own.OwnConfig(iterations=3, model=own.identity(Mine()))
    rows = run_chain(Mine(), own.Chain("own", "accumulate", 1, config), tmp_path / "alone")
    assert frame["value"].tolist() == [row["value"] for row in rows]


def test_another_model_asks_for_another_folder(tmp_path):
    own.experiment(Mine(), tmp_path, iterations=2, seeds=[0], regimes=["replace"])
    with pytest.raises(InputError, match=r"config\.model"):
        own.experiment(
            Mine(temperature=0.5), tmp_path, iterations=2, seeds=[0], regimes=["replace"]
        )


def test_replacing_narrows_a_gaussian_and_the_verdicts_say_so(tmp_path):
    frame = own.experiment(Mine(temperature=0.8), tmp_path, iterations=6, seeds=range(5))
    assert report.table(frame, METRIC).loc["replace", "verdict"] == "rises"
    against = report.comparisons(frame, METRIC)
    assert len(against) == 3
    assert any(line.startswith("replace against accumulate: above") for line in against)
    assert report.comparisons(frame[frame["regime"] == "replace"], METRIC) == []


class NoSample:
    real_data = fit = evaluate = Mine.fit


class ForgetsInSample(Mine):
    def sample(self, model, size, seed):
        return super().sample(model, size, np.random.SeedSequence().entropy % 2**32)


class ForgetsInFit(Mine):
    def fit(self, training_data, seed, checkpoint):
        mean, std, items = super().fit(training_data, seed, checkpoint)
        return mean + np.random.default_rng().normal(), std, items


class ForgetsInEvaluate(Mine):
    def evaluate(self, model, real_test):
        return {METRIC: float(np.random.default_rng().normal())}


class OtherShape(Mine):
    def sample(self, model, size, seed):
        return super().sample(model, size, seed)[:, :1]


class OtherType(Mine):
    def sample(self, model, size, seed):
        return super().sample(model, size, seed).astype(np.float32)


class TooFew(Mine):
    def sample(self, model, size, seed):
        return super().sample(model, size, seed)[:-1]


class NotANumber(Mine):
    def evaluate(self, model, real_test):
        return {METRIC: "low"}


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        (NoSample, "NoSample: has no method sample"),
        (ForgetsInSample, "sample: two calls with one model and one seed returned different items"),
        (ForgetsInFit, "fit: two fits with one seed gave different models"),
        (ForgetsInEvaluate, "evaluate: two equal models measured"),
        (
            OtherShape,
            r"sample: returned float64 array \(40, 1\); the real data are a float64 array "
            r"\(40, 2\)",
        ),
        (OtherType, r"sample: returned float32 array"),
        (TooFew, "sample: returned 39 items; asked for 40"),
        (NotANumber, r"evaluate: metric 'negative_log_likelihood' is 'low'; expected a number"),
    ],
)
def test_mistakes_are_told_by_name(tmp_path, kind, output):
    with pytest.raises(RunError, match=output):
        own.experiment(kind(), tmp_path, iterations=3, seeds=[0], regimes=["replace"])


def test_a_wrong_regime_or_seed_is_refused_before_any_work(tmp_path):
    for wrong in ({"regimes": ["replase"]}, {"seeds": [-1]}, {"iterations": 0}):
        with pytest.raises(InputError):
            own.experiment(Mine(), tmp_path, **wrong)
    assert not any(tmp_path.iterdir())
