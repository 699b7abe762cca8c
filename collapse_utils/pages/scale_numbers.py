"""The numbers of the chapter on scale, and the paragraphs that contain them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from ..evidence import claims, results, scaling
from ..evidence.scaling import AXES
from ..evidence.statistics import Estimate, estimate
from ..evidence.verdicts import REPRODUCED
from . import figures
from .forecasts import ALL, PAPER, PAPER_STORIES, held_out, paper_rises
from .scale import FIXED, METRIC, chains, grid, in_grid, margin, parameters_text
from .tables import signed

MORE_STORIES = "more stories"  # the held-out cell with 1,000 stories, in the forecast
KNOWN = "hidden=128,ffn=512"  # the cell with seeds and stories that chapter 02 had published


def numbers(frame: pd.DataFrame, reported: pd.DataFrame, forecast: pd.DataFrame) -> dict:
    """The numbers in the text, from the published chains, the paper and the committed forecast."""
    table = chains(in_grid(frame))
    by_regime = dict(iter(table.groupby("regime")))
    of_replace = by_regime["replace"]
    replace, subsample = (by_regime[name].groupby(list(AXES))["rise"].mean() for name in FIXED)
    later = by_regime["accumulate"].groupby("parameters")["later"].mean()
    slopes = scaling.slopes(of_replace, grid())
    first = of_replace.groupby(list(AXES))["first"].mean().unstack()
    losses = ["first", "final"]
    within = of_replace[losses] - of_replace.groupby("stories")[losses].transform("mean")
    share, paper = subsample / replace, paper_rises(reported)
    mixture = forecast[(forecast["form"] == ALL) & (forecast["regime"] == "replace")]
    low, high = (mixture.set_index("cell")[column] for column in ("low", "high"))
    inside = [low[model] < rise < high[model] for model, rise in paper.items()]
    narrow = [high[model] - low[model] < rise / 2 for model, rise in paper.items()]
    verdicts = {claim.id: claims.judge(claim, frame) for claim in claims.of("scale")}
    return {
        "cells": len(replace),
        "rising": int((replace > 0).sum()),
        "steps": verdicts["scale-replace-rises"].note.partition(";")[0],
        "chains": len(table),
        "fewest": int(table["stories"].min()),
        "most": int(table["stories"].max()),
        "smallest": parameters_text(table["parameters"].min()),
        "largest": parameters_text(table["parameters"].max()),
        "low": replace.min(),
        "high": replace.max(),
        **{axis: signed(estimate(slopes[axis]), 3) for axis in AXES},
        "size": _sign(estimate(slopes["parameters"])),
        "doublings": [signed(estimate(each), 3) for each in _doublings(of_replace)],
        "spread": float((first.max(axis=1) - first.min(axis=1)).max()),
        "gain": float(first.iloc[0].mean() - first.iloc[-1].mean()),
        "within": float(within.corr(method="spearman").iloc[0, 1]),
        "share_low": share.min(),
        "share_high": share.max(),
        "later_low": later.min(),
        "later_high": later.max(),
        "stays": verdicts["scale-accumulate-stays"].outcome == REPRODUCED,
        "held": held_out(frame, forecast),
        "missed": [
            float(scaling.edge_errors(of_replace, "stories", name).mean()) for name in scaling.FORMS
        ],
        "paper": {name: paper[name] for name in ("llama-12m", "llama-126m")},
        "paper_low": min(paper.values()),
        "paper_high": max(paper.values()),
        "forecast_low": low[list(paper)].min(),
        "forecast_high": high[list(paper)].max(),
        "inside": sum(inside),
        "narrow": all(narrow),
        "models": len(paper),
        "paper_fewest": min(PAPER.values()) / table["parameters"].max(),
        "paper_most": max(PAPER.values()) / table["parameters"].max(),
        "times": PAPER_STORIES / table["stories"].max(),
    }


def _sign(effect: Estimate) -> int:
    """1 or -1 if the interval lies above or below 0, else 0."""
    return int(effect.low > 0) - int(effect.high < 0)


def _doublings(table: pd.DataFrame) -> list[pd.Series]:
    """The change of the rise, mean over sizes, for each step in the number of stories: by seed."""
    means = table.groupby(["seed", "stories"])["rise"].mean().unstack()
    return [step for _, step in means.diff(axis=1).iloc[:, 1:].items()]


def in_short(now: dict) -> str:
    """The chapter's answer, in numbers."""
    answer = "Neither prevents it." if now["rising"] == now["cells"] else "Not in every cell."
    larger = {
        1: "the loss of larger models rises more",
        -1: "the loss of larger models rises less",
        0: "whether the loss of larger models rises more is undecided",
    }[now["size"]]
    stays = "within" if now["stays"] else "and not surely within"
    tested = held_out_text(now) or (
        "The forecasts of two further cells are committed and not tested yet."
    )
    wide = (
        "" if now["narrow"] else " Forecasts for the paper's models are too wide to show a trend."
    )
    return f"""
**In short**

- **{answer}** Under replace, the mean loss rises in {now["rising"]} of {now["cells"]} cells, with
  {now["smallest"]} to {now["largest"]} parameters and {now["fewest"]} to {now["most"]} stories:
  by {now["low"]:.2f} to {now["high"]:.2f} bits per character in four fits.
- On average, a doubling of the stories changes the rise by {now["stories"]} bits. A doubling of the
  parameters changes it by {now["parameters"]}: in these cells {larger}. Brackets are 95%
  intervals over three seeds.
- Accumulate at equal size keeps {now["share_low"]:.0%} to {now["share_high"]:.0%} of the rise.
  Under accumulate the later fits lie on average {now["later_low"]:+.3f} to
  {now["later_high"]:+.3f} bits from the first, {stays} our margin of {margin()}.
- **The forecasts.** {tested}{wide}
"""


def pattern_text(now: dict) -> str:
    """A paragraph on what the cells have in common."""
    return (
        f"Under replace the mean loss rises in {now['rising']} of {now['cells']} cells; "
        f"{now['steps']} from one fit to the next. More stories lower the loss of the first fit by "
        f"{now['gain']:.2f} bits from {now['fewest']} to {now['most']}; the size of the model "
        f"changes it by at most {now['spread']:.2f}. The first doubling of the stories changes the "
        f"rise by {now['doublings'][0]} bits, and the second by {now['doublings'][-1]}. Among "
        "chains with the same number of stories, the rank correlation between the losses of the "
        f"first and the final fit is {now['within']:.2f}."
    )


def slope_checks(frame: pd.DataFrame) -> pd.DataFrame:
    """The slope over the parameters under replace, computed in other ways: exploratory."""
    table = scaling.rises(in_grid(frame), METRIC, "replace")
    table = table.assign(log=np.log2(table["rise"]), relative=table["rise"] / table["first"])
    ways = {"all cells, as registered": (table, "rise")}
    for stories, own in table.groupby("stories"):
        ways[f"{stories} stories alone"] = own, "rise"
    ways["without the cell that was known"] = table[table["variant"] != KNOWN], "rise"
    ways["log2 of the rise"] = table, "log"
    ways["rise / loss of the first fit"] = table, "relative"
    ways["loss of the final fit"] = table, "final"
    ways["loss of the first fit"] = table, "first"
    rows = {
        name: signed(estimate(scaling.slopes(own, column=column)["parameters"]), 3)
        for name, (own, column) in ways.items()
    }
    return pd.Series(rows, name="change per doubling of the parameters").to_frame()


def robustness_text(frame: pd.DataFrame) -> str:
    """A paragraph on how many of the other ways agree with the registered slope."""
    slopes = slope_checks(frame).iloc[:, 0]
    ways = slopes.iloc[1:-2]
    above = ways.str.contains(r"\[\+").sum()
    return (
        "Computed in other ways, the effect of a doubling of the parameters has an interval above "
        f"0 in {above} of {len(ways)} cases. On the loss of the final fit alone it is "
        f"{slopes.iloc[-2]}, and on that of the first fit {slopes.iloc[-1]}."
    )


def held_out_text(now: dict) -> str:
    """How many held-out chains are inside their forecasts, and which ones are not.

    Empty if none was run.
    """
    held = now["held"]
    if held.empty:
        return ""
    inside = (held["low"] < held["rise"]) & (held["rise"] < held["high"])
    sentences = [f"{inside.sum()} of {len(held)} held-out chains rise by what was forecast."]
    sentences += [
        f"Under {figures.LABELS[each.regime]}, {parameters_text(each.parameters)} parameters and "
        f"{each.stories:,.0f} stories give {'more' if each.rise > each.high else 'less'}: "
        f"{each.rise:.2f} bits, forecast [{each.low:.2f}, {each.high:.2f}]."
        for each in held[~inside].itertuples()
    ]
    return " ".join(sentences)


def expectation_text(now: dict) -> str:
    """What the forms miss at the largest training sets, what that let us expect, and whether it
    came true.

    Empty if the three forms do not miss on the same side.
    """
    low, high = sorted(abs(each) for each in now["missed"])[:: len(now["missed"]) - 1]
    side = "small" if max(now["missed"]) < 0 else "large" if min(now["missed"]) > 0 else ""
    if not side:
        return ""
    position = "above" if side == "small" else "below"
    held = now["held"]
    more = held[(held["regime"] == "replace") & (held["cell"] == MORE_STORIES)]
    result = ""
    if not more.empty:
        rise, centre = more[["rise", "mean"]].to_numpy()[0]
        true = (rise > centre) == (position == "above")
        result = f", {centre:.2f}; it is {'' if true else 'not: '}{rise:.2f}"
    return (
        f"Without the largest training sets, all three forms forecast too {side} a rise for them, "
        f"by {low:.2f} to {high:.2f} bits. We therefore expected the rise at 1,000 stories "
        f"{position} the centre of its interval{result}."
    )


def paper_text(now: dict) -> str:
    """A paragraph on the paper's models."""
    fewest, most = (f"{now[name]:,.0f}" for name in ("paper_fewest", "paper_most"))
    small, large = now["paper"].values()
    if now["inside"] < now["models"]:
        trend = f"{now['inside']} of the {now['models']} values lie inside, so there is no trend."
    elif not now["narrow"]:
        trend = "All values lie inside, but the intervals are too wide to decide."
    else:
        trend = "All values lie inside narrow intervals, so the models lie on the trend."
    return (
        f"The loss of the paper's {now['models']} models rises by {now['paper_low']:.2f} to "
        f"{now['paper_high']:.2f} bits per character in four fits: by {small:.2f} for the smallest "
        f"Llama and by {large:.2f} for the largest, in single runs. The models have {fewest} to "
        f"{most} times the parameters of our largest cells, and {now['times']:,.0f} times the "
        f"stories. At these sizes our 95% forecasts run from about {now['forecast_low']:.1f} to "
        f"{now['forecast_high']:.1f} bits. By our rule the models lie on our trend only if every "
        f"interval contains its value and is narrower than half of it. {trend}"
    )


def known_cell_text(frame: pd.DataFrame, home: Path) -> str:
    """The limitation that the results of one cell were known before."""
    rest, same = frame[frame["variant"] != KNOWN], True
    for claim in claims.of("scale"):
        options = dict(claim.options)
        if "cells" in options:
            options["cells"] = [cell for cell in options["cells"] if cell != KNOWN]
        without = claims.judge(dataclasses.replace(claim, options=options), rest)
        same &= without.outcome == claims.judge(claim, frame).outcome
    older = results.named("language", "trained-tinystories", home)
    older = older[(older["variant"] == "") & (older["iteration"] <= 4)]
    pair = [
        scaling.rises(rows, METRIC, "replace", preset).set_index("seed")["rise"]
        for rows, preset in ((frame[frame["variant"] == KNOWN], scaling.PRESET), (older, "trained"))
    ]
    difference = float((pair[0] - pair[1]).abs().max())
    return (
        "- **Known results.** The cell with 787 thousand parameters and 250 stories has the seeds "
        "and stories of the chapter on language models, whose results we knew. On another "
        f"processor single rises differ by up to {difference:.3f} bits. Exploratory: without this "
        f"cell {'no verdict changes' if same else 'a verdict changes'}."
    )
