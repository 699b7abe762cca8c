"""What a section's page judges: committed results, and a run in their place where it is the same experiment."""

from pathlib import Path

import pandas as pd
import pytest

from collapse_utils.errors import InputError
from collapse_utils.evidence.statistics import NOT_REPRODUCED, NOT_RUN, REPRODUCED
from collapse_utils.pages import figures, notebook

GAP = "Llama: replace ends above accumulate"


def made_up(gap, seeds=3, variant=""):
    """Cross-entropies of two regimes that end ``gap`` apart."""
    rows = [
        {"metric": "cross_entropy", "variant": variant, "regime": regime, "seed": seed, "iteration": t, "value": value}
        for regime, slope in (("replace", gap), ("accumulate", 0.0))
        for seed in range(seeds)
        for t, value in ((1, 2.0), (2, 2.0 + slope + 0.001 * seed * (slope != 0)))
    ]
    return pd.DataFrame(rows)


def opened(run=None, run_name=""):
    committed = {"cpu-tinystories": made_up(1.0), "smoke-bible": made_up(1.0)}
    return notebook.Opened("language", committed, run, run_name, ["replace", "accumulate"], Path())


def outcome(page, name):
    return next(verdict.outcome for verdict in page.verdicts()[name] if verdict.claim == GAP)


def test_a_run_takes_the_place_of_the_results_of_its_own_preset_and_data():
    page = opened(made_up(-1.0), "smoke-bible")
    assert (outcome(page, "smoke-bible"), outcome(page, "cpu-tinystories")) == (NOT_REPRODUCED, REPRODUCED)
    assert page.judged is page.run  # the tables of the page


def test_a_run_with_too_few_seeds_or_of_another_kind_leaves_the_verdicts_alone():
    for page in (opened(made_up(-1.0, seeds=2), "smoke-bible"), opened(made_up(-1.0), "colab-bible")):
        assert {outcome(page, name) for name in page.committed} == {REPRODUCED}
    assert opened(made_up(-1.0, seeds=2), "smoke-bible").judged.equals(opened().reference)


def test_variants_that_a_run_left_out_stay_those_of_the_committed_results():
    cold = made_up(5.0, variant="temperature=0.3")
    page = opened(made_up(-1.0), "smoke-bible")
    page.committed["smoke-bible"] = pd.concat([made_up(1.0), cold])
    found = {verdict.claim: verdict for verdict in page.verdicts()["smoke-bible"]}
    assert found[GAP].outcome == NOT_REPRODUCED
    assert found["Llama: replace rises faster at temperature 0.3 than at 1.0"].effect.mean == pytest.approx(6.0, abs=0.01)


def test_what_is_printed_holds_no_number_and_names_the_results(capsys):
    notebook.print_verdicts(opened().verdicts())
    text = capsys.readouterr().out
    assert text.startswith("on cpu-tinystories:\n  reproduced: Llama: replace rises at every iteration\n")
    assert "on smoke-bible:\n" in text and f"  reproduced: {GAP}\n" in text
    notebook.print_directions(opened(made_up(-1.0, seeds=1), "smoke-bible"))
    assert f"  not as claimed in this run: {GAP}\n" in capsys.readouterr().out
    notebook.print_directions(opened(made_up(-1.0), "colab-bible"))
    told = capsys.readouterr().out
    assert told.startswith(f"on this run, colab-bible:\n  {NOT_REPRODUCED}: Llama: replace rises at every iteration\n")
    notebook.print_directions(opened())
    assert "no chain was trained here" in capsys.readouterr().out


def test_the_table_has_the_outcome_and_the_effect_on_each_of_the_results():
    table = notebook.verdict_table(opened().verdicts())
    assert table.loc[GAP, "cpu-tinystories"].startswith("reproduced: 1.001 [")
    assert table.loc[GAP, "smoke-bible"].startswith(f"{REPRODUCED}: 1.001") and table.loc[GAP, "claimed"] == "> 0 nats"
    gpt2 = table.loc["GPT-2: replace ends above accumulate"]
    assert gpt2["cpu-tinystories"] == NOT_RUN and gpt2["smoke-bible"] == ""  # no claim on that text


def test_figures_show_one_preset_of_each_data_source_and_the_run():
    page = opened(made_up(1.0, seeds=1), "smoke-bible")
    page.committed["smoke-tinystories"] = made_up(1.0)
    assert [figures.about(name, frame) for name, frame in page.panels()] == [
        "cpu-tinystories: mean and 95% interval of 3 seeds",
        "smoke-bible: mean and 95% interval of 3 seeds",
        "this run, smoke-bible: one seed, no interval",
    ]


def test_a_figure_of_regimes_with_unequal_seeds_says_so():
    uneven = pd.concat([made_up(1.0), made_up(1.0, seeds=5).query("regime == 'replace' and seed > 2")])
    assert figures.about("these", uneven) == "these: mean and 95% interval of 3 to 5 seeds"


def test_results_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match="cpu-tinystories"):
        notebook.open_section(
            "language", preset="smoke", seeds=[0], regimes=["replace"], recompute=False, results_dir=str(tmp_path)
        )
