"""The published simulations: tidy rows, the same for the same seed, still those committed."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collapse_utils.durable.metrics import KEY
from collapse_utils.errors import InputError
from collapse_utils.evidence import results
from collapse_utils.theory import published

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.mark.parametrize("chapter", published.CHAPTERS)
def test_a_seed_gives_the_same_rows_again(chapter):
    first = published.simulate(chapter, "smoke", 3)
    assert list(first.columns) == [*KEY, "value"]
    assert not first.duplicated(KEY).any() and first["value"].notna().all()
    pd.testing.assert_frame_equal(first, published.simulate(chapter, "smoke", 3))
    other = published.simulate(chapter, "smoke", 4)
    assert not first["value"].equals(other["value"])


@pytest.mark.parametrize(
    ("chapter", "rows"),
    [("bias", 25), ("gaussian", 50), ("families", 30), ("mixing", 60), ("sharpening", 40)],
)
def test_the_committed_rows_come_out_again(chapter, rows):
    """The first cases of seed 0, to the six digits that are stored."""
    committed = results.named(chapter, "cpu-simulation", RESULTS)
    committed = committed[committed["seed"] == 0].set_index(
        ["variant", "regime", "iteration", "metric"]
    )
    made = published.CHAPTERS[chapter](published.size("cpu"), 0)
    for row in itertools.islice(made, rows):
        place = row["variant"], row["regime"], row["iteration"], row["metric"]
        assert committed.loc[place, "value"] == pytest.approx(row["value"], rel=1e-5)


def z_of(chains, formula):
    spread = chains.std(axis=0, ddof=1) / np.sqrt(len(chains))
    return (chains.mean(axis=0) - formula)[spread > 1e-12] / spread[spread > 1e-12]


@pytest.mark.parametrize("chapter", ["mixing", "sharpening"])
def test_the_chains_of_two_chapters_are_near_their_closed_forms(chapter, monkeypatch):
    """Up to 480 z-scores of a few hundred chains: |z| < 6 fails by chance once in a million."""
    cases = {}

    def keep(variant, regime, chains, formula):
        assert chains.shape[1] == len(formula) and (variant, regime) not in cases
        cases[variant, regime] = chains, formula
        return iter(())

    monkeypatch.setattr(published, "_rows", keep)
    assert not list(published.CHAPTERS[chapter](published.Size(8, 20, 20), 1))
    bound = {"accumulate": 20, "fixed_real=0.1": 10, "fixed_real=0.5": 2}
    for (variant, regime), (chains, formula) in cases.items():
        if variant.startswith("rise"):  # the loss of every chain is below its bound
            assert chains.max() <= np.log(bound[regime]) + 1e-9
        else:
            assert np.max(np.abs(z_of(chains, formula)), initial=0) < 6
    assert len(cases) == {"mixing": 24, "sharpening": 18}[chapter]


def test_a_table_is_written_with_its_provenance(tmp_path, monkeypatch):
    row = {
        "variant": "case",
        "regime": "replace",
        "iteration": 1,
        "metric": "value",
        "value": 1 / 3,
    }
    monkeypatch.setitem(published.CHAPTERS, "bias", lambda size, seed: iter([row]))
    folder = published.write("bias", "smoke", [0, 1], tmp_path)
    assert folder == tmp_path / "bias" / "smoke-simulation"
    frame = results.read_csv(folder / "metrics.csv")
    assert frame["value"].tolist() == [0.333333] * 2 and frame["seed"].tolist() == [0, 1]
    records = json.loads((folder / "provenance.json").read_text())
    assert [record["seed"] for record in records] == [0, 1]
    assert records[0]["config"] == {"repeats": 40, "iterations": 100}
    assert records[0]["data"] == {"source": "simulation"}
    assert "numpy" in records[0]["provenance"]["versions"]


def test_tables_are_split_and_standardised():
    X, y, X_test, y_test = published.load_table("wine")
    assert X.shape == (133, 5) and len(X_test) == len(y_test) == 45
    assert X[:, 1:].mean(axis=0) == pytest.approx(0, abs=1e-12) and X[:, 1:].std(
        axis=0
    ) == pytest.approx(1)
    assert set(y) == {0, 1}


def test_bad_input_names_the_field():
    with pytest.raises(InputError, match="chapter: got 'biases'"):
        published.simulate("biases", "smoke", 0)
    with pytest.raises(InputError, match="preset: got 'tiny'"):
        published.size("tiny")
