"""A plan of sweeps says what is run, and the published results are those of their plan."""

import json
from pathlib import Path

import forged
import pytest

from collapse_utils import sections
from collapse_utils.__main__ import main
from collapse_utils.errors import InputError
from collapse_utils.evidence import plan

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference.yml"
PLANS = [REFERENCE, *(ROOT / "results" / chapter / "plan.yml" for chapter in ("mixing", "scale"))]


def planned_chains(pending=True, plans=(REFERENCE,)):
    """(section, preset, source, variant, regime, seed) of every planned published chain."""
    chains = set()
    for sweep in (each for path in plans for each in plan.read(path)):
        first = (sections.result_name(sweep.section), sweep.preset, sweep.source, sweep.variant)
        seeds = [seed for seed in sweep.seeds if pending or seed not in sweep.pending]
        chains |= {(*first, regime, seed) for regime in sweep.regimes for seed in seeds}
    return chains


def test_the_plan_and_the_published_chains_are_the_same_set_but_for_pending_seeds():
    published = {
        (
            record["section"],
            record["preset"],
            record["data"]["source"],
            record["variant"],
            record["regime"],
            record["seed"],
        )
        for path in ROOT.glob("results/*/*/provenance.json")
        for record in json.loads(path.read_text(encoding="utf-8"))
        # of the theory chapters: python -m collapse_utils.theory
        if record["data"]["source"] != "simulation"
    }
    assert planned_chains(False, PLANS) <= published <= planned_chains(True, PLANS)


def test_a_plan_is_listed_as_one_sweep_with_its_sources(tmp_path, capsys):
    stories = tmp_path / "mine.jsonl"
    stories.write_text("")
    words = [
        "sweep",
        "--plan",
        str(REFERENCE),
        "--out",
        str(tmp_path / "runs"),
        "--source",
        f"tinystories={stories}",
    ]
    assert main([*words, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(planned_chains())
    assert sum("-mine" in line for line in lines) == sum(
        chain[2] == "tinystories" for chain in planned_chains()
    )


def test_a_plan_runs_each_chain_once(tmp_path):
    path = tmp_path / "plan.yml"
    path.write_text(
        "sweeps:\n"
        "  - {section: linear, seeds: 0-1, regimes: replace, set: [iterations=2, repeats=4]}\n"
        "  - {section: linear, seeds: 0-2, regimes: [replace], set: [iterations=2, repeats=4], "
        "added_after_looking: 2}\n"
    )
    assert main(["sweep", "--plan", str(path), "--out", str(tmp_path / "runs"), "--quiet"]) == 0
    assert len(list((tmp_path / "runs").rglob("DONE"))) == 3


ONE = "sweeps:\n  - {section: linear, seeds: 0, regimes: replace, set: [iterations=2, repeats=4]}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--seeds", "0"],
        ["--regimes", "all"],
        ["--preset", "cpu"],
        ["--set", "iterations=3"],
        ["--arg", "items=3"],
        ["--vary", "sigma2=1,2"],
        ["--data", "default"],
        ["--notebook"],
    ],
    ids=lambda words: words[0],
)
def test_an_option_that_a_plan_would_ignore_is_refused_by_name(tmp_path, capsys, words):
    path = tmp_path / "plan.yml"
    path.write_text(ONE)
    assert main(["sweep", "--plan", str(path), "--out", str(tmp_path / "runs"), *words]) == 2
    output = capsys.readouterr().err.strip()
    assert output.startswith(f"error: {words[0]}: got ") and "\n" not in output
    assert "allowed: nothing beside --plan" in output
    assert list(tmp_path.iterdir()) == [path]


def test_a_source_without_a_plan_is_refused(tmp_path, capsys):
    words = ["sweep", "linear", "--out", str(tmp_path / "runs"), "--source", "gaussian=x.csv"]
    assert main(words) == 2
    output = capsys.readouterr().err.strip()
    assert output.startswith("error: --source: got ") and "allowed: --plan FILE" in output
    assert list(tmp_path.iterdir()) == []


def test_changed_code_is_allowed_for_the_chains_of_a_plan(tmp_path, capsys):
    path = tmp_path / "plan.yml"
    path.write_text(ONE)
    words = ["sweep", "--plan", str(path), "--out", str(tmp_path / "runs"), "--quiet"]
    assert main(words) == 0
    (done,) = (tmp_path / "runs").rglob("DONE")
    done.unlink()
    forged.describe(done.parent, code={"digest": "other"})
    assert main(words) == 1 and "--allow-changed-code" in capsys.readouterr().err
    assert main([*words, "--allow-changed-code"]) == 0


@pytest.mark.parametrize(
    "text, message",
    [
        ("sweeps: 3", "a list of sweeps"),
        ("- nothing", "a list of sweeps"),
        ("sweeps:\n  - {section: linear}", "a field seeds"),
        ("sweeps:\n  - {seeds: 0}", "a field section"),
        ("sweeps:\n  - {section: linear, seeds: 0, colour: red}", "colour"),
        ("sweeps:\n  - {section: dreams, seeds: 0}", "dreams"),
        ("sweeps: []", "at least one"),
        ("sweeps:\n  - {section: linear, seeds: 0, set: }", "set: None.*set as a list of texts"),
        ("sweeps:\n  - {section: linear, seeds: 0, set: threads=1}", "set: 'threads=1'"),
        ("sweeps:\n  - {section: linear, seeds: 0, arg: [3]}", r"arg: \[3\].*arg as a list of"),
        ("sweeps:\n  - {section: linear, seeds: 0, regimes: [replace, 3]}", "regimes: .*replace"),
        ("sweeps:\n  - {section: linear, seeds: 0, preset: }", "preset: None.*name of a preset"),
        ("sweeps:\n  - {section: linear, seeds: 0-2, added_after_looking: 5}", "seeds among 0-2"),
    ],
)
def test_a_plan_that_says_something_else_is_refused_by_its_field(tmp_path, text, message):
    path = tmp_path / "plan.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        plan.read(path)


def test_a_source_that_no_sweep_uses_is_refused(tmp_path, capsys):
    words = ["sweep", "--plan", str(REFERENCE), "--out", str(tmp_path / "runs"), "--list"]
    assert main([*words, "--source", "tinystorie=x.jsonl"]) == 2
    assert "a source of the plan" in capsys.readouterr().err
    assert main(["sweep", "--out", str(tmp_path / "runs"), "--list"]) == 2
    assert "--plan FILE" in capsys.readouterr().err
