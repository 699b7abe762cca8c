"""What the notebooks share: their parameters, the committed results, and the run beside them.

A notebook has one ``parameters`` cell.  It hands those values to :func:`open_section`, which checks
them and returns the committed reference results and, with ``recompute = True``, the results of this
run: every chain is trained, or read if its run directory is finished.
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
    # by name, such as "cpu-tinystories": preset and source; real data first
    committed: dict[str, pd.DataFrame]
    run: pd.DataFrame | None  # of this run, or None where the notebook only reads
    run_name: str
    regimes: list[str]
    results_root: Path

    @property
    def reference_name(self) -> str:
        return next(iter(self.committed))

    @property
    def reference(self) -> pd.DataFrame:
        """The committed results that the page is about: those on real data."""
        return self.committed[self.reference_name]

    @property
    def published(self) -> pd.DataFrame:
        """The reference with every regime, whichever the parameters name: sentences rest on it."""
        return results.named(self.section, self.reference_name, self.results_root)

    @property
    def judged(self) -> pd.DataFrame:
        """The frame of the page's tables: this run's if it has seeds enough, else the reference."""
        return self.run if self.run is not None and _enough(self.run) else self.reference

    def folder(self, name: str = "") -> Path:
        """The folder of committed results of that name, or of the reference."""
        return self.results_root / self.section / (name or self.reference_name)

    def panels(self) -> list[tuple[str, pd.DataFrame]]:
        """Name and frame of every row of a figure: each data source's results at its largest
        preset, and this run.
        """
        shown = [(name, self.committed[name]) for name in claims.of_each_source(self.committed)]
        return (
            [*shown, (f"{THIS_RUN}, {self.run_name}", self.run)] if self.run is not None else shown
        )

    def verdicts(self) -> dict[str, list[Verdict]]:
        """The verdicts on every claim of the section, by the name of the results that it is held
        against.

        A run at the preset and on the data of committed results takes their place, variant by
        variant, where it has seeds enough; so the verdicts of a fresh run can be compared with the
        committed ones.
        """
        verdicts = {}
        for name, frame in self.committed.items():
            if self.run is not None and self.run_name == name:
                fresh = [part for _, part in self.run.groupby("variant") if _enough(part)]
                kept = frame[~frame["variant"].isin({part["variant"].iloc[0] for part in fresh})]
                frame = pd.concat([kept, *fresh], ignore_index=True)
            held = [claims.on(each, name) for each in self._claims(name)]
            verdicts[name] = [claims.judge(each, frame) for each in held]
        return verdicts

    def own_verdicts(self) -> list[Verdict]:
        """The verdicts on this run alone."""
        every = claims.of(self.section)
        return [] if self.run is None else [claims.judge(each, self.run) for each in every]

    def _claims(self, name: str) -> list[claims.Claim]:
        return [claim for claim in claims.of(self.section) if name in claim.outcomes]


def _enough(frame: pd.DataFrame) -> bool:
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
    """InputError for the first parameter of a notebook that is not what it must be.

    ``presets`` are those of its section; ``shares`` says whether it takes regimes with a share.
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
    # all committed rows where none is of the regimes given: the page is about them
    shown = {
        name: rows if len(rows := frame[frame["regime"].isin(regimes)]) else frame
        for name, frame in frames.items()
    }
    run, name = None, ""
    if recompute:
        chains = section, preset, seeds, regimes, data, runs_dir, vary
        run = train(*chains, allow_changed_code=allow_changed_code)
        name = f"{preset}-{run['data'].iloc[0]}"
    return Opened(section, shown, run, name, list(regimes), root)


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
    """Print one line a claim; without numbers, so that the text is the same wherever the claim
    holds.
    """
    for name, verdicts in judged.items():
        print(f"on {name}:")
        for verdict in verdicts:
            print(f"  {verdict.line()}")


def print_directions(opened: Opened) -> None:
    """What this run says of every claim: its verdict or, with too few seeds for one, where its
    means point.
    """
    if opened.run is None:
        print("no chain was trained here: the page shows the committed results")
        return
    print(f"on this run, {opened.run_name}:")
    for verdict in opened.own_verdicts():
        print(f"  {verdict.line() if _enough(opened.run) else verdict.direction()}")


def verdict_table(section: str, judged: Mapping[str, Sequence[Verdict]]) -> pd.DataFrame:
    """A row for each claim and each of the results: where the effect is claimed to lie, the
    outcome, and the effect with its interval.
    """
    page = claims.page(section)
    rows: dict[str, dict[str, tuple[str, str, str]]] = {}
    for key, verdicts in judged.items():
        name = names.results_name(page, key) if key in page.results else key
        for v in verdicts:
            effect = claims.text(v.effect) if v.effect.n else ""
            rows.setdefault(v.claim, {})[name] = v.claimed, v.outcome, effect
    places = [(claim, name) for claim, found in rows.items() for name in found]
    cells = [cell for found in rows.values() for cell in found.values()]
    index = pd.MultiIndex.from_tuples(places, names=["claim", "data"])
    return pd.DataFrame(cells, index, columns=["claimed", "outcome", "effect"])


def accelerator_notice(section: str, results_dir: str = "") -> None:
    """Say on standard error what this machine trains on, and what a Colab GPU gives; nothing that a
    checked output holds.
    """
    import torch

    from .costs import gpu_note

    gpu = torch.cuda.is_available()
    print(
        f"training would run on: {torch.cuda.get_device_name() if gpu else 'the CPU'}",
        file=sys.stderr,
    )
    print(gpu_note(results.root(results_dir), section), file=sys.stderr)
