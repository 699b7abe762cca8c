"""What the notebooks share: their parameters, the committed results, and the run beside them.

A notebook has one ``parameters`` cell.  It hands those values to :func:`open_section`, which checks them and returns the
committed reference results and, with ``recompute = True``, the results of this run: every chain is trained, or read if
its run directory is finished.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from . import figures, regimes, results, sections, sweep
from .errors import InputError, RunError
from .seeds import sequence
from .statistics import VERDICT_SEEDS, Verdict

REFERENCE = "reference"
THIS_RUN = "this run"


@dataclass(frozen=True)
class Opened:
    """The results that a notebook shows."""

    section: str
    reference: pd.DataFrame  # committed
    reference_name: str  # such as "cpu-tinystories": preset and source
    run: pd.DataFrame | None  # of this run, or None where the notebook only reads
    run_name: str
    regimes: list[str]
    results_root: Path

    @property
    def judged(self) -> pd.DataFrame:
        """The frame on which verdicts are passed: this run's if it has seeds enough, else the reference."""
        return self.judge("")

    def judge(self, variant: str) -> pd.DataFrame:
        """The same for claims on a variant, which a run may have left out."""
        if self.run is None:
            return self.reference
        enough = self.run[self.run["variant"] == variant]["seed"].nunique() >= VERDICT_SEEDS
        return self.run if enough else self.reference

    def panels(self) -> list[tuple[str, pd.DataFrame]]:
        """Title and frame of every panel of a figure: the reference, and beside it this run."""
        shown = [(f"{REFERENCE}: {self.reference_name}, {figures.seeds_note(self.reference)}", self.reference)]
        if self.run is not None:
            shown.append((f"{THIS_RUN}: {self.run_name}, {figures.seeds_note(self.run)}", self.run))
        return shown


def check_parameters(preset: str, seeds: Sequence[int], regime_names: Sequence[str], recompute: bool) -> None:
    """InputError for the first parameter of a notebook that is not what it must be."""
    from .presets import NAMES

    if preset not in NAMES:
        raise InputError("preset", preset, "one of " + ", ".join(NAMES))
    if not isinstance(seeds, (list, tuple)) or not seeds:
        raise InputError("seeds", seeds, "a list of integers >= 0, such as [0, 1, 2]")
    for seed in seeds:
        sequence(seed)
    if not isinstance(regime_names, (list, tuple)) or not regime_names:
        raise InputError("regimes", regime_names, "a list of " + ", ".join(regimes.REGIMES))
    for regime in regime_names:
        regimes.check(regime)
    if not isinstance(recompute, bool):
        raise InputError("recompute", recompute, "True or False")


def open_section(
    section: str,
    *,
    preset: str,
    seeds: Sequence[int],
    regimes: Sequence[str],
    recompute: bool,
    data: str = sections.DEFAULT,
    results_dir: str = "",
    runs_dir: str = "runs",
    reference: tuple[str, str],
    vary: Sequence[str] = (),
) -> Opened:
    """The reference results of a section and, with ``recompute``, those of the chains that the parameters name.

    Parameters
    ----------
    reference : preset and source of the committed results that the page shows.
    vary : variants that are trained beside the preset itself, as for ``sweep --vary``.
    """
    check_parameters(preset, seeds, regimes, recompute)
    root = results.root(results_dir)
    committed = results.read(section, *reference, root)
    committed = committed[committed["regime"].isin(regimes)]
    run, name = None, ""
    if recompute:
        run = train(section, preset, seeds, regimes, data, runs_dir, vary)
        name = f"{preset}-{run['data'].iloc[0]}"
    return Opened(section, committed, "-".join(reference), run, name, list(regimes), root)


def train(
    section: str,
    preset: str,
    seeds: Sequence[int],
    regime_names: Sequence[str],
    data: str,
    runs_dir: str | Path,
    vary: Sequence[str] = (),
) -> pd.DataFrame:
    """The metrics of every chain that the arguments name, run where they are not finished yet."""
    jobs = sweep.plan([section], preset, list(seeds), list(regime_names), Path(runs_dir), vary=vary, data=data)
    failed = sweep.run(jobs)
    if failed:
        raise RunError(f"{failed[0].label} failed: {sweep.last_line(failed[0].log)} (the whole log: {failed[0].log})")
    return results.frame_of([job.run_dir for job in jobs])


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print one line a claim; without numbers, so that the text is the same wherever the claim holds."""
    for verdict in verdicts:
        print(verdict.line())


def print_directions(opened: Opened, verdicts_of: Callable[[pd.DataFrame], list[Verdict]]) -> None:
    """What the means of this run say of every claim, where it has too few seeds for a verdict of its own."""
    if opened.run is None:
        print("no chain was trained here: the page shows the committed results")
    elif opened.judged is opened.run:
        print("this run has seeds enough: the verdicts above are its own")
    else:
        for verdict in verdicts_of(opened.run):
            print(verdict.direction())


def verdict_table(verdicts: Sequence[Verdict], observations: str = "seeds") -> pd.DataFrame:
    """Claim, effect with its interval, threshold, number of ``observations`` and outcome, to be shown as a table."""
    rows = [
        (v.claim, str(v.effect), f"{'>' if v.sign > 0 else '<'} {v.threshold:g}", v.effect.n, v.outcome) for v in verdicts
    ]
    return pd.DataFrame(rows, columns=["claim", "effect [95% interval]", "claimed", observations, "verdict"]).set_index(
        "claim"
    )


def accelerator_notice() -> None:
    """Say on standard error what this machine trains on; nothing that a checked output would hold."""
    import torch

    gpu = torch.cuda.is_available()
    print(f"training would run on: {torch.cuda.get_device_name() if gpu else 'the CPU'}", file=sys.stderr)
