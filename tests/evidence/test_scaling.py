"""Slopes, forms and forecasts over the sizes of models and training sets, on made-up chains."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from collapse_utils.evidence import effects, scaling
from collapse_utils.evidence.rows import Rows
from collapse_utils.language.config import PRESETS
from collapse_utils.language.model import build, parameters
from collapse_utils.presets import override

WIDTHS = {32: "ffn=128,hidden=32", 64: "", 128: "ffn=512,hidden=128"}
CELLS = [
    ",".join(filter(None, [size, "" if n == 250 else f"stories={n}"]))
    for size in WIDTHS.values()
    for n in (125, 250, 500, 1000)
]


def made_up(rise, noise=0.0, seeds=3, rng=None):
    """Chains of two fits whose rise is ``rise(N, P)`` and normal noise."""
    rng = rng or np.random.default_rng(5)
    rows = []
    for variant in CELLS:
        config = scaling.config_of(variant)
        n, p = config.stories, scaling.llama_parameters(config)
        for seed in range(seeds):
            first = 2.0 + rng.normal()
            last = first + rise(n, p) + noise * rng.normal()
            rows += [
                {"variant": variant, "seed": seed, "iteration": t, "value": y}
                for t, y in ((1, first), (4, last))
            ]
    return pd.DataFrame(rows).assign(regime="replace", metric="loss")


@pytest.mark.parametrize("change", [[], ["hidden=32", "ffn=128"], ["layers=4", "hidden=192"]])
def test_parameters_are_counted_as_torch_counts_them(change):
    config = override(PRESETS["scale"], change)
    names = ("layers", "hidden", "heads", "ffn", "vocabulary", "max_length")
    model = build("llama", **{name: getattr(config, name) for name in names}, seed=0)
    assert scaling.llama_parameters(config) == parameters(model)


def test_slopes_are_those_of_the_truth_and_a_seed_that_lacks_a_cell_is_left_out():
    frame = made_up(lambda n, p: 3 - 0.05 * np.log2(n) - 0.02 * np.log2(p))
    rows = Rows(
        frame[~((frame["seed"] == 2) & (frame["variant"] == CELLS[0]))], "loss", "difference"
    )
    for over, slope in (("stories", -0.05), ("parameters", -0.02)):
        [part] = effects.TESTS["falls_with"](rows, of="replace", over=over, cells=CELLS)
        assert part.effects == pytest.approx([slope, slope]) and part.seeds == (0, 1)
        assert part.sign == -1 and part.threshold == 0


def test_no_chains_give_no_effects():
    rows = Rows(made_up(lambda n, p: 1.0), "loss", "difference")
    [part] = effects.TESTS["falls_with"](rows, of="accumulate", over="stories", cells=CELLS)
    assert part.effects == []


TRUTHS = {
    "line": lambda n, p: 1.5 - 0.03 * np.log2(n) - 0.02 * np.log2(p),
    "power": lambda n, p: 40 * n**-0.4 * p**-0.2,
    "floor": lambda n, p: 0.2 + 60 * n**-0.6 * p**-0.2,
}


@pytest.mark.parametrize("name", scaling.FORMS)
def test_a_form_that_is_the_truth_is_found_and_outweighs_the_others(name):
    table = scaling.rises(made_up(TRUTHS[name]), "loss", "replace")
    forms = scaling.fit(table)
    errors = {form.name: form.error for form in forms}
    assert errors[name] == pytest.approx(0, abs=1e-6)
    # "floor" holds "power" as the case of no floor
    assert all(
        errors[other] > 1e-3
        for other in errors
        if {other, name} != {"power", "floor"} and other != name
    )
    far = scaling.forecast(forms, 4000, 4e6)
    assert far.mean == pytest.approx(TRUTHS[name](4000, 4e6), abs=1e-4)


def test_the_interval_of_one_form_is_the_textbook_prediction_interval():
    table = scaling.rises(made_up(TRUTHS["line"], noise=0.02), "loss", "replace")
    line = scaling.fit(table)[0]
    x, y = scaling.design_matrix(table), table["rise"].to_numpy()
    new = np.array([1.0, *(np.log2([4000, 4e6]) - scaling.CENTRE)])
    inverse = np.linalg.inv(x.T @ x)
    error = line.error * np.sqrt(1 + new @ inverse @ new)
    got = scaling.forecast([line], 4000, 4e6)
    mean = new @ inverse @ x.T @ y
    assert got.mean == pytest.approx(mean)
    assert [got.low, got.high] == pytest.approx(list(stats.norm.interval(0.95, mean, error)))


def test_intervals_cover_new_chains():
    """Where one of the forms is the truth, about 95% of new chains fall inside, and not all."""
    truth, inside = TRUTHS["floor"], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        frame = made_up(truth, noise=0.02, rng=rng)
        told = scaling.forecast(scaling.fit(scaling.rises(frame, "loss", "replace")), 2000, 2e6)
        new = truth(2000, 2e6) + 0.02 * rng.normal(size=20)
        inside += list((told.low < new) & (new < told.high))
    assert 0.9 < np.mean(inside) < 1
