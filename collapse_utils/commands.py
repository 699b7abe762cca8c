"""The commands of the command line: ``collapse NAME`` calls the function ``NAME``.

A command takes its parsed options and returns its exit status.  Imports are inside the functions,
so that ``collapse --help`` and a listing start quickly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from . import loading, regimes
from . import sections as experiments
from .durable.signals import install_handlers
from .errors import InputError, integer, named_values, plain
from .training.threads import use_threads

if TYPE_CHECKING:
    from .sweeps.jobs import Job

SECTION = f"one of {', '.join(experiments.NAMES)}, or an own model as path/to/file.py:Class"

CHECKS = ("exact", "close", "off")  # how two fits of an own model are compared before a sweep
# options of a sweep that describe the chains, and those that only the engine ray has
CHAINS = ("preset", "set", "arg", "data", "seeds", "regimes", "vary", "notebook")
CLUSTER = ("address", "cpus_per_job", "gpus_per_job", "retries", "copy_back", "divide")


def _integer(name: str, text: str | None, least: int, default: int | None = None) -> int | None:
    """The integer value of an option; ``default`` if the option was not given."""
    return default if text is None else integer(name, text, least)


def _number(name: str, text: str) -> float:
    try:
        value = float(text) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(name, text, "a number >= 0")
    return value


def _refuse(options: argparse.Namespace, names: Sequence[str], allowed: str) -> None:
    """InputError for the first of the options ``names`` that was given."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False and value != []:  # 0 counts as given
            raise InputError("--" + name.replace("_", "-"), value, allowed)


def _preset(options: argparse.Namespace) -> str:
    section = experiments.check(options.section)
    return experiments.default_preset(section) if options.preset is None else options.preset


def run(options: argparse.Namespace) -> int:
    preset = _preset(options)
    config, _ = experiments.configuration(options.section, preset, options.set, options.arg)
    seed = _integer("--seed", options.seed, 0)
    checkpoint_s = _integer("--checkpoint-s", options.checkpoint_s, 0)
    if options.shared is not None and options.shared.exists() and not options.shared.is_dir():
        raise InputError("--shared", str(options.shared), "a folder, new or of earlier runs")
    use_threads(config.threads)
    install_handlers()
    section, chain = experiments.make(
        options.section,
        preset=preset,
        regime=options.regime,
        seed=seed,
        assignments=options.set,
        arguments=options.arg,
        data=options.data,
    )
    from .chain import run_chain
    from .sweeps import divided

    with _Bar(config.iterations, options.quiet) as bar:
        rows = run_chain(
            section,
            chain,
            options.run_dir,
            shared=options.shared,
            report=bar,
            checkpoint_s=checkpoint_s,
            allow_changed_code=options.allow_changed_code,
            divide=divided.from_environment(),
        )
    headline = experiments.headline(options.section) or rows[0]["metric"]
    values = [f"{row['value']:.4g}" for row in rows if row["metric"] == headline]
    print(f"{chain.section} {options.regime} seed {seed}: {headline} {' '.join(values)}")
    print(plain(str(options.run_dir / "metrics.csv")))
    return 0


class _Bar:
    """A progress bar of iterations for one chain."""

    def __init__(self, iterations: int, quiet: bool):
        from tqdm import tqdm

        layout = "{desc}: {bar} {n:.1f}/{total} iterations [{elapsed}<{remaining}{postfix}]"
        self.bar = tqdm(total=iterations, disable=quiet, bar_format=layout, file=sys.stderr)

    def __call__(self, state: dict) -> None:
        from .durable.progress import iterations_done, rate

        self.bar.n = iterations_done(state)
        self.bar.set_description_str(
            f"iteration {state['iteration']}, {state['phase']}", refresh=False
        )
        if "loss" in state:
            self.bar.set_postfix_str(f"loss {state['loss']}, {rate(state)}", refresh=False)
        self.bar.refresh()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def sweep(options: argparse.Namespace) -> int:
    from .durable.progress import last_line
    from .sweeps import jobs

    planned = _planned(options)
    for job in planned:
        job.command()  # raises InputError for what a notebook does not take
    selected = jobs.shard(planned, options.shard) if options.shard is not None else planned
    engine = _engine(options)
    if options.check not in CHECKS:
        raise InputError("--check", options.check, f"one of {', '.join(CHECKS)}")
    if options.list:
        print(jobs.listing(selected))
        return 0
    if any(loading.is_own(job.section) for job in selected):
        from . import own

        own.check_before_sweep(selected, options.check)
    jobs.save_plan(planned)
    install_handlers()
    failed = engine(selected)
    for job in failed:
        line = plain(f"failed: {job.label}: {last_line(job.log)} ({job.log})")
        print(line, file=sys.stderr)
    print(f"{len(selected) - len(failed)} of {len(selected)} chains are done in {options.out}")
    return 1 if failed else 0


def _planned(options: argparse.Namespace) -> list[Job]:
    """The chains that the options of ``sweep`` ask for."""
    from . import seeds
    from .sweeps import jobs

    if (options.section is None) == (options.plan is None):
        raise InputError("SECTION", options.section or "nothing", f"{SECTION}, all, or --plan FILE")
    if options.plan is not None:
        from .evidence import plan

        _refuse(options, CHAINS, "nothing beside --plan, whose file describes the chains")
        form = "NAME=DATA, such as tinystories=stories.jsonl"
        sources = named_values("--source", options.source, form)
        if missing := [name for name, data in sources.items() if not data]:
            raise InputError("--source", missing[0], form)
        allow = options.allow_changed_code
        return jobs.plan_sweeps(plan.read(options.plan), options.out, sources, allow)
    _refuse(options, ["source"], "--plan FILE as well; --data says where a section's data are")
    every = options.section == "all"
    names = list(experiments.NAMES) if every else [experiments.check(options.section)]
    data = experiments.DEFAULT if options.data is None else options.data
    if every and data != experiments.DEFAULT:
        raise InputError("--data", data, "one section, since each section has its own kind of data")
    planned = jobs.plan(
        names,
        experiments.default_preset(names[0]) if options.preset is None else options.preset,
        seeds.parse("0" if options.seeds is None else options.seeds),
        regimes.parse("all" if options.regimes is None else options.regimes),
        options.out,
        assignments=options.set,
        arguments=options.arg,
        vary=options.vary,
        data=data,
        allow_changed_code=options.allow_changed_code,
    )
    if options.notebook is None:
        return planned
    from .sweeps.notebooks import NotebookJob, find

    pages = find(names, options.notebook)
    return [NotebookJob.of(job, pages[job.section]) for job in planned]


def _engine(options: argparse.Namespace) -> Callable[[Sequence[Job]], list[Job]]:
    """The function that runs the jobs of a sweep and returns those that failed."""
    if options.engine == "ray":
        from .sweeps import ray_engine

        _refuse(options, ["jobs"], "--cpus-per-job or --gpus-per-job with --engine ray")
        return ray_engine.engine(
            address=options.address,
            cpus=_integer("--cpus-per-job", options.cpus_per_job, 1),
            gpus=_number("--gpus-per-job", options.gpus_per_job or "0"),
            retries=_integer("--retries", options.retries, 0, default=5),
            copy_back=options.copy_back,
            divide=_integer("--divide", options.divide, 1, default=1),
            quiet=options.quiet,
        )
    if options.engine != "local":
        raise InputError("--engine", options.engine, "one of local, ray")
    _refuse(options, CLUSTER, "--engine ray as well")
    from .sweeps import local

    parallel = _integer("--jobs", options.jobs, 1)
    return lambda jobs: local.run(jobs, parallel=parallel, quiet=options.quiet)


def status(options: argparse.Namespace) -> int:
    from .sweeps import status

    return status.show(options.directory)


def collect(options: argparse.Namespace) -> int:
    from .sweeps import collect

    for line in collect.collect(options.directory, options.into):
        print(plain(line))
    return 0


def compare(options: argparse.Namespace) -> int:
    from .evidence.compare import compare

    lines, agree = compare(options.directory, options.results)
    for line in lines:
        print(plain(line))
    return 0 if agree else 1


def sections(options: argparse.Namespace) -> int:
    for name in experiments.NAMES:
        section = experiments.module(name)
        print(f"{name}: {section.TITLE}; headline metric {section.HEADLINE}")
        for source, description in section.SOURCES.items():
            mark = " (default)" if source == experiments.default_source(name) else ""
            print(f"  data  {source}{mark}: {description}")
        presets = experiments.preset_names(name)
        table = {preset: experiments.fields(name, preset) for preset in presets}
        headers = "".join(f"{preset:>12}" for preset in presets)
        print(f"  {'field':<20}{headers}   meaning (allowed)")
        for row, (field, _, allowed, meaning) in enumerate(table["smoke"]):
            values = "".join(f"{table[preset][row][1]!s:>12}" for preset in presets)
            print(f"  {field:<20}{values}   {meaning} ({allowed})")
    return 0


def new(options: argparse.Namespace) -> int:
    from . import templates

    templates.write(options.file, options.template)
    print(f"{options.file}; run it with: collapse sweep {options.file}:MyModel --out runs")
    return 0


def report(options: argparse.Namespace) -> int:
    import matplotlib

    matplotlib.use("agg")
    from .pages.report import report_folder

    report_folder(options.directory, options.metric)
    return 0


def estimate(options: argparse.Namespace) -> int:
    from .sweeps import estimate

    items = _integer("--items", options.items, 1)
    chain = options.set, options.arg, options.data, options.regime
    print(estimate.report(options.section, _preset(options), *chain, items))
    return 0


def grid(options: argparse.Namespace) -> int:
    from .linear import grid

    seed, threads = _integer("--seed", options.seed, 0), _integer("--threads", options.threads, 1)
    repeats = _integer("--repeats", options.repeats, 2, default=grid.REPEATS)
    print(grid.summary_line(options.out, grid.write(options.out, seed, repeats, threads)["all"]))
    return 0


def convert(options: argparse.Namespace) -> int:
    from .molecules.geom import convert

    conformers = _integer("--conformers", options.conformers, 1)
    molecules = _integer("--molecules", options.molecules, 1)
    counts = convert(options.folder, options.file, conformers=conformers, molecules=molecules)
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))
    return 0
