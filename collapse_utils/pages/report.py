"""The report on one experiment with any model: a plot, a table, and verdicts in plain words.

Verdicts follow the rules of the book's claims (``evidence/verdicts.py``).  Their words differ,
since an experiment with a reader's own model reproduces nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import regimes
from ..durable.metrics import KEY, frame_of
from ..errors import InputError, one_of
from ..evidence import statistics
from ..evidence.claims import text
from ..evidence.effects import Rows, ends_above, ends_above_first, named
from ..evidence.verdicts import NOT_REPRODUCED, REPRODUCED, UNDECIDED, VERDICT_SEEDS, decide
from ..sweeps.collect import read_finished
from . import figures

RISES = {REPRODUCED: "rises", NOT_REPRODUCED: "does not rise", UNDECIDED: "undecided"}
ENDS = {REPRODUCED: "above", NOT_REPRODUCED: "below", UNDECIDED: "undecided"}
EXPERIMENT = ["section", "preset", "data", "variant"]  # the columns that identify an experiment
COLUMNS = 3  # panels in a row


def check(frame: pd.DataFrame, metrics: Sequence[str] = ()) -> list[str]:
    """The metrics to report: ``metrics``, or all of them if empty.

    Raises InputError if ``frame`` is not the tidy frame of one experiment, or lacks a metric.
    """
    columns = list(getattr(frame, "columns", []))
    missing = [name for name in (*KEY, "value") if name not in columns]
    if missing:
        got = f"{type(frame).__name__} without {', '.join(missing)}"
        raise InputError("frame", got, "what experiment(...) returns")
    if frame.empty:
        raise InputError("frame", "no rows", "the rows of at least one finished chain")
    count = len(frame[EXPERIMENT].drop_duplicates())
    if count > 1:
        allowed = f"one experiment: one {', '.join(EXPERIMENT[:-1])} and {EXPERIMENT[-1]}"
        raise InputError("frame", f"{count} experiments", allowed)
    names = list(dict.fromkeys(frame["metric"]))
    for name in metrics:
        one_of("metric", name, names)
    return list(dict.fromkeys(metrics)) or names


def _verdict(parts: list) -> tuple[str, str]:
    """The outcome and the effect with its interval; undecided with fewer seeds than a verdict
    needs.
    """
    verdict = decide("", parts)
    enough = verdict.effect.n >= VERDICT_SEEDS
    return verdict.outcome if enough else UNDECIDED, text(verdict.effect)


def table(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row for each regime: the first fit, the final fit, the change between them, and the
    verdict on the change.
    """
    rows = Rows(frame, metric, "difference", variant=frame["variant"].iloc[0])
    cells = {}
    for regime in regimes.REGIMES:
        values = rows.table(regime)
        if values.shape[1] < 2 or not len(values):
            continue
        if not np.isfinite(values.to_numpy()).all():  # a fit that has diverged
            cells[named(regime)] = ["not finite"] * 3 + [RISES[UNDECIDED]]
            continue
        outcome, change = _verdict(ends_above_first(rows, regime))
        first, final = (f"{values[t].mean():.4g}" for t in values.columns[[0, -1]])
        cells[named(regime)] = [first, final, change, RISES[outcome]]
    heads = ["first", "final", "change", "verdict"]
    return pd.DataFrame.from_dict(cells, orient="index", columns=heads)


def comparisons(frame: pd.DataFrame, metric: str) -> list[str]:
    """Replace against every other regime at the final fit, in words, with the difference."""
    rows = Rows(frame, metric, "difference", variant=frame["variant"].iloc[0])
    lines = []
    for other in regimes.REGIMES:
        parts = ends_above(rows, "replace", other)
        effects = parts[0].effects
        if other != "replace" and len(effects) and np.isfinite(effects).all():
            outcome, difference = _verdict(parts)
            lines.append(f"replace against {named(other)}: {ENDS[outcome]}, {difference}")
    return lines


def text_report(frame: pd.DataFrame, metrics: Sequence[str] = ()) -> str:
    """The table and the verdicts of every metric as text."""
    metrics = check(frame, metrics)
    row = frame.iloc[0]
    variant = f", {row['variant']}" if row["variant"] else ""
    count, fits = statistics.seeds_of(frame), frame["iteration"].max()
    parts = [f"{row['section']}{variant}: {count}, {fits} fits; intervals are 95%, over seeds"]
    if frame["seed"].nunique() < VERDICT_SEEDS:
        parts.append(f"a verdict needs {VERDICT_SEEDS} seeds")
    for metric in metrics:
        shown = table(frame, metric)
        body = shown.to_string() if len(shown) else "one fit: there is no change to decide on"
        parts.append("\n".join([metric, body, *comparisons(frame, metric)]))
    return "\n\n".join(parts)


def figure(frame: pd.DataFrame, metrics: Sequence[str] = ()) -> Figure:
    """A panel for each metric: the mean over seeds by iteration, a line for each regime."""
    metrics = check(frame, metrics)
    columns = min(len(metrics), COLUMNS)
    fig, axes = figures.grid(math.ceil(len(metrics) / columns), columns)
    for ax, metric in zip(axes.flat, metrics, strict=False):
        figures.regimes(ax, frame, metric, regimes.REGIMES, variant=frame["variant"].iloc[0])
    for ax in axes.flat[len(metrics) :]:
        ax.set_axis_off()
    figures.legend(fig, axes.flat)
    fig.suptitle(figures.title(frame["section"].iloc[0], frame), fontsize=11)
    return fig


def report(
    frame: pd.DataFrame, file: str | Path | None = None, metrics: Sequence[str] = ()
) -> None:
    """Print the table and the verdicts, and draw the plot into ``file`` or, without one, in the
    notebook.

    Parameters
    ----------
    frame : what :func:`collapse_utils.own.experiment` returns, or rows of it.
    file : a picture to write; its suffix gives the format (png, pdf, svg).
    metrics : those to report; all of them unless given.

    Raises
    ------
    InputError : ``frame`` is not of one experiment, a metric is not in it, or ``file`` cannot be
        written.
    """
    print(text_report(frame, metrics))
    figures.style()
    fig = figure(frame, metrics)
    if file is None:
        if plt.get_backend().lower() != "agg":  # agg has no display
            plt.show()
        plt.close(fig)
        return
    try:
        fig.savefig(file)
    except (OSError, ValueError) as problem:
        raise InputError("file", str(file), f"a picture that can be written ({problem})") from None
    finally:
        plt.close(fig)
    print(file)


def report_folder(folder: Path, metrics: Sequence[str] = ()) -> None:
    """Report every experiment with finished chains below ``folder``; its plot is
    ``report-<name>.png`` there.  InputError if there is none.
    """
    runs, notes = read_finished(folder) if folder.is_dir() else ([], [])
    if not runs:
        raise InputError("DIR", str(folder), "a folder with at least one finished run")
    frame = frame_of(runs)
    experiments = [part for _, part in frame.groupby(EXPERIMENT, sort=True)]
    for part in experiments:
        check(part, metrics)
    for number, part in enumerate(experiments):
        name = "-".join(part.iloc[0][EXPERIMENT].replace("", "base"))
        report(part, folder / f"report-{re.sub(r'[^A-Za-z0-9=.,_-]+', '-', name)}.png", metrics)
        if number + 1 < len(experiments):
            print()
    for note in notes:
        print(note)
