"""The published simulations of two theory chapters: tidy, repeatable, near their closed forms."""

import numpy as np
import pytest

from collapse_utils.durable.files import read_json
from collapse_utils.errors import InputError
from collapse_utils.evidence.results import read_csv
from collapse_utils.theory import cells


@pytest.mark.parametrize("chapter", ["mixing", "sharpening"])
def test_every_setting_has_a_value_beside_its_formula(chapter, monkeypatch):
    monkeypatch.setitem(cells.REPEATS, "smoke", 4)
    frame = cells.simulate(chapter, "smoke", seed=1)
    values = {name: rows["value"] for name, rows in frame.groupby("metric")}
    assert set(values) == {"value", "formula_error", "z"}
    assert values["z"].abs().max() < 6  # of a few hundred chains, whose z are not quite normal
    assert values["formula_error"].max() < 0.3
    rises = frame[frame["variant"].str.startswith("rise,")]
    if len(rises):
        bound = {"accumulate": 20, "fixed_real=0.1": 10, "fixed_real=0.5": 2}
        assert (rises["value"] <= np.log(rises["regime"].map(bound)) + 1e-9).all()
    assert frame.equals(cells.simulate(chapter, "smoke", seed=1))
    assert not frame.equals(cells.simulate(chapter, "smoke", seed=2))


def test_the_table_is_written_with_its_provenance(tmp_path, monkeypatch):
    monkeypatch.setitem(cells.REPEATS, "cpu", 2)
    folder = cells.write("sharpening", tmp_path, seeds=2)
    frame = read_csv(folder / "metrics.csv")
    assert folder == tmp_path / "sharpening" / "cpu-simulation"
    assert sorted(frame["seed"].unique()) == [0, 1]
    records = read_json(folder / "provenance.json")
    assert [record["seed"] for record in records] == [0, 1]
    assert records[0]["config"] == {"repeats": 2} and "commit" in records[0]["provenance"]


def test_an_unknown_chapter_is_refused():
    with pytest.raises(InputError, match="chapter: got 'tails'; allowed: one of mixing"):
        cells.simulate("tails", "cpu", 0)
    with pytest.raises(InputError, match="preset: got 'tiny'"):
        cells.simulate("mixing", "tiny", 0)
