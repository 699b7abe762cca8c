"""What theory chapters share: their results, and the table of simulations beside closed forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ..evidence import results
from ..evidence.statistics import estimate
from ..theory import cells
from . import notebook


def open_chapter(
    chapter: str,
    *,
    preset: str,
    seeds: Sequence[int],
    regimes: Sequence[str],
    recompute: bool,
    results_dir: str = "",
) -> notebook.Opened:
    """The committed results of a chapter and, with ``recompute``, its simulations at a preset."""
    notebook.check_parameters(preset, seeds, regimes, recompute)
    root = results.root(results_dir)
    folders = sorted(path.parent.name for path in (root / chapter).glob("*/metrics.csv"))
    first = f"cpu-{cells.SOURCE}"
    names = [first, *(name for name in folders if name != first)]
    committed = {name: results.named(chapter, name, root) for name in names}
    run = None
    if recompute:
        run = pd.concat([cells.simulate(chapter, preset, seed) for seed in seeds])
    return notebook.Opened(chapter, committed, run, f"{preset}-{cells.SOURCE}", list(regimes), root)


def agreement(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """A row a closed form: its settings, |simulation/formula - 1| over seeds, and the z-scores.

    ``names`` are the values of ``column`` (regime, or the start of a variant) with their labels.
    The z-scores of one chain are correlated, so each setting and seed gives one of them, in turn.
    """
    rows = {}
    for name, label in names.items():
        own = frame[frame[column].str.split(",").str[0] == name]
        final = own[own["iteration"] == own["iteration"].max()]
        error = final[final["metric"] == "formula_error"].groupby("seed")["value"].mean() * 100
        z = own[own["metric"] == "z"].groupby(["regime", "variant", "seed"])["value"]
        chains = [values.tolist() for _, values in z]
        chosen = pd.Series([chain[(3 * i) % len(chain)] for i, chain in enumerate(chains)])
        rows[label] = {
            "settings": own.groupby(["regime", "variant"]).ngroups,
            "simulation / formula - 1 (%)": estimate(error).text(2),
            "$|z| < 1.96$": f"{(chosen.abs() < 1.96).mean():.0%} of {len(chosen)}",
            "largest $|z|$": f"{chosen.abs().max():.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
