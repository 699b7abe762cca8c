"""Fresh runs against published rows."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import toy

from collapse_utils import sections
from collapse_utils.__main__ import main
from collapse_utils.chain import run_chain
from collapse_utils.durable import files
from collapse_utils.errors import InputError
from collapse_utils.evidence import results
from collapse_utils.evidence.compare import TOLERANCE, compare
from collapse_utils.sweeps import collect


@pytest.fixture
def published(tmp_path) -> tuple[Path, Path]:
    """A small linear chain, and the results that were collected from it."""
    section, chain = sections.make(
        "linear",
        preset="smoke",
        regime="replace",
        seed=0,
        assignments=["repeats=3", "iterations=3"],
    )
    run_chain(section, chain, tmp_path / "runs" / "replace")
    collect.collect(tmp_path / "runs", tmp_path / "results")
    return tmp_path / "runs", tmp_path / "results"


def changed(root: Path, factor: float) -> None:
    """Multiply every published value."""
    path = next(root.rglob("metrics.csv"))
    frame = results.read_csv(path)
    frame["value"] *= factor
    frame.to_csv(path, index=False)


def other_processor(root: Path, name: str) -> None:
    """As if the published rows had been made on another machine."""
    path = next(root.rglob("provenance.json"))
    records = json.loads(path.read_text())
    records[0]["provenance"]["processor"] = name
    files.write_json(path, records)


def test_the_same_chain_is_equal_to_the_last_bit(published, capsys):
    folder, root = published
    lines, agree = compare(folder, root)
    assert agree and len(lines) == 1 and "to the last bit" in lines[0]
    assert main(["compare", str(folder), "--results", str(root)]) == 0
    assert "to the last bit" in capsys.readouterr().out


def test_a_difference_on_the_same_processor_is_never_allowed(published):
    folder, root = published
    changed(root, 1 + 1e-12)
    lines, agree = compare(folder, root)
    assert not agree and "NOT equal" in lines[0]
    assert main(["compare", str(folder), "--results", str(root)]) == 1


@pytest.mark.parametrize(
    ("factor", "allowed"), [(1 + 0.5 * TOLERANCE, True), (1 + 2 * TOLERANCE, False)]
)
def test_another_processor_has_a_tolerance(published, factor, allowed):
    folder, root = published
    changed(root, factor)
    other_processor(root, "another one")
    lines, agree = compare(folder, root)
    assert agree is allowed and "another processor" in lines[0]


@pytest.mark.parametrize("name", ["own_model", "mine"])
def test_an_own_model_is_compared_too(tmp_path, name):
    """By the metric that claims are about, where its name has claims, and else by its first."""
    chain = dataclasses.replace(toy.chain(), section=name)
    run_chain(toy.Gaussian(chain.config), chain, tmp_path / "runs" / "replace")
    root = tmp_path / "results"
    collect.collect(tmp_path / "runs", root)
    changed(root, 1 + 0.5 * TOLERANCE)
    other_processor(root, "another one")
    lines, agree = compare(tmp_path / "runs", root)
    assert agree and "another processor" in lines[0]


@pytest.mark.parametrize("processor", [None, "another one"])
def test_a_missing_iteration_is_a_difference(published, processor):
    folder, root = published
    if processor:
        other_processor(root, processor)
    path = next(root.rglob("metrics.csv"))
    frame = results.read_csv(path)
    frame[frame["iteration"] < 3].to_csv(path, index=False)
    assert not compare(folder, root)[1]


def test_nothing_to_compare_is_said(published, tmp_path):
    folder, root = published
    shutil.rmtree(root / "linear")
    for place in (folder, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="of which results are published"):
            compare(place, root)
