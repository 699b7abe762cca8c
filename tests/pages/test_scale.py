"""The chapter on scale: its numbers, its forecasts and the paper's models, on made-up chains."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from benchmarks import forecast as script
from collapse_utils.evidence import results, scaling
from collapse_utils.pages import figures, forecasts
from collapse_utils.pages import scale as pages
from collapse_utils.pages import scale_numbers as words

ROOT = Path(__file__).resolve().parents[2]
LARGER = "layers=4,hidden=192,ffn=768"
REPORTED = results.read_csv(ROOT / "results" / "reported" / "language.csv")
SHARES = {"replace": 1.0, "accumulate_subsample": 0.4, "accumulate": 0.05}


def rise(variant):
    """A straight line in log2 of the stories and of the parameters."""
    n, p = _cell(variant)
    return 0.3 - 0.02 * math.log2(n / 250) - 0.01 * math.log2(p / 2**19)


def _cell(variant):
    config = scaling.config_of(variant)
    return config.stories, scaling.llama_parameters(config)


def chain(variant, regime, seed, whole):
    noise = np.random.default_rng([seed, len(variant)]).normal(size=5) * 1e-3
    keys = {"variant": variant, "regime": regime, "seed": seed, "metric": pages.METRIC}
    return [
        {**keys, "iteration": t, "value": 2 + SHARES[regime] * whole * (t - 1) / 3 + noise[t]}
        for t in range(1, 5)
    ]


@pytest.fixture
def frame():
    """The grid with three seeds, accumulate at 250 stories alone."""
    return pd.DataFrame(
        row
        for variant in pages.grid()
        for regime in pages.REGIMES
        if regime in pages.FIXED or _cell(variant)[0] == 250
        for seed in range(3)
        for row in chain(variant, regime, seed, rise(variant))
    )


@pytest.fixture
def forecast(frame):
    cells = {"larger model": _cell(LARGER)}
    paper = {name: (forecasts.PAPER_STORIES, p) for name, p in forecasts.PAPER.items()}
    parts = [forecasts.forecast_cells(frame, cells, regime) for regime in pages.FIXED]
    return pd.concat([*parts, forecasts.forecast_cells(frame, paper, "replace")])


def with_held_out(frame, whole):
    """The frame with one more chain of each regime, whose epochs the forecast did not know."""
    variant = f"{LARGER},epochs=8"
    rows = [row for regime in pages.FIXED for row in chain(variant, regime, 0, whole)]
    return pd.concat([frame, pd.DataFrame(rows)], ignore_index=True)


def test_a_held_out_chain_is_inside_its_forecast_or_not(frame, forecast):
    def text(frame):
        return words.held_out_text({"held": forecasts.held_out(frame, forecast)})

    assert text(frame) == ""
    near = with_held_out(frame, rise(LARGER))
    assert text(near) == "2 of 2 held-out chains rise by what was forecast."
    more = text(with_held_out(frame, 0.6))
    assert more.startswith("0 of 2 held-out chains rise by what was forecast. Under replace, ")
    assert more.count("250 stories give more: ") == 2
    assert "0.60 bits, forecast [" in more
    assert text(with_held_out(frame, 0.0)).count("give less: ") == 2
    before = forecasts.forecast_table(frame, REPORTED, forecast, by_form=False)
    after = forecasts.forecast_table(near, REPORTED, forecast, by_form=False)
    by_form = forecasts.forecast_table(near, REPORTED, forecast, by_form=True)
    assert list(by_form["measured"])[:2] == list(after["measured"]) and len(by_form) == 6
    assert list(by_form["all three"])[:2] == list(after["forecast"])
    assert list(before["measured"]) == ["not run"] * 2
    assert after["measured"].iloc[0] == f"{rise(LARGER):.2f}"


def test_the_numbers_are_of_the_grid_alone(frame, forecast):
    alone = words.numbers(frame, REPORTED, forecast)
    more = words.numbers(with_held_out(frame, 5.0), REPORTED, forecast)
    assert alone["cells"] == alone["rising"] == 9 and alone["chains"] == 63
    assert (alone["fewest"], alone["most"]) == (125, 500)
    assert alone["share_low"] == pytest.approx(0.4, abs=0.02)
    assert {k: v for k, v in alone.items() if k != "held"} == {
        k: v for k, v in more.items() if k != "held"
    }
    text = words.in_short(alone)
    assert "Neither prevents it" in text and "9 of 9 cells" in text and "not tested yet" in text
    assert "0 of 2 held-out chains rise by what was forecast" in words.in_short(more)


def test_the_sentences_follow_the_numbers(frame, forecast):
    now = words.numbers(frame, REPORTED, forecast)
    assert "81 of 81 steps rise" in words.pattern_text(now)
    assert now["size"] == -1 and "larger models rises less" in words.in_short(now)
    assert "rises more" in words.in_short({**now, "size": 1})
    assert "not surely within" in words.in_short({**now, "stays": False})
    assert "so there is no trend" in words.paper_text({**now, "inside": 3})
    assert "lie on the trend" in words.paper_text({**now, "inside": 4, "narrow": True})
    assert "too wide to decide" in words.paper_text({**now, "inside": 4, "narrow": False})
    assert "too small a rise" in words.expectation_text({**now, "missed": [-0.1, -0.2, -0.3]})
    assert words.expectation_text({**now, "missed": [-0.1, 0.2, 0.3]}) == ""


@pytest.mark.parametrize(
    ("rise", "words_after"),
    [(0.3, "its interval, 0.20; it is 0.30."), (0.1, "its interval, 0.20; it is not: 0.10.")],
)
def test_what_was_expected_of_more_stories_is_compared_with_the_chain(rise, words_after):
    chain = {"regime": "replace", "cell": words.MORE_STORIES, "mean": 0.2, "rise": rise}
    now = {"missed": [-0.1, -0.2, -0.3], "held": pd.DataFrame([chain])}
    text = words.expectation_text(now)
    assert "above the centre of its interval" in text and words_after in text


def test_the_effect_of_size_is_computed_in_several_ways(frame):
    table = words.slope_checks(frame)
    assert table.index[0] == "all cells, as registered" and len(table) == 9
    first = float(table.iloc[0, 0].split()[0])
    assert first == pytest.approx(-0.01, abs=0.002)
    assert "0 in 0 of 6 cases" in words.robustness_text(frame)


def test_without_the_known_cell_verdicts_are_compared(frame):
    assert "no verdict changes" in words.known_cell_text(frame, ROOT / "results")
    falls = (frame["variant"] == words.KNOWN) & (frame["regime"] == "replace")
    frame.loc[falls, "value"] = 4 - frame.loc[falls, "value"]  # this cell alone falls
    assert "a verdict changes" in words.known_cell_text(frame, ROOT / "results")


def test_the_papers_rises_are_its_table_in_bits_per_character():
    table = REPORTED[(REPORTED["where"] == "Table 2") & (REPORTED["regime"] == "replace")]
    own = table[(table["model"] == "llama-12m") & (table["temperature"] == 1.0)]
    nats = own.set_index("iteration")["value"]
    assert forecasts.paper_rises(REPORTED)["llama-12m"] == pytest.approx(
        (nats[4] - nats[1]) / math.log(2) / 4.07
    )


def test_the_figures_show_means_of_the_cells(frame):
    axes = figures.grid(1, 3)[1]
    pages.rise_panels(axes[0], frame)
    line = axes[0, 0].get_lines()[0]
    first = frame[(frame["variant"] == pages.grid()[0]) & (frame["regime"] == "replace")]
    by_fit = first.groupby("iteration")["value"].mean()
    assert line.get_xdata()[0] == 125
    assert line.get_ydata()[0] == pytest.approx(by_fit[4] - by_fit[1])
    forecasts.paper_panel(figures.grid(1, 1)[1][0, 0], frame, REPORTED)
    pages.final_and_first(figures.grid(1, 1)[1][0, 0], frame)
    plt.close("all")


def test_every_cell_has_a_row_with_what_was_run(frame):
    table = pages.cell_table(frame)
    assert len(table) == 9
    assert (table[figures.LABELS["accumulate"]] == "not run").sum() == 6
    assert pages.glance(frame).loc["chains", "this study"] == "63"


def test_the_committed_forecast_is_that_of_the_committed_chains():
    committed = results.read_csv(ROOT / "results" / "scale" / "forecast.csv")
    again = script.table(results.named("scale", "scale-tinystories", ROOT / "results"))
    pd.testing.assert_frame_equal(again, committed, rtol=1e-4, check_dtype=False)
