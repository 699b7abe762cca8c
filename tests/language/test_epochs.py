"""The epochs of published language models are those that early stopping of a first fit chose."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import epochs
from collapse_utils.evidence import plan
from collapse_utils.language.config import PRESETS
from collapse_utils.presets import override

ROOT = Path(__file__).resolve().parents[2]
PLANS = [ROOT / "results" / "reference.yml", ROOT / "results" / "scale" / "plan.yml"]
SWEEPS = [
    sweep
    for path in PLANS
    for sweep in plan.read(path)
    if sweep.section == "language" and sweep.preset in ("trained", "scale")
]


def test_a_row_is_chosen_where_the_next_candidate_gains_too_little():
    table = epochs.read()
    for model, rows in table.groupby(epochs.MODEL):
        fits = epochs.fits_of(model, table)
        chosen = fits["epochs"][fits["chosen"].astype(str) == "True"].tolist()
        expected = epochs.stopped(fits, 0.01)
        assert len(fits) == len(rows) and chosen == ([expected] if expected else [])


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: f"{sweep.source}-{sweep.variant}")
def test_a_plan_has_the_epochs_that_were_chosen(sweep):
    fields = [field for field in sweep.variant.split(",") if field]
    others = [field for field in fields if field.partition("=")[0] not in ("epochs", "temperature")]
    model = sweep.preset, sweep.source, ",".join(others), 0
    if model[2] == "hidden=128,ffn=512":  # the model of ``trained``, searched for there
        model = "trained", sweep.source, "", 0
    config = override(PRESETS[sweep.preset], sweep.assignments)
    assert config.epochs == epochs.stopped(epochs.fits_of(model, epochs.read()), 0.01)


def test_a_search_goes_on_until_a_longer_fit_gains_too_little(tmp_path, monkeypatch):
    monkeypatch.setattr(epochs, "OUT", tmp_path / "epochs.csv")
    row = dict.fromkeys(epochs.COLUMNS, 0) | {"variant": "", "chosen": False}
    marks = []
    for number, loss in ((1, 4.0), (2, 3.5), (4, 3.495), (8, 3.6)):
        epochs.add(row | {"epochs": number, "validation_loss": loss}, 0.01)
        table = pd.read_csv(epochs.OUT)
        marks.append(table.loc[table["chosen"], "epochs"].tolist())
    assert marks == [[], [], [2], [2]]
