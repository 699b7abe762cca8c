"""The figures and tables of the chapter on training sets with a part of real data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..evidence.rows import Rows
from ..evidence.shares import INNER, KINDS, predicted, rises
from ..evidence.statistics import by_iteration, estimate
from ..theory import mixing
from ..theory.published import SETS, mixing_formula
from . import figures

METRIC = "test_loss"
FORMS = {  # as the table names them
    "fresh": "fresh",
    "fixed": "always the same",
    "pool": "from a pool of 3r sets",
    "weighted": "fresh, best weight",
    "accumulated": "fresh, accumulated",
    "new-rows": "fresh, other rows",
}
SIZES = {"": "n", "images=160,epochs=40,decay=0.9487": "n/2"}  # fits of both have as many steps
FRESH, FIXED = figures.COLOURS["accumulate"], figures.COLOURS["replace"]
STYLES = {  # of faces: colour, mark, label
    "fixed_real": (FIXED, "o", "same faces"),
    "redrawn_real": (FRESH, "s", "redrawn"),
}


def final_error(axes: Sequence[Axes]) -> None:
    """The limit of the error by share of real items: at a fixed total, and at a fixed number."""
    share = np.linspace(0.05, 0.999, 200)
    for name, colour, fixed in (("fresh", FRESH, False), ("always the same", FIXED, True)):
        total, number = [], []
        for a in share:
            total.append(mixing.growth(np.inf, a, 1 - a, a if fixed else np.inf))
            number.append(mixing.growth(np.inf, 1, (1 - a) / a, 1 if fixed else np.inf))
        axes[0].plot(share, total, color=colour, label=f"real data {name}")
        axes[1].plot(share, number, color=colour)
    best = [mixing.best_weight(a, 1 - a) / a for a in share]
    axes[0].plot(share, best, "--", color=FRESH, label="fresh, with the best weight")
    axes[1].axhline(1, color=figures.REPORTED, linestyle=":")
    axes[1].annotate("trained on the real data alone", (0.5, 1.03), fontsize=10, ha="center")
    axes[0].set(yscale="log", ylabel="final error / error of the first fit")
    axes[1].set(ylim=(0, 1.6), ylabel="final error / error of the real data alone")
    axes[0].set_title("size of the training set fixed")
    axes[1].set_title("number of real items fixed")
    for ax in axes:
        ax.set_xlabel("share of real items $a$")


def in_short(frame: pd.DataFrame) -> str:
    """The chapter's answer, in numbers of the closed forms and of the faces."""
    low = mixing.growth(np.inf, 1, 1e9)
    high = mixing.growth(np.inf, 1, 1e9, pool=1)
    table = rises(Rows(frame, METRIC, "ratio"), "fixed_real")
    end = {share: 100 * (float(np.exp(table[share]).mean()) - 1) for share in (0.0, 0.1, 0.5)}
    return f"""
**In short**

- In linear regression the *number* of real items in a training set decides. However many
  synthetic data are added, the final error is between {low:.1f} times (fresh real data) and
  {high:.1f} times (always the same real data) that of a model of these real items alone.
- For faces, whose errors are biases, the *share* decides. Under replace the loss ends
  {end[0.0]:.0f}% above the first fit; with a tenth of the faces real, {end[0.1]:.0f}%; and with
  half of them real, {end[0.5]:.0f}%.
- Fresh real data that accumulate make the noise vanish in the long run.
"""


def simulated(axes: Sequence[Axes], frame: pd.DataFrame, shown: Sequence[str]) -> None:
    """Simulations and closed forms by iteration: a panel for each form, a line for each r:s."""
    t = np.arange(1, int(frame["iteration"].max()) + 1)
    for ax, name in zip(axes, shown, strict=True):
        for (r, s), shade in zip(SETS, np.linspace(0.3, 1, len(SETS)), strict=True):
            formula = mixing_formula(name, r, s, t)
            ax.plot(t, formula, color=FRESH, alpha=shade)
            ax.annotate(f"{r}:{s}", (t[-1], formula[-1]), fontsize=9)
            points = by_iteration(frame, "value", regime=name, variant=f"r={r},s={s}")
            ax.plot(points["iteration"], points["mean"], "k.", markersize=5)
        ax.set(xlabel="iteration $t$", title=FORMS[name], yscale="log")
    axes[0].set_ylabel("error / error of the first fit")


def rise_by_share(axes: Sequence[Axes], frame: pd.DataFrame) -> None:
    """The rise of the loss of faces / that under replace: by share, and by number of real faces."""
    rows = Rows(frame, METRIC, "ratio")
    for index, (variant, kind) in enumerate(itertools.product(SIZES, KINDS)):
        colour, mark, label = STYLES[kind]
        table = rises(rows, kind, variant)
        rise = pd.DataFrame([vars(estimate(table[share] / table[0.0])) for share in INNER])
        style = {"color": colour, "fmt": mark, "capsize": 2, "yerr": figures.yerr(rise)}
        style["fillstyle"] = "none" if variant else "full"
        share = np.array(INNER) + 0.012 * (index - 1.5)  # side by side
        number = np.array(INNER) * (0.5 if variant else 1.0) * 1.02 ** (index - 1.5)
        axes[0].errorbar(share, rise["mean"], label=f"{label}, {SIZES[variant]} items", **style)
        axes[1].errorbar(number, rise["mean"], **style)
    expected = predicted("fixed_real", int(frame["iteration"].max()))
    axes[0].plot(INNER, expected["bias"], color="black", label="biases")
    axes[0].plot(INNER, expected["noise"], ":", color="black", label="noise")
    axes[0].set(xlabel="share of real faces $a$", ylabel="rise of the loss / rise under replace")
    axes[1].set(xlabel="real faces in a training set / n", xscale="log")
    axes[1].set_xticks([0.05, 0.1, 0.25, 0.5, 0.75], ["0.05", "0.1", "0.25", "0.5", "0.75"])
    axes[1].minorticks_off()


def rise_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Final loss / first loss by share, kind and number of items, with 95% intervals over seeds."""
    rows = {}
    for variant, size in SIZES.items():
        for kind in KINDS:
            table = np.exp(rises(Rows(frame, METRIC, "ratio"), kind, variant))
            name = f"{STYLES[kind][2]}, {size} items"
            rows[name] = {f"a = {a:g}": estimate(table[a]).text(2) for a in table.columns}
    return pd.DataFrame.from_dict(rows, orient="index")
