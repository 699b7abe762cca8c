"""The committed grid: how it is written, and that it still comes out."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from collapse_utils.linear import grid
from collapse_utils.linear.config import Linear
from collapse_utils.regimes import REGIMES

RESULTS = Path(__file__).parents[2] / "results" / "linear" / "grid"


def committed(name):
    with open(RESULTS / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_written_twice_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "T_VALUES", (40, 60))
    monkeypatch.setattr(grid, "D", 6)
    monkeypatch.setattr(grid, "TAIL_T", (8, 20))
    for name, threads in (("a", 1), ("b", 2)):
        grid.write(tmp_path / name, seed=3, repeats=40, iterations=4, threads=threads)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["grid.csv", "quantiles.csv", "summary.json", "zscores.csv"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = (tmp_path / "a" / "grid.csv").read_text().splitlines()
    assert rows[0] == ",".join(grid.COLUMNS)
    assert len(rows) == 1 + 4 * 4 * 2 * (5 + 1)


def test_committed_grid_is_whole():
    rows = committed("grid.csv")
    same = [row for row in rows if row["x"] == "same"]
    cells = {(row["T"], row["sigma2"], row["regime"], row["n"]) for row in same}
    assert len(cells) == len(same) == 3 * 5 * 4 * 50
    assert {int(row["repeats"]) for row in same} == {grid.REPEATS}
    assert {int(row["repeats"]) for row in rows if row["x"] == "fresh"} == {grid.FRESH_REPEATS}
    assert {row["regime"] for row in rows if row["x"] == "fresh"} == set(REGIMES)
    for row in rows:
        assert float(row["low"]) < float(row["mean"]) < float(row["high"])
    assert (RESULTS / "grid.csv").stat().st_size < 600_000


@pytest.mark.parametrize(
    ("regime", "T", "x"), [("accumulate", 1000, "same"), ("replace", 100, "fresh")]
)
def test_committed_cells_come_out_again(regime, T, x):
    rows = [
        r
        for r in committed("grid.csv")
        if (r["regime"], r["T"], r["sigma2"], r["x"]) == (regime, str(T), "1", x)
    ]
    assert len(rows) == 50
    result = grid.cell(Linear(T=T, x=x, repeats=int(rows[0]["repeats"])), regime, seed=0)
    for expected, row in zip(rows, result, strict=True):
        assert row["mean"] == pytest.approx(float(expected["mean"]), rel=1e-4)
        assert row["theory"] == pytest.approx(float(expected["theory"]), rel=1e-4)


def test_committed_z_are_what_chance_gives():
    z = np.array([float(row["z"]) for row in committed("zscores.csv")])
    result = grid.chance(z)
    assert result["cells"] == 60
    assert abs(result["chi2_z"]) < 3.3 and result["ks_p"] > 0.001 and result["largest"] < 4


def test_chance_knows_normal_from_other():
    rng = np.random.default_rng(0)
    p = [grid.chance(rng.standard_normal(60))["ks_p"] for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.035)
    squares = [grid.chance(rng.standard_normal(60))["chi2_z"] for _ in range(400)]
    assert np.mean(squares) == pytest.approx(0, abs=0.2) and np.std(squares) == pytest.approx(
        1, abs=0.12
    )
    assert grid.chance(rng.standard_normal(60) + 1)["ks_p"] < 1e-4
    assert grid.chance(2 * rng.standard_normal(60))["chi2_z"] > 5
    assert math.isfinite(grid.chance(np.zeros(3))["ks_p"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [(["--seed", "-1"], "error: --seed: got '-1'"), (["--out", "{file}/x"], "error: --out: got")],
)
def test_command_refuses_in_one_line(tmp_path, arguments, line):
    (tmp_path / "file").write_text("")
    arguments = [argument.format(file=tmp_path / "file") for argument in arguments]
    command = [
        sys.executable,
        "-m",
        "collapse_utils",
        "grid",
        "--out",
        str(tmp_path / "new"),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
