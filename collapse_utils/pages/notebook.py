"""What the notebooks share: their parameters, the committed results, and the results of this run.

A notebook has one ``parameters`` cell.  It passes those values to :func:`open_section`, which
checks them and returns the committed results.  With ``recompute = True`` it also returns the
results of this run: every chain is trained, or read if its run directory is finished.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import regimes, sections
from ..durable.metrics import frame_of
from ..durable.progress import last_line
from ..errors import InputError, RunError
from ..evidence import claims, results
from ..evidence.verdicts import VERDICT_SEEDS, Verdict
from ..presets import NAMES
from ..seeds import sequence
from ..sweeps import local
from ..sweeps.jobs import plan
from . import names

THIS_RUN = "this run"
DRIVE = "drive"  # the value of ``runs`` that keeps run directories on Google Drive
DRIVE_MOUNT = Path("/content/drive")


@dataclass(frozen=True)
class Opened:
    """The results that a notebook shows."""

    section: str
    committed: dict[str, pd.DataFrame]  # by preset-source, such as cpu-tinystories; reference first
    run: pd.DataFrame | None  # the results of this run; None where the notebook only reads
    run_name: str
    regimes: list[str]
    results_root: Path

    @property
    def reference_name(self) -> str:
        return next(iter(self.committed))

    @property
    def reference(self) -> pd.DataFrame:
        """The committed results that the page is about: the first ones, which are on real data."""
        return self.committed[self.reference_name]

    @property
    def published(self) -> pd.DataFrame:
        """The reference with every regime, for sentences, which do not depend on the parameters."""
        return results.named(self.section, self.reference_name, self.results_root)

    @property
    def judged(self) -> pd.DataFrame:
        """The frame of the page's tables: this run's if it has enough seeds, else the reference."""
        return self.run if self.run is not None and _enough_seeds(self.run) else self.reference

    def folder(self, name: str = "") -> Path:
        """The folder of committed results of that name, or of the reference."""
        return self.results_root / self.section / (name or self.reference_name)

    def panels(self) -> list[tuple[str, pd.DataFrame]]:
        """Name and frame of every row of a figure: the results at the largest preset of each data
        source, and this run.
        """
        shown = [(name, self.committed[name]) for name in claims.of_each_source(self.committed)]
        if self.run is not None:
            shown.append((f"{THIS_RUN}, {self.run_name}", self.run))
        return shown

    def verdicts(self) -> dict[str, list[Verdict]]:
        """The verdicts on every claim of the section, by the name of the results that decide it.

        A run with the preset and data of committed results replaces each of their variants for
        which it has enough seeds.
        """
        verdicts = {}
        for name, frame in self.committed.items():
            if self.run is not None and self.run_name == name:
                fresh = [part for _, part in self.run.groupby("variant") if _enough_seeds(part)]
                kept = frame[~frame["variant"].isin({part["variant"].iloc[0] for part in fresh})]
                frame = pd.concat([kept, *fresh], ignore_index=True)
            verdicts[name] = [
                claims.judge(claims.on(claim, name), frame)
                for claim in claims.of(self.section)
                if name in claim.outcomes
            ]
        return verdicts


def _enough_seeds(frame: pd.DataFrame) -> bool:
    return frame["seed"].nunique() >= VERDICT_SEEDS


def check_parameters(
    preset: str,
    seeds: Sequence[int],
    regime_names: Sequence[str],
    recompute: bool,
    *,
    presets: Sequence[str] = NAMES,
    shares: bool = True,
) -> None:
    """Raise an InputError for the first parameter of a notebook that is not allowed.

    ``presets`` are those of its section; ``shares`` allows regimes with a share of real items.
    """
    if preset not in presets:
        raise InputError("preset", preset, "one of " + ", ".join(presets))
    if not isinstance(seeds, (list, tuple)) or not seeds:
        raise InputError("seeds", seeds, "a list of integers >= 0, such as [0, 1, 2]")
    for seed in seeds:
        sequence(seed)
    if not isinstance(regime_names, (list, tuple)) or not regime_names:
        raise InputError("regimes", regime_names, "a list of " + ", ".join(regimes.REGIMES))
    for regime in regime_names:
        regimes.check(regime, shares)
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
    committed: Sequence[str] = (),
    vary: Sequence[str] = (),
    allow_changed_code: bool = False,
) -> Opened:
    """The reference results of a section and, with ``recompute``, those of the chains that the
    parameters name.

    Parameters
    ----------
    committed : names of the committed results that the page shows; those that the section's claims
        read unless given.
    vary : variants that are trained beside the preset itself, as for ``sweep --vary``.
    allow_changed_code : continue chains that other code began, as for ``sweep``.
    """
    presets = sections.preset_names(section)
    check_parameters(preset, seeds, regimes, recompute, presets=presets)
    root = results.root(results_dir)
    frames = {
        name: results.named(section, name, root)
        for name in committed or claims.page(section).results
    }
    # where no committed row is of the given regimes, show all rows
    shown = {
        name: rows if len(rows := frame[frame["regime"].isin(regimes)]) else frame
        for name, frame in frames.items()
    }
    run, run_name = None, ""
    if recompute:
        chains = section, preset, seeds, regimes, data, runs_dir, vary
        run = train(*chains, allow_changed_code=allow_changed_code)
        run_name = f"{preset}-{run['data'].iloc[0]}"
    return Opened(section, shown, run, run_name, list(regimes), root)


def runs_folder(runs: str | Path) -> Path:
    """The folder of run directories that the parameter ``runs`` names.

    On Colab, ``drive`` is the folder ``collapse-runs`` of the reader's Google Drive.  It outlives
    the machine, so that the same cell resumes the chains after a disconnect.  InputError elsewhere.
    """
    if str(runs) != DRIVE:
        return Path(runs)
    try:
        from google.colab import drive
    except ImportError:
        raise InputError("runs", runs, "a folder; drive is for Colab") from None
    drive.mount(str(DRIVE_MOUNT))
    return DRIVE_MOUNT / "MyDrive" / "collapse-runs"


def train(
    section: str,
    preset: str,
    seeds: Sequence[int],
    regime_names: Sequence[str],
    data: str,
    runs_dir: str | Path,
    vary: Sequence[str] = (),
    arguments: Sequence[str] = (),
    allow_changed_code: bool = False,
) -> pd.DataFrame:
    """The metrics of every chain that the arguments name, run where they are not finished yet;
    ``arguments`` are of an own model's constructor.
    """
    jobs = plan(
        [section],
        preset,
        list(seeds),
        list(regime_names),
        runs_folder(runs_dir),
        vary=vary,
        arguments=arguments,
        data=data,
        allow_changed_code=allow_changed_code,
    )
    failed = local.run(jobs)
    if failed:
        raise RunError(
            f"{failed[0].label} failed: {last_line(failed[0].log)} (the whole log: {failed[0].log})"
        )
    return frame_of([job.run_dir for job in jobs])


def print_verdicts(judged: Mapping[str, Sequence[Verdict]]) -> None:
    """Print a line for each claim, without numbers: the text is the same wherever it holds."""
    for name, verdicts in judged.items():
        print(f"on {name}:")
        for verdict in verdicts:
            print(f"  {verdict.line()}")


def print_directions(opened: Opened) -> None:
    """Print a line for each claim: the verdict of this run or, with too few seeds, the direction of
    its means.
    """
    if opened.run is None:
        print("no chain was trained here: the page shows the committed results")
        return
    print(f"on this run, {opened.run_name}:")
    for claim in claims.of(opened.section):
        verdict = claims.judge(claim, opened.run)
        print(f"  {verdict.line() if _enough_seeds(opened.run) else verdict.direction()}")


def verdict_table(section: str, judged: Mapping[str, Sequence[Verdict]]) -> pd.DataFrame:
    """A row for each claim and each of the results: the claimed range, the outcome, and the effect
    with its interval.
    """
    page = claims.page(section)
    rows: dict[str, dict[str, tuple[str, str, str]]] = {}
    for key, verdicts in judged.items():
        name = names.results_name(page, key) if key in page.results else key
        for verdict in verdicts:
            effect = claims.text(verdict.effect) if verdict.effect.n else ""
            row = verdict.claimed, verdict.outcome, effect
            rows.setdefault(verdict.claim, {})[name] = row
    cells = {(claim, name): row for claim, by_name in rows.items() for name, row in by_name.items()}
    index = pd.MultiIndex.from_tuples(list(cells), names=["claim", "data"])
    return pd.DataFrame(list(cells.values()), index, columns=["claimed", "outcome", "effect"])


def accelerator_notice(section: str, results_dir: str = "") -> None:
    """Print the device of this machine, and the planned time on a Colab GPU.

    Both go to standard error, since the checked outputs of a notebook must not depend on them.
    """
    import torch

    from .costs import gpu_note

    gpu = torch.cuda.is_available()
    print(
        f"training would run on: {torch.cuda.get_device_name() if gpu else 'the CPU'}",
        file=sys.stderr,
    )
    print(gpu_note(results.root(results_dir), section), file=sys.stderr)
