"""The published simulations of two theory chapters: tidy, repeatable, near their closed forms."""

import pytest

from collapse_utils.durable.files import read_json
from collapse_utils.errors import InputError
from collapse_utils.evidence.results import read_csv
from collapse_utils.theory import cells


@pytest.mark.parametrize("chapter", ["mixing", "sharpening"])
def test_every_setting_has_a_value_beside_its_formula(chapter):
    frame = cells.simulate(chapter, seed=1, repeats=60)
    table = frame.pivot(
        index=["regime", "variant", "iteration"],
        columns="metric",
        values="value",
    )
    assert table[["value", "formula"]].notna().all(axis=None)
    checked = table[table.index.get_level_values("regime") != "bound"]["z"].dropna()
    assert checked.abs().max() < 5  # 60 chains are few for a normal z
    bound = table[table.index.get_level_values("regime") == "bound"]
    assert (bound["value"] <= bound["formula"] + 1e-9).all()
    assert frame.equals(cells.simulate(chapter, seed=1, repeats=60))
    assert not frame.equals(cells.simulate(chapter, seed=2, repeats=60))


def test_the_table_is_written_with_its_provenance(tmp_path, monkeypatch):
    monkeypatch.setitem(cells.CHAPTERS, "sharpening", (cells.sharpening_rows, 10))
    folder = cells.write("sharpening", tmp_path, seeds=2)
    frame = read_csv(folder / "metrics.csv")
    assert folder == tmp_path / "sharpening" / "cpu-simulation"
    assert sorted(frame["seed"].unique()) == [0, 1]
    records = read_json(folder / "provenance.json")
    assert [record["seed"] for record in records] == [0, 1]
    assert records[0]["config"] == {"repeats": 10} and "commit" in records[0]["provenance"]


def test_an_unknown_chapter_is_refused():
    with pytest.raises(InputError, match="chapter: got 'tails'; allowed: one of mixing"):
        cells.simulate("tails", 0)
