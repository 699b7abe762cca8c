"""The forecasts of the scaling study: of the cells held out, and of the paper's models."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ..evidence import scaling
from ..evidence.scaling import AXES
from . import figures
from .scale import METRIC, UNIT, chains, grid, in_grid, parameters_text
from .tables import on_one_line

ALL = "all three"  # the mixture of the forms, in the table of forecasts
PAPER_STORIES = 2_119_719
PAPER = {  # number of parameters of the paper's models (READ, from the names of its runs)
    "gpt2-9m": 8_890_880,
    "llama-12m": 12_488_960,
    "llama-42m": 41_755_136,
    "llama-126m": 125_553_408,
}
CHARACTERS = 4.07  # in a token of the paper's vocabulary; from 4.04 to 4.09 (DERIVED)


def fit_forms(frame: pd.DataFrame, regime: str) -> list[scaling.Form]:
    """The three forms, fitted to the chains of the grid."""
    return scaling.fit(scaling.rises(in_grid(frame), METRIC, regime))


def paper_rises(reported: pd.DataFrame) -> dict[str, float]:
    """Model of the paper -> its rise under replace in four fits, in bits per character."""
    part = reported[(reported["where"] == "Table 2") & (reported["temperature"] == 1.0)]
    nats = part[part["regime"] == "replace"].pivot(
        index="model", columns="iteration", values="value"
    )
    rise = (nats[4] - nats[1]) / math.log(2) / CHARACTERS
    return {model: float(rise[model]) for model in PAPER}


def forecast_cells(
    frame: pd.DataFrame, cells: dict[str, tuple[float, float]], regime: str
) -> pd.DataFrame:
    """The forecasts of each form, and of their mixture, for one new chain in each of ``cells``.

    ``cells``: name -> (stories, parameters).  Columns: regime, cell, stories, parameters, form,
    mean, low, high.
    """
    forms = fit_forms(frame, regime)
    mixtures = {form.name: [form] for form in forms} | {ALL: forms}
    return pd.DataFrame(
        {
            "regime": regime,
            "cell": name,
            "stories": stories,
            "parameters": parameters,
            "form": form,
            **vars(scaling.forecast(mixture, stories, parameters)),
        }
        for name, (stories, parameters) in cells.items()
        for form, mixture in mixtures.items()
    )


def held_out(frame: pd.DataFrame, forecast: pd.DataFrame) -> pd.DataFrame:
    """The mixture's forecasts of the held-out chains that were run, with the measured ``rise``."""
    table = chains(frame)
    table = table[~table["variant"].isin(grid())]
    mixtures = forecast[forecast["form"] == ALL]
    return mixtures.merge(table[["regime", *AXES, "rise"]], on=["regime", *AXES])


def forecast_table(
    frame: pd.DataFrame, reported: pd.DataFrame, forecast: pd.DataFrame, by_form: bool
) -> pd.DataFrame:
    """The forecasts and the measured rises: of the held-out cells, or ``by_form`` of all."""
    measured = held_out(frame, forecast).set_index(["regime", "cell"])["rise"].to_dict() | {
        ("replace", model): rise for model, rise in paper_rises(reported).items()
    }
    shown = forecast if by_form else forecast[~forecast["cell"].isin(PAPER)]
    rows = {}
    for each in shown.itertuples():
        key = (
            f"{parameters_text(each.parameters)}, n = {each.stories:,.0f}",
            figures.LABELS[each.regime],
        )
        row = rows.setdefault(key, {})
        row[each.form] = f"{each.mean:.2f} [{each.low:.2f}, {each.high:.2f}]"
        rise = measured.get((each.regime, each.cell))
        row["measured"] = "not run" if rise is None else f"{rise:.2f}"
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.names = ["parameters and stories", "regime"]
    table = table.map(on_one_line)
    if by_form:
        return table[[*scaling.FORMS, ALL, "measured"]]
    return table[[ALL, "measured"]].rename(columns={ALL: "forecast"})


def paper_panel(ax: Axes, frame: pd.DataFrame, reported: pd.DataFrame) -> None:
    """The rise under replace by parameters: ours, the forecast at the paper's n, the paper's."""
    table = scaling.rises(in_grid(frame), METRIC, "replace")
    forms = scaling.fit(table)
    colours = sns.color_palette("crest", table["stories"].nunique())
    for colour, (n, own) in zip(colours, table.groupby("stories"), strict=True):
        means = own.groupby("parameters")["rise"].mean()
        ax.plot(means.index, means, "o-", color=colour, label=f"ours, n = {n:,}")
    sizes = np.geomspace(table["parameters"].min(), max(PAPER.values()) * 1.3, 40)
    forecasts = [scaling.forecast(forms, PAPER_STORIES, p) for p in sizes]
    band = {"color": figures.REPORTED, "linewidth": 0, "alpha": 0.2}
    band["label"] = "95% forecast, n = 2.1 million"
    ax.fill_between(sizes, [f.low for f in forecasts], [f.high for f in forecasts], **band)
    points = paper_rises(reported)
    style = {"color": "black", "markerfacecolor": "white", "label": "the paper, n = 2.1 million"}
    ax.plot([PAPER[model] for model in points], list(points.values()), "D", **style)
    ax.axhline(0, color="black", linewidth=0.8, zorder=1)
    ax.set_xscale("log")
    ax.set_xlabel("parameters P")
    ax.set_ylabel(f"final - first fit ({UNIT})")
