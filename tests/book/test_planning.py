"""The planning page: its tables follow from the rates, and say what was measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from book._tools import includes, planning
from collapse_utils.durable import files
from collapse_utils.pages import costs

ROOT = Path(__file__).resolve().parents[2]


def row(section="language", preset="paper", fixed_steps=False, **changes):
    result = {
        "section": section,
        "preset": preset,
        "items": 100,
        "iterations": 5,
        "fixed_steps": fixed_steps,
        "fit_fixed_s": 0.0,
        "fit_item_s": 2.0,
        "sample_item_s": 1.0,
        "evaluate_s": 10.0,
        "item_bytes": 1e3,
        "model_bytes": 1e6,
        "peak_memory_mb": 1.0,
        "core_gflops": 100.0,
        "processor": "Any CPU",
        "threads": 1,
        "package_version": "1",
        "date": "2026-11-23",
    }
    return pd.Series({**result, **changes})


def test_accumulate_trains_on_more_with_every_iteration_and_replace_does_not():
    replace = costs.cost(row(), {}, "replace", 1)
    accumulate = costs.cost(row(), {}, "accumulate", 1)
    assert (replace.fit_s, accumulate.fit_s) == (5 * 100 * 2, 15 * 100 * 2)
    assert replace.sample_s == accumulate.sample_s == 4 * 100
    assert replace.disk_bytes == 4 * 100 * 1e3 + 5 * 1e6


def test_a_fit_of_fixed_steps_costs_the_same_in_both_regimes_and_grows_with_the_size():
    molecules = row("molecules", fixed_steps=True, fit_fixed_s=50.0, fit_item_s=0.0)
    for factor in (1, 10):
        fits = [costs.cost(molecules, {}, regime, factor).fit_s for regime in costs.SHOWN]
        assert fits == [250 * factor, 250 * factor]


def test_the_size_of_the_papers_data_set_takes_the_place_of_the_one_measured():
    assert costs.cost(row(), {"language_items": 1000.0}, "replace", 10).items == 10_000
    assert costs.cost(row(preset="colab"), {"language_items": 1000.0}, "replace", 1).items == 100


def test_a_gpu_is_a_range_between_two_shares_of_its_peak():
    assumed = {"T4_tflops": 8.0, "gpu_share_low": 0.1, "gpu_share_high": 0.4}
    assert costs.gpu_factors(row(), assumed, "T4") == pytest.approx((8, 32))


@pytest.mark.parametrize(
    "seconds, output",
    [(40, "40 s"), (600, "10 min"), (7200, "2.0 h"), (40_000, "11 h"), (3_600_000, "1,000 h")],
)
def test_hours(seconds, output):
    assert costs.hours(seconds) == output


def test_the_committed_rates_are_whole_and_the_page_names_what_is_absent():
    frame, assumed = costs.read(ROOT)
    sections = [section for section in costs.TITLES if section in set(frame["section"])]
    rows = [(section, preset) for section in sections for preset in ("colab", "paper")]
    assert sorted(zip(frame["section"], frame["preset"], strict=True)) == sorted(rows)
    output = planning.pages(ROOT)["planning.md"]
    assert ("Not measured yet" in output) == (len(sections) < len(costs.TITLES))
    assert (frame[["sample_item_s", "evaluate_s", "item_bytes", "core_gflops"]] > 0).all().all()
    assert (frame["fit_fixed_s"] + frame["fit_item_s"] > 0).all()
    kinds = pd.read_csv(ROOT / "results/planning/assumptions.csv").set_index("name")["kind"]
    assert set(kinds) == {"published", "assumed"} and set(
        kinds[kinds.index.str.endswith("price")]
    ) == {"assumed"}
    assert assumed["language_items"] > 2e6


def test_the_pages_are_made_from_the_files_and_from_nothing_else(tmp_path):
    assert planning.pages(tmp_path) == {}
    shutil.copytree(ROOT / "results" / "planning", tmp_path / "results" / "planning")
    pages = planning.pages(tmp_path)
    assert pages == {
        name: (ROOT / includes.GENERATED / name).read_text(encoding="utf-8") for name in pages
    }
    rates = tmp_path / "results" / "planning" / "rates.csv"
    frame = pd.read_csv(rates)
    frame["fit_item_s"] *= 2
    frame.to_csv(rates, index=False)
    assert planning.pages(tmp_path)["planning.md"] != pages["planning.md"]


@pytest.fixture
def priced(tmp_path):
    """Results of one section: two chains that ran at smoke, rates and assumptions."""
    results = tmp_path / "results"
    took = [
        ("replace", "", 60.0),
        ("replace", "", 100.0),
        ("accumulate", "", 600.0),
        ("replace", "temperature=0.3", 9e9),
    ]
    records = [
        {"regime": regime, "variant": variant, "provenance": {"wall_s": seconds, "threads": 1}}
        for regime, variant, seconds in took
    ]
    (results / "language" / "smoke-bible").mkdir(parents=True)
    files.write_json(results / "language" / "smoke-bible" / "provenance.json", records)
    (results / "planning").mkdir()
    pd.DataFrame([row(preset="colab"), row()]).to_csv(
        results / "planning" / "rates.csv", index=False
    )
    assumed = {
        "language_items": 1000.0,
        "T4_tflops": 8.0,
        "gpu_share_low": 0.1,
        "gpu_share_high": 0.4,
    }
    pd.DataFrame({"name": assumed.keys(), "value": assumed.values()}).to_csv(
        results / "planning" / "assumptions.csv", index=False
    )
    return results


def test_what_was_run_is_told_by_its_own_records_and_what_was_not_by_the_plan(priced):
    table = costs.preset_table(priced, "language")
    assert list(table.index) == [
        ("smoke", "measured, bible, 1 thread"),
        ("colab", "planned, not run"),
        ("paper", "planned, not run"),
    ]
    measured = table.loc[("smoke", "measured, bible, 1 thread")]
    # medians, of the preset itself alone
    assert (measured["replace"], measured["accumulate"]) == ("80 s", "10 min")
    # 5 fits of 100 items at 2 s, 4 generations at 1 s an item, 5 evaluations of 10 s; a T4 is 8 to
    # 32 times as fast.
    assert (
        table.loc[("colab", "planned, not run"), "replace"]
        == "24 min on one core; 45 s to 3 min on a T4"
    )


def test_the_notice_of_a_gpu_says_that_it_is_planned_and_is_silent_without_rates(priced, tmp_path):
    note = costs.gpu_note(priced, "language")
    assert note.startswith(
        "one chain at the preset colab is planned to take on a T4: replace 45 s to 3 min, "
        "accumulate "
    )
    assert note.endswith("not run)")
    assert costs.gpu_note(priced, "images") == ""
    assert costs.gpu_note(tmp_path / "elsewhere" / "results", "language") == ""


def test_training_on_several_gpus_costs_the_sum_of_the_gradients_of_every_step():
    from collapse_utils import sections
    from collapse_utils.language.model import PAPER_SIZES

    size, config = PAPER_SIZES["llama-12m"], sections.configuration("language", "paper")[0]
    assert {
        name: getattr(config, name) for name in ("architecture", "layers", "hidden", "ffn")
    } == {name: getattr(size, name) for name in ("architecture", "layers", "hidden", "ffn")}
    assert config.vocabulary == size.vocabulary
    assumed = {"language_items": 3200.0, "A100_tflops": 10.0, "gpu_share_low": 0.1}
    # 32 stories of 2 s on a core of 100 GFLOP/s: 6.4 s at 10 times, 1.6 s at 40 times its speed
    output = planning.data_parallel(row().to_frame().T, {**assumed, "gpu_share_high": 0.4})
    assert "1600 to 6400 ms" in output and "100 steps" in output and "have 1,500" in output
    sums = 2 * 7 / 8 * 4 * size.parameters / 1.25e9
    (slow,) = [line for line in output.splitlines() if line.startswith("| Ethernet")]
    assert f"{1e3 * sums:.2g} ms" in slow
    assert f"{1.6 / (1.6 / 8 + sums):.1f} to {6.4 / (6.4 / 8 + sums):.1f} times" in slow
