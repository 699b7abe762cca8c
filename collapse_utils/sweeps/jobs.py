"""The chains of a sweep: which there are, their order, folders and shards.

A plan depends on its arguments alone, so that every machine that is given the same command makes
the same list and can take its own part of it.  The plan is saved as ``sweep-<hash>.json`` beside
the run directories, where ``status`` and ``collect`` read what is still missing.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import regimes, sections
from ..durable import files
from ..durable.run_dir import check_names, fingerprint, folder_name
from ..errors import InputError, RunError, named_values
from ..evidence.plan import Sweep


@dataclass(frozen=True)
class Job:
    """One chain of a sweep, with its run directory."""

    section: str  # a section's name, or an own model as path/to/file.py:Class
    preset: str
    regime: str
    seed: int
    assignments: tuple[str, ...]
    data: str
    run_dir: Path
    shared: Path
    threads: int
    arguments: tuple[str, ...] = ()  # of an own model's constructor
    allow_changed_code: bool = False

    def command(self) -> list[str]:
        """The command line that runs this job."""
        command = [sys.executable, "-m", "collapse_utils", "run", self.section]
        command += ["--preset", self.preset, "--regime", self.regime]
        command += ["--seed", str(self.seed), "--data", self.data]
        command += ["--run-dir", str(self.run_dir), "--shared", str(self.shared), "--quiet"]
        command += [word for assignment in self.assignments for word in ("--set", assignment)]
        command += ["--allow-changed-code"] * self.allow_changed_code
        return command + [word for argument in self.arguments for word in ("--arg", argument)]

    @property
    def out(self) -> Path:
        """The sweep's folder: a run directory is OUT/section/preset-source/variant/regime/seed."""
        return self.run_dir.parents[4]

    @property
    def log(self) -> Path:
        """What the job's process prints."""
        return self.run_dir.with_name(self.run_dir.name + ".log")

    @property
    def label(self) -> str:
        variant = "".join(f" {assignment}" for assignment in (*self.arguments, *self.assignments))
        return f"{sections.result_name(self.section)}{variant} {self.regime} seed {self.seed}"

    def done(self) -> bool:
        return (self.run_dir / "DONE").exists()

    def outputs(self) -> list[Path]:
        """What the job alone has written: its run directory and its logs."""
        logs = self.run_dir.parent.glob(f"{self.run_dir.name}.*log")
        return [path for path in (self.run_dir, *logs) if path.exists()]


def parse_variants(vary: Iterable[str]) -> list[tuple[str, ...]]:
    """``["temperature=1.0,0.3", "architecture=llama,gpt2"]`` as all combinations of assignments."""
    given = named_values("--vary", vary, "field=value,value,...")
    axes = [[f"{name}={value}" for value in text.split(",")] for name, text in given.items()]
    return [tuple(combination) for combination in itertools.product(*axes)]


def plan(
    names: Sequence[str],
    preset: str,
    seeds: Sequence[int],
    regime_names: Sequence[str],
    out: Path,
    *,
    assignments: Sequence[str] = (),
    arguments: Sequence[str] = (),
    vary: Sequence[str] = (),
    data: str = sections.DEFAULT,
    allow_changed_code: bool = False,
) -> list[Job]:
    """The jobs of a sweep, checked; the long chains of a seed come first."""
    jobs: dict[Path, Job] = {}
    order = sorted(regime_names, key=lambda regime: -regimes.training_size(regime, 5))
    for seed, name, variant, regime in itertools.product(seeds, names, parse_variants(vary), order):
        settings = (*assignments, *variant)
        config, label = sections.configuration(name, preset, settings, arguments)
        source = sections.default_source(name) if data == sections.DEFAULT else Path(data).stem
        section = sections.result_name(name)
        check_names(section, label)
        folder = out / section / f"{preset}-{source}"
        run_dir = folder / folder_name(label) / regime / f"seed-{seed}"
        job = Job(
            name,
            preset,
            regime,
            seed,
            settings,
            data,
            run_dir,
            folder / ".shared",
            config.threads,
            tuple(arguments),
            allow_changed_code,
        )
        jobs.setdefault(run_dir, job)  # two spellings of one configuration are one chain
    return list(jobs.values())


def plan_sweeps(
    sweeps: Iterable[Sweep], out: Path, sources: Mapping[str, str], allow_changed_code: bool = False
) -> list[Job]:
    """The jobs of several sweeps, each once; ``sources`` maps a source's name to its file or folder
    on this machine.

    InputError for a name in ``sources`` that no sweep uses.
    """
    used = {sweep.data for sweep in sweeps}
    for name in sources:
        if name not in used:
            raise InputError("--source", name, "a source of the plan: " + ", ".join(sorted(used)))
    jobs: dict[Path, Job] = {}
    for sweep in sweeps:
        planned = plan(
            [sweep.section],
            sweep.preset,
            sweep.seeds,
            sweep.regimes,
            out,
            assignments=sweep.assignments,
            arguments=sweep.arguments,
            data=sources.get(sweep.data, sweep.data),
            allow_changed_code=allow_changed_code,
        )
        jobs.update({job.run_dir: job for job in planned})
    return list(jobs.values())


def shard(jobs: Sequence[Job], text: str) -> list[Job]:
    """Part ``K/N`` (K = 0 .. N - 1) of the jobs.  A part is consecutive, so that the chains of a
    seed stay together as far as possible.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or int(match[1]) >= int(match[2]):
        raise InputError("--shard", text, "K/N with K = 0 .. N - 1, such as 0/4")
    part, parts = int(match[1]), int(match[2])
    return [job for index, job in enumerate(jobs) if index * parts // len(jobs) == part]


def listing(jobs: Sequence[Job]) -> str:
    """One line for each job: its number, whether it is done, its label and its run directory."""
    lines = [
        f"{index:>4}  {'done' if job.done() else '-':<4}  {job.label}  {job.run_dir}"
        for index, job in enumerate(jobs)
    ]
    return "\n".join(lines)


def save_plan(jobs: Sequence[Job]) -> Path:
    """Save the sweep's plan in its folder; InputError if the folder cannot be written."""
    out = jobs[0].out
    entries = [
        {"chain": job.label, "run_dir": job.run_dir.relative_to(out).as_posix()} for job in jobs
    ]
    path = out / f"sweep-{fingerprint({'jobs': entries})[:8]}.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            files.write_json(path, {"jobs": entries})
    except OSError as problem:
        raise InputError(
            "--out", str(out), f"a folder that can be written ({problem.strerror})"
        ) from None
    return path


def planned(out: Path) -> dict[Path, str]:
    """Run directory -> label of every chain that a sweep into ``out`` has planned; RunError names a
    file that is not the plan of a sweep.
    """
    labels: dict[Path, str] = {}
    for path in sorted(out.glob("sweep-*.json")):
        content = files.read_json(path)
        entries = content.get("jobs", []) if isinstance(content, dict) else None
        for job in entries if isinstance(entries, list) else [None]:
            texts = [job.get(key) for key in ("run_dir", "chain")] if isinstance(job, dict) else []
            if not all(isinstance(text, str) for text in texts or [None]):
                raise RunError(f"{path}: is not the plan of a sweep")
            # a path that leaves the folder is taken as a name, which no run directory there has
            folder = texts[0] if files.inside(texts[0]) else folder_name(texts[0])
            labels[out / folder] = texts[1]
    return labels
