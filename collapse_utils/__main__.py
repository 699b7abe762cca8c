"""The command line: ``python -m collapse_utils``, or ``collapse``.

    run SECTION        one chain in one folder; resumes it if it was stopped
    sweep SECTION|all  many chains: on this machine's cores, on a Ray cluster, or in batch jobs
    status DIR         how far a run, or every run below a folder, has come
    collect DIR        merge finished runs into a folder of results
    compare DIR        compare finished runs with the published rows
    report DIR         plot, table and verdicts of the finished runs below a folder
    new FILE.py        write a template of an own model
    sections           list sections, presets, data sources and fields
    estimate SECTION   what a chain would cost on this machine
    grid               simulate the grid of the linear section beside its closed forms
    convert DIR FILE   convert GEOM-Drugs from its published layout into one SDF.gz

Exit status: 0 done; 1 a run failed; 2 a value that cannot be used, reported before any work; 75
another process is writing in the run directory; 130 or 143 stopped by a signal, and the same
command resumes.

:func:`parser` defines the options; ``commands.py`` contains the commands.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import __version__, commands
from .durable.exits import exit_status, listing_status
from .errors import InputError, RunError
from .presets import NAMES
from .sections import DEFAULT, DEFAULT_PRESET

LISTINGS = ("status", "collect", "compare", "sections")  # their output may be cut, as by `head`
APPEND = {"action": "append", "default": []}  # for an option that may be given several times


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise InputError("command line", message, f"what `{self.prog} --help` lists")


def _chain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        help=f"one of {', '.join(NAMES)}; of language also trained and scale "
        f"(default: {DEFAULT_PRESET}; an own model has one, own)",
    )
    parser.add_argument("--set", **APPEND, metavar="FIELD=VALUE", help="override a preset's field")
    parser.add_argument(
        "--arg", **APPEND, metavar="NAME=VALUE", help="an argument of an own model's constructor"
    )
    parser.add_argument(
        "--data", default=DEFAULT, help="a source's name, or a local file or folder"
    )


def _run_options(parser: argparse.ArgumentParser) -> None:
    _chain_options(parser)
    parser.add_argument(
        "--allow-changed-code",
        action="store_true",
        help="resume a run that other code or libraries started; its provenance records it",
    )


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="python -m collapse_utils", description="Chains of model fits on their own output."
    )
    top.add_argument("--version", action="version", version=__version__)
    names = top.add_subparsers(dest="name", required=True, parser_class=_Parser)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        subparser = names.add_parser(name, help=summary)
        subparser.set_defaults(command=getattr(commands, name))
        return subparser

    run = command("run", "run one chain, or resume it")
    run.add_argument("section", help=commands.SECTION)
    _run_options(run)
    run.add_argument(
        "--regime",
        default="replace",
        help="a regime, such as accumulate or fixed_real=0.25 (default: replace)",
    )
    run.add_argument("--seed", default="0")
    run.add_argument("--run-dir", required=True, type=_path)
    run.add_argument(
        "--shared", type=_path, help="folder of shared first fits (default: .shared beside the run)"
    )
    run.add_argument(
        "--checkpoint-s", default="60", help="seconds of work that may be lost (default: 60)"
    )
    run.add_argument("--quiet", action="store_true", help="no progress bar")

    sweep = command(
        "sweep", "run many chains: on this machine's cores, on a Ray cluster, in batch jobs"
    )
    sweep.add_argument("section", nargs="?", help=f"{commands.SECTION}; or all")
    _run_options(sweep)
    sweep.add_argument(
        "--plan",
        type=_path,
        metavar="FILE",
        help="the chains of a file, instead of SECTION and the options that describe chains",
    )
    sweep.add_argument(
        "--source",
        **APPEND,
        metavar="NAME=DATA",
        help="with --plan: where a source of the plan is, such as tinystories=stories.jsonl",
    )
    sweep.set_defaults(data=None)  # None is "not given": --plan excludes what is given
    sweep.add_argument("--seeds", help="such as 0-4 or 0,2,5 (default: 0)")
    sweep.add_argument(
        "--regimes",
        help="all (default), or regimes separated by commas, such as accumulate,fixed_real=0.25",
    )
    sweep.add_argument("--vary", **APPEND, metavar="FIELD=V1,V2", help="one chain for every value")
    sweep.add_argument("--out", required=True, type=_path)
    sweep.add_argument(
        "--check",
        default="exact",
        help="an own model is fitted twice before its first chain, and must agree: exact "
        "(default), close (within rounding, as on a GPU), or off",
    )
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
        "--retries", help="ray: how often a chain is restarted when its node fails (default: 5)"
    )
    sweep.add_argument(
        "--copy-back",
        action="store_true",
        help="ray: OUT is not shared; finished runs are copied back",
    )
    sweep.add_argument(
        "--divide",
        metavar="N",
        help="ray: up to N processes sample one generation, the chain's own among them "
        "(default: 1)",
    )

    status = command("status", "how far runs have come")
    status.add_argument("directory", type=_path)

    collect = command("collect", "merge finished runs into results")
    collect.add_argument("directory", type=_path)
    collect.add_argument("--into", required=True, type=_path)

    compare = command(
        "compare", "compare finished runs with the published rows; exit status 1 if they differ"
    )
    compare.add_argument("directory", type=_path)
    compare.add_argument(
        "--results", default="", help="a folder of results (default: those of the package)"
    )

    report = command("report", "plot, table and verdicts of finished runs")
    report.add_argument("directory", type=_path)
    report.add_argument("--metric", **APPEND, help="a metric to report (default: all)")

    new = command("new", "write a template of an own model, to be changed")
    new.add_argument("file", type=_path, help="a new file, such as my_model.py")
    new.add_argument("--template", default="numpy", help="numpy (default), or torch")

    command("sections", "list sections, presets, data sources and fields")

    grid = command("grid", "simulate the grid of the linear section and write its results")
    grid.add_argument("--out", type=_path, default=Path("results/linear/grid"))
    grid.add_argument("--seed", default="0")
    grid.add_argument(
        "--repeats", help="simulated chains of every cell (default: those of the published grid)"
    )
    grid.add_argument("--threads", default="1", help="changes the speed and no digit of the result")

    convert = command("convert", "convert GEOM-Drugs from its published layout into one SDF.gz")
    convert.add_argument("folder", type=_path, help="holds summary_drugs.json and drugs/*.pickle")
    convert.add_argument("file", type=_path, help="the SDF.gz to write")
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


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError("a path must not be empty; the current folder is '.'")
    return Path(text)


def main(arguments: list[str] | None = None) -> int:
    def work() -> int:
        options = parser().parse_args(arguments)
        if options.name in LISTINGS or getattr(options, "list", False):
            return listing_status(lambda: options.command(options))
        try:
            return options.command(options)
        except SystemExit as problem:  # no command calls sys.exit, but an own model's code may
            raise RunError(f"the model's code has called sys.exit({problem.code!r})") from None

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
