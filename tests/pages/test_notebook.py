"""What a section's page judges: committed results, or a run of the same experiment."""

import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
import own_models
import pandas as pd
import pytest

from collapse_utils import sections
from collapse_utils.errors import InputError, RunError
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED
from collapse_utils.pages import figures, language, linear, molecules, notebook
from collapse_utils.pages.theory import open_chapter
from collapse_utils.regimes import REGIMES

GAP, STEPS = "Replace ends above accumulate", "protocol=steps"
SLOW = "With a fixed number of training steps, accumulate ends above its first fit"


def made_up(gap, seeds=3, variant=""):
    """Test losses of two regimes that end ``gap`` apart."""
    rows = [
        {
            "metric": "test_loss",
            "variant": variant,
            "regime": regime,
            "seed": seed,
            "iteration": t,
            "value": value,
        }
        for regime, slope in (("replace", gap), ("accumulate", 0.0))
        for seed in range(seeds)
        for t, value in ((1, 2.0), (2, 2.0 + slope + 0.001 * seed * (slope != 0)))
    ]
    return pd.DataFrame(rows)


def opened(run=None, run_name=""):
    committed = {"cpu-celeba_89x109": made_up(1.0), "cpu-orl": made_up(1.0)}
    return notebook.Opened("images", committed, run, run_name, ["replace", "accumulate"], Path())


def outcome(page, name):
    return next(verdict.outcome for verdict in page.verdicts()[name] if verdict.claim == GAP)


def test_a_run_takes_the_place_of_the_results_of_its_own_preset_and_data():
    page = opened(made_up(-1.0), "cpu-orl")
    assert (outcome(page, "cpu-orl"), outcome(page, "cpu-celeba_89x109")) == (
        NOT_REPRODUCED,
        REPRODUCED,
    )
    assert page.judged is page.run  # the tables of the page


def test_a_run_with_too_few_seeds_or_of_another_kind_leaves_the_verdicts_alone():
    for page in (opened(made_up(-1.0, seeds=2), "cpu-orl"), opened(made_up(-1.0), "colab-orl")):
        assert {outcome(page, name) for name in page.committed} == {REPRODUCED}
    assert opened(made_up(-1.0, seeds=2), "cpu-orl").judged.equals(opened().reference)


def test_variants_that_a_run_left_out_stay_those_of_the_committed_results():
    steps = made_up(5.0, variant=STEPS).assign(regime="accumulate")[
        lambda rows: rows["value"] != 2.0
    ]
    steps = pd.concat(
        [steps, made_up(0.0, variant=STEPS).query("regime == 'accumulate' and iteration == 1")]
    )
    page = opened(made_up(-1.0), "cpu-orl")
    page.committed["cpu-orl"] = pd.concat([made_up(1.0), steps])
    by_claim = {verdict.claim: verdict for verdict in page.verdicts()["cpu-orl"]}
    assert by_claim[GAP].outcome == NOT_REPRODUCED
    assert by_claim[SLOW].outcome == REPRODUCED and by_claim[SLOW].effect.mean == pytest.approx(
        3.5, abs=0.01
    )


def test_what_is_printed_holds_no_number_and_names_the_results(capsys):
    notebook.print_verdicts(opened().verdicts())
    text = capsys.readouterr().out
    assert text.startswith("on cpu-celeba_89x109:\n") and f"\n  reproduced: {GAP}\n" in text
    assert "on cpu-orl:\n" in text and f"  reproduced: {GAP}\n" in text
    notebook.print_directions(opened(made_up(-1.0, seeds=1), "cpu-orl"))
    assert f"  not as claimed in this run: {GAP}\n" in capsys.readouterr().out
    notebook.print_directions(opened(made_up(-1.0), "colab-orl"))
    output = capsys.readouterr().out
    assert output.startswith("on this run, colab-orl:\n")
    assert f"\n  {NOT_REPRODUCED}: {GAP}\n" in output
    notebook.print_directions(opened())
    assert "no chain was trained here" in capsys.readouterr().out


def test_the_table_has_the_outcome_and_the_effect_on_each_of_the_results():
    table = notebook.verdict_table("images", opened().verdicts())
    for data in ("CelebA faces", "ORL faces"):
        row = table.loc[(GAP, data)]
        assert row["outcome"] == REPRODUCED and row["claimed"] == "> 1"
        assert row["effect"].startswith("1.500")
    assert table.loc[(SLOW, "ORL faces"), "outcome"] == NOT_RUN


def test_figures_show_one_preset_of_each_data_source_and_the_run():
    page = opened(made_up(1.0, seeds=1), "cpu-orl")
    page.committed["smoke-orl"] = made_up(1.0)
    assert [figures.title(name, frame) for name, frame in page.panels()] == [
        "cpu-celeba_89x109: mean and 95% interval of 3 seeds",
        "cpu-orl: mean and 95% interval of 3 seeds",
        "this run, cpu-orl: one seed, no interval",
    ]


def test_a_figure_of_regimes_with_unequal_seeds_says_so():
    uneven = pd.concat(
        [made_up(1.0), made_up(1.0, seeds=5).query("regime == 'replace' and seed > 2")]
    )
    assert figures.title("these", uneven) == "these: mean and 95% interval of 3 to 5 seeds"


def test_results_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match="cpu-celeba_89x109"):
        notebook.open_section(
            "images",
            preset="smoke",
            seeds=[0],
            regimes=["replace"],
            recompute=False,
            results_dir=str(tmp_path),
        )


def test_on_colab_runs_can_be_kept_on_google_drive(monkeypatch):
    assert notebook.runs_folder("runs") == Path("runs")
    with pytest.raises(
        InputError, match="runs: got 'drive'; allowed: a folder; drive is for Colab"
    ):
        notebook.runs_folder("drive")
    mounted = []
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    assert notebook.runs_folder("drive") == Path("/content/drive/MyDrive/collapse-runs")
    assert mounted == ["/content/drive"]


def test_a_chain_that_fails_is_named_with_the_last_line_of_its_log(tmp_path, monkeypatch):
    def fail(jobs):
        for job in jobs:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.write_text("fit 1\nerror: the disk is full\n")
        return jobs

    monkeypatch.setattr(notebook.local, "run", fail)
    with pytest.raises(RunError, match="failed: error: the disk is full"):
        notebook.train("linear", "smoke", [0], ["replace"], "default", tmp_path)


def test_a_chain_is_trained_with_the_options_that_a_notebook_was_given(tmp_path, monkeypatch):
    def fail(jobs):
        raise RunError(" ".join(word for job in jobs for word in job.command()))

    monkeypatch.setattr(notebook.local, "run", fail)
    settings = {"preset": "smoke", "seeds": [0], "regimes": ["replace"], "recompute": True}
    with pytest.raises(RunError, match="--allow-changed-code"):
        notebook.open_section("linear", **settings, runs_dir=tmp_path, allow_changed_code=True)
    model = f"{own_models.__file__}:Normal"
    with pytest.raises(RunError, match="--arg items=30"):
        notebook.train(model, "own", [0], ["replace"], "default", tmp_path, arguments=["items=30"])


def page_of(section, **settings):
    """A page that trains nothing, opened with other parameters."""
    usual = {"preset": "smoke", "seeds": [0], "regimes": ["replace"], "recompute": False}
    return notebook.open_section(section, **{**usual, **settings})


@pytest.mark.parametrize("section", sections.NAMES)
def test_a_page_takes_each_preset_of_its_section_and_names_them_for_another(section):
    for preset in sections.preset_names(section):
        page_of(section, preset=preset)
    for preset in ("tiny", *({"trained", "scale"} - {*sections.preset_names(section)})):
        with pytest.raises(InputError, match=", ".join(sections.preset_names(section))):
            page_of(section, preset=preset)


@pytest.mark.parametrize("regime", [*REGIMES, "fixed_real=0.5", "redrawn_real=0.25"])
def test_a_page_takes_each_regime_and_shows_the_committed_rows_beside_one_that_has_none(regime):
    page = page_of("images", regimes=[regime])
    assert page.regimes == [regime]
    for name, frame in page.committed.items():
        assert set(frame["regime"]) == {regime} or regime not in set(page.published["regime"]), name
        assert len(frame)


def test_a_regime_that_a_page_or_a_chapter_cannot_show_is_refused_by_name():
    for regime in ("fixed_real=2", "fixed_real", "replacing"):
        with pytest.raises(InputError, match=r"regime: got .*fixed_real=SHARE"):
            page_of("images", regimes=[regime])
    settings = {"preset": "smoke", "seeds": [0], "recompute": False}
    with pytest.raises(InputError, match=r"regime: got 'fixed_real=0.5'; allowed: one of replace"):
        open_chapter("gaussian", regimes=["fixed_real=0.5"], **settings)


def test_regimes_with_a_share_have_a_colour_a_mark_and_a_label_of_their_own():
    names = [*REGIMES, "fixed_real=0.25", "fixed_real=0.5", "redrawn_real=0.25"]
    fig, axes = figures.grid(1, 2)
    frame = pd.concat([made_up(1.0).assign(regime=name) for name in names]).drop_duplicates(
        ["regime", "seed", "iteration"]
    )
    figures.regimes(axes[0, 0], frame, "test_loss", names)
    figures.growth(axes[0, 1], frame, "test_loss", names)
    for ax in axes.flat:
        labels = ax.get_legend_handles_labels()[1]
        assert labels == [figures.LABELS[name] for name in names]
    assert figures.LABELS["fixed_real=0.25"] == "0.25 real, always the same"
    assert len({figures.COLOURS[name] for name in names}) == len(names)
    assert len({figures.MARKS[name] for name in names}) == len(names) - 1  # one for each kind
    plt.close(fig)
    with pytest.raises(KeyError):
        figures.COLOURS["replacing"]


def test_figures_of_pages_need_neither_replace_nor_a_formula():
    page = page_of("language", regimes=["accumulate"])
    plt.close(language.samples(page.reference, ["accumulate"]))
    frame = page_of("linear", committed=["cpu-gaussian"]).reference
    frame = pd.concat([frame, frame.assign(regime="fixed_real=0.5")])
    fig, ax = plt.subplots()
    linear.theory_lines(ax, frame)
    assert len(ax.get_lines()) == 1  # of replace
    plt.close(fig)
    run = page_of("molecules").reference.query("variant == ''").assign(variant="steps=8")
    assert len(molecules.first_fit_table(run)) == 6
