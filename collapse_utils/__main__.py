"""The command line: ``python -m collapse_utils``, or ``collapse``.

    run SECTION        one chain in one folder; resumes it if it was stopped
    sweep SECTION|all  many chains: on this machine's cores, on a Ray cluster, or in batch jobs
    status DIR         how far a run, or every run below a folder, has come
    collect DIR        merge finished runs into a folder of results
    compare DIR        compare finished runs with the published rows
    sections           list sections, presets, data sources and fields
    estimate SECTION   what a chain would cost on this machine
    grid               simulate the grid of the linear section beside its closed forms
    convert DIR FILE   convert GEOM-Drugs from its published layout into one SDF.gz

Exit status: 0 done; 1 a run failed; 2 a value that cannot be used, reported before any work; 130 or
143 stopped by a signal, in a state from which the same command resumes.

:func:`parser` says what the options are, and ``commands.py`` what each command does with them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import __version__, commands
from .durable.signals import stopped
from .errors import InputError, Occupied, RunError
from .sections import DEFAULT


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise InputError("command line", message, f"what `{self.prog} --help` lists")


def _chain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", help="smoke, cpu, colab or paper (default: smoke; an own model has one, own)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a preset's field",
    )
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of an own model's constructor",
    )
    parser.add_argument(
        "--data", default=DEFAULT, help="a source's name, or a local file or folder"
    )


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="python -m collapse_utils", description="Chains of model fits on their own output."
    )
    top.add_argument("--version", action="version", version=__version__)
    names = top.add_subparsers(dest="name", required=True, parser_class=_Parser)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        made = names.add_parser(name, help=summary)
        made.set_defaults(command=getattr(commands, name))
        return made

    run = command("run", "run one chain, or resume it")
    run.add_argument("section", help=commands.SECTION)
    _chain_options(run)
    run.add_argument("--regime", default="replace")
    run.add_argument("--seed", default="0")
    run.add_argument("--run-dir", required=True, type=Path)
    run.add_argument(
        "--shared", type=Path, help="folder of shared first fits (default: .shared beside the run)"
    )
    run.add_argument(
        "--checkpoint-s", default="60", help="seconds of work that may be lost (default: 60)"
    )
    run.add_argument("--quiet", action="store_true", help="no progress bar")

    sweep = command(
        "sweep", "run many chains: on this machine's cores, on a Ray cluster, in batch jobs"
    )
    sweep.add_argument("section", nargs="?", help=f"{commands.SECTION}; or all")
    _chain_options(sweep)
    sweep.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        help="the chains of a file, in place of SECTION and its options",
    )
    sweep.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME=DATA",
        help="with --plan: where a source of the plan is, such as tinystories=stories.jsonl",
    )
    sweep.add_argument("--seeds", default="0", help="such as 0-4 or 0,2,5 (default: 0)")
    sweep.add_argument("--regimes", default="all", help="all, or regimes separated by commas")
    sweep.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="FIELD=V1,V2",
        help="one chain for every value",
    )
    sweep.add_argument("--out", required=True, type=Path)
    sweep.add_argument("--jobs", help="chains at a time (default: cores / threads of a chain)")
    sweep.add_argument("--quiet", action="store_true", help="no progress bars")
    sweep.add_argument(
        "--list", action="store_true", help="print the chains, numbered, and run nothing"
    )
    sweep.add_argument(
        "--shard", metavar="K/N", help="only part K = 0 .. N - 1 of N, for batch jobs"
    )
    sweep.add_argument(
        "--notebook",
        nargs="?",
        const="",
        metavar="FILE",
        help="every chain as a papermill run of the section's notebook (or of FILE)",
    )
    sweep.add_argument("--engine", default="local", help="local (default) or ray")
    sweep.add_argument(
        "--address", help="ray: the cluster, such as auto or HOST:6379 (default: Ray's own choice)"
    )
    sweep.add_argument(
        "--cpus-per-job", help="ray: cores kept for one chain (default: the preset's threads)"
    )
    sweep.add_argument(
        "--gpus-per-job", help="ray: GPUs of one chain, such as 1 or 0.5 (default: 0)"
    )
    sweep.add_argument(
        "--retries", help="ray: how often a chain is begun again when its node dies (default: 5)"
    )
    sweep.add_argument(
        "--copy-back",
        action="store_true",
        help="ray: OUT is not shared; finished runs are copied back",
    )

    status = command("status", "how far runs have come")
    status.add_argument("directory", type=Path)

    collect = command("collect", "merge finished runs into results")
    collect.add_argument("directory", type=Path)
    collect.add_argument("--into", required=True, type=Path)

    compare = command(
        "compare",
        "compare finished runs with the published rows; exit status 1 if they differ",
    )
    compare.add_argument("directory", type=Path)
    compare.add_argument(
        "--results", default="", help="a folder of results (default: those of the package)"
    )

    command("sections", "list sections, presets, data sources and fields")

    grid = command("grid", "simulate the grid of the linear section and write its results")
    grid.add_argument("--out", type=Path, default=Path("results/linear/grid"))
    grid.add_argument("--seed", default="0")
    grid.add_argument(
        "--repeats", help="simulated chains of every cell (default: those of the published grid)"
    )
    grid.add_argument("--threads", default="1", help="changes the speed and no digit of the result")

    convert = command("convert", "convert GEOM-Drugs from its published layout into one SDF.gz")
    convert.add_argument("folder", type=Path, help="holds summary_drugs.json and drugs/*.pickle")
    convert.add_argument("file", type=Path, help="the SDF.gz to write")
    convert.add_argument(
        "--conformers", default="5", help="most probable conformers of a molecule (default: 5)"
    )
    convert.add_argument("--molecules", help="stop after so many molecules (default: all)")

    estimate = command("estimate", "what a chain would cost on this machine")
    estimate.add_argument("section", help=commands.SECTION)
    _chain_options(estimate)
    estimate.add_argument("--regime", default="accumulate")
    estimate.add_argument(
        "--items", help="items of the real training set (default: as the preset and the data give)"
    )
    return top


<<<<<<< HEAD
def _run(options: argparse.Namespace) -> int:
    preset = _preset(options)
    config, _ = sections.configuration(options.section, preset, options.set, options.arg)
    seed = _integer("--seed", options.seed, 0)
    every = _integer("--checkpoint-s", options.checkpoint_s, 0)
    use_threads(config.threads)
    from .durable.signals import listen

    listen()
    section, chain = sections.make(
        options.section,
        preset=preset,
        regime=options.regime,
        seed=seed,
        assignments=options.set,
        arguments=options.arg,
        data=options.data,
    )
    from .chain import run_chain

    with _Bar(config.iterations, options.quiet) as bar:
        rows = run_chain(
            section, chain, options.run_dir, shared=options.shared, report=bar, checkpoint_s=every
        )
    headline = sections.headline(options.section) or rows[0]["metric"]
    values = [f"{row['value']:.4g}" for row in rows if row["metric"] == headline]
    print(f"{chain.section} {options.regime} seed {seed}: {headline} {' '.join(values)}")
    print(options.run_dir / "metrics.csv")
    return 0


class _Bar:
    """A progress bar of iterations for one chain."""

    def __init__(self, iterations: int, quiet: bool):
        from tqdm import tqdm

        layout = "{desc}: {bar} {n:.1f}/{total} iterations [{elapsed}<{remaining}{postfix}]"
        self.bar = tqdm(total=iterations, disable=quiet, bar_format=layout, file=sys.stderr)

    def __call__(self, state: dict) -> None:
        from .durable.progress import fraction, rate

        self.bar.n = fraction(state)
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


def _sweep(options: argparse.Namespace) -> int:
    from .durable.progress import last_line
    from .sweeps import jobs

    planned = _planned(options)
    for job in planned:
        job.command()  # raises InputError for what a notebook does not take
    mine = jobs.shard(planned, options.shard) if options.shard is not None else planned
    engine = _engine(options)
    if options.list:
        print(jobs.listing(mine))
        return 0
    jobs.leave_plan(planned)
    from .durable.signals import listen

    listen()
    failed = engine(mine)
    for job in failed:
        print(f"failed: {job.label}: {last_line(job.log)} ({job.log})", file=sys.stderr)
    print(f"{len(mine) - len(failed)} of {len(mine)} chains are done in {options.out}")
    return 1 if failed else 0


def _planned(options: argparse.Namespace) -> list[Job]:
    """The chains that the options of ``sweep`` ask for."""
    from . import seeds
    from .sweeps import jobs

    if (options.section is None) == (options.plan is None):
        raise InputError(
            "SECTION", options.section or "nothing", f"{SECTION_HELP}, all, or --plan FILE"
        )
    if options.plan is not None:
        from .evidence import plan

        given = dict(pair.split("=", 1) if "=" in pair else (pair, "") for pair in options.source)
        for name, place in given.items():
            if not place:
                raise InputError("--source", name, "NAME=DATA, such as tinystories=stories.jsonl")
        return jobs.jobs_of(plan.read(options.plan), options.out, given)
    names = list(sections.NAMES) if options.section == "all" else [sections.check(options.section)]
    if options.section == "all" and options.data != sections.DEFAULT:
        raise InputError(
            "--data", options.data, "one section, since every section has data of its own kind"
        )
    planned = jobs.plan(
        names,
        options.preset or sections.default_preset(names[0]),
        seeds.parse(options.seeds),
        regimes.parse(options.regimes),
        options.out,
        assignments=options.set,
        arguments=options.arg,
        vary=options.vary,
        data=options.data,
    )
    if options.notebook is None:
        return planned
    from .sweeps.notebooks import NotebookJob, find

    pages = find(names, options.notebook)
    return [NotebookJob.of(job, pages[job.section]) for job in planned]


def _engine(options: argparse.Namespace) -> Callable[[Sequence[Job]], list[Job]]:
    """What runs the jobs of a sweep, with its options checked."""
    for_ray = {
        "--address": options.address,
        "--cpus-per-job": options.cpus_per_job,
        "--gpus-per-job": options.gpus_per_job,
        "--retries": options.retries,
        "--copy-back": options.copy_back or None,
    }
    if options.engine == "ray":
        from .sweeps import ray_engine

        if options.jobs is not None:
            raise InputError(
                "--jobs", options.jobs, "--cpus-per-job or --gpus-per-job with --engine ray"
            )
        return ray_engine.engine(
            address=options.address,
            cpus=None
            if options.cpus_per_job is None
            else _integer("--cpus-per-job", options.cpus_per_job, 1),
            gpus=_number("--gpus-per-job", options.gpus_per_job or "0"),
            retries=5 if options.retries is None else _integer("--retries", options.retries, 0),
            copy_back=options.copy_back,
            quiet=options.quiet,
        )
    if options.engine != "local":
        raise InputError("--engine", options.engine, "one of local, ray")
    for name, value in for_ray.items():
        if value is not None:
            raise InputError(name, value, "--engine ray beside it")
    from .sweeps import local

    parallel = None if options.jobs is None else _integer("--jobs", options.jobs, 1)
    return lambda jobs: local.run(jobs, parallel=parallel, quiet=options.quiet)


def _status(options: argparse.Namespace) -> int:
    from .sweeps import status

    return status.show(options.directory)


def _collect(options: argparse.Namespace) -> int:
    from .sweeps import collect

    print("\n".join(collect.collect(options.directory, options.into)))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from .evidence.compare import compare

    lines, agree = compare(options.directory, options.results)
    print("\n".join(lines))
    return 0 if agree else 1


def _sections(options: argparse.Namespace) -> int:
    for name in sections.NAMES:
        found = sections.module(name)
        print(f"{name}: {found.TITLE}; headline metric {found.HEADLINE}")
        for source, about in found.SOURCES.items():
            mark = " (default)" if source == sections.default_source(name) else ""
            print(f"  data  {source}{mark}: {about}")
        presets = sections.preset_names(name)
        table = {preset: sections.fields(name, preset) for preset in presets}
        heads = "".join(f"{preset:>12}" for preset in presets)
        print(f"  {'field':<20}{heads}   meaning (allowed)")
        for row, (field, _, allowed, meaning) in enumerate(table["smoke"]):
            values = "".join(f"{table[preset][row][1]!s:>12}" for preset in presets)
            print(f"  {field:<20}{values}   {meaning} ({allowed})")
    return 0


def _estimate(options: argparse.Namespace) -> int:
    from .sweeps import estimate

    items = None if options.items is None else _integer("--items", options.items, 1)
    print(
        estimate.report(
            options.section,
            _preset(options),
            options.set,
            options.arg,
            options.data,
            options.regime,
            items,
        )
    )
    return 0


def _grid(options: argparse.Namespace) -> int:
    from .linear import grid

    seed, threads = _integer("--seed", options.seed, 0), _integer("--threads", options.threads, 1)
    repeats = grid.REPEATS if options.repeats is None else _integer("--repeats", options.repeats, 2)
    print(grid.summary_line(options.out, grid.write(options.out, seed, repeats, threads)["all"]))
    return 0


def _convert(options: argparse.Namespace) -> int:
    from .molecules.geom import convert

    conformers = _integer("--conformers", options.conformers, 1)
    molecules = None if options.molecules is None else _integer("--molecules", options.molecules, 1)
    counts = convert(options.folder, options.file, conformers=conformers, molecules=molecules)
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))
    return 0


_COMMANDS = {
    "run": _run,
    "sweep": _sweep,
    "status": _status,
    "collect": _collect,
    "compare": _compare,
    "sections": _sections,
    "estimate": _estimate,
    "grid": _grid,
    "convert": _convert,
}


=======
>>>>>>> main
def main(arguments: list[str] | None = None) -> int:
    options = None
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a listing has seen enough
        sys.stderr.close()
        return 0
    except (RunError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return Occupied.STATUS if isinstance(problem, Occupied) else 1
    except KeyboardInterrupt as interrupt:
        return stopped(interrupt)


if __name__ == "__main__":
    sys.exit(main())
