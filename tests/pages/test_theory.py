"""What the theory chapters show: predictions, z-scores, numbers in sentences."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmarks import face_spectrum
from collapse_utils.evidence import results
from collapse_utils.pages import bias, families, gaussian, theory
from collapse_utils.theory import published

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_a_linear_vae_starts_from_the_measured_first_fit():
    spectrum = pd.DataFrame({"eigenvalue": [0.4, 0.2, 0.1, 0.05]})
    for regime in ("replace", "accumulate"):
        predicted = bias.predicted_variety(spectrum, 0.3, regime, 12)
        assert predicted[0] == pytest.approx(0.3)
        assert np.all(np.diff(predicted) <= 0) and predicted[-1] >= 0
    # sigma^2 = 0.15: two directions are alive, and die at t = 0.4/0.15 and 0.2/0.15
    assert bias.predicted_variety(spectrum, 0.3, "replace", 3) == pytest.approx([0.3, 0.1, 0.0])


@pytest.mark.parametrize("name", bias.available(RESULTS))
def test_committed_predictions_are_those_of_the_committed_faces(name):
    """If this fails, the faces have new results: run benchmarks/face_spectrum.py again."""
    computed = face_spectrum.prediction_errors(name, RESULTS)
    committed = results.read_csv(RESULTS / "bias" / name / "metrics.csv")
    assert len(computed) == len(committed)
    assert computed["value"].to_numpy() == pytest.approx(committed["value"].to_numpy(), abs=1e-6)


def test_each_cell_gives_one_z_score():
    frame = published.simulate("gaussian", "smoke", 0)
    fig, ax = plt.subplots()
    chosen = theory.z_scores(ax, frame)
    plt.close(fig)
    cells = frame[frame["metric"] == "z"].groupby(["variant", "regime", "seed"]).ngroups
    assert len(chosen) == cells
    assert not chosen.duplicated(["variant", "regime", "seed"]).any()
    assert f"Of {cells} independent cells" in theory.z_text(chosen)


def test_a_chapter_simulates_anew_if_asked():
    opened = theory.open_chapter(
        "families",
        preset="smoke",
        seeds=[0],
        regimes=["replace", "accumulate"],
        recompute=True,
        results_dir=str(RESULTS),
    )
    assert opened.run_name == "smoke-simulation" and opened.run["seed"].unique().tolist() == [0]
    assert opened.judged is opened.reference  # one seed is too few for a verdict
    assert list(opened.committed) == ["cpu-simulation"]


def test_numbers_of_the_sentences():
    """Those that a formula fixes; the others are held by the claims."""
    kept = gaussian.numbers(results.named("gaussian", "cpu-simulation", RESULTS))
    assert kept["words_accumulate"] == kept["words_first"] > kept["words_replace_10"]
    grown = families.numbers(results.named("families", "cpu-simulation", RESULTS))
    assert 1.5 < grown["lowest"] <= grown["highest"] < 1.8
    shares = bias.numbers(RESULTS)
    assert shares["ORL_replace_predicted"] <= shares["ORL_accumulate_predicted"]
    assert shares["ORL_accumulate_predicted"] < shares["ORL_first"]
