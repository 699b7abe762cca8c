"""``python -m book._tools``: the command line of the book's tools."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from collapse_utils import regimes, seeds
from collapse_utils.durable.exits import exit_status
from collapse_utils.durable.run_dir import name_problem
from collapse_utils.errors import InputError, integer
from collapse_utils.sweeps.local import cores

from . import build as building
from . import execute, includes, registration, release, repository, single
from .contents import book_root, notebooks, parameters, strip


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m book._tools", description="Tools of the executable book."
    )
    top.add_argument("--root", default=".", help="the repository's root (default: here)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run", help="execute the notebooks with papermill into build/NAME/notebooks"
    )
    prepare = commands.add_parser(
        "prepare", help="committed notebooks with other parameters, for pytest --nbval-lax"
    )
    for command in (run, prepare):
        command.add_argument(
            "notebook", nargs="*", help="notebooks by name, as 01_linear (default: all)"
        )
        command.add_argument("--name", default="book", help="folder under build/ (default: book)")
        command.add_argument("--preset", default="smoke")
        command.add_argument("--seeds", default="0", help="as in 0-2,5 (default: 0)")
        command.add_argument(
            "--regimes", default="replace,accumulate", help="separated by commas, or 'all'"
        )
        command.add_argument(
            "--data", help="a source's name or a folder (default: each section's own)"
        )
        command.add_argument(
            "--runs", help="folder of the run directories (default: build/NAME/runs)"
        )
        command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("--jobs", help="notebooks at a time (default: one for each core)")

    build = commands.add_parser(
        "build", help="build the pages; the last line printed is the path of index.html"
    )
    build.add_argument("--name", default="book", help="folder under build/ (default: book)")
    build.add_argument(
        "--committed",
        action="store_true",
        help="from notebooks/ as they are, without executed copies",
    )
    build.add_argument(
        "--output", type=Path, help="the pages go to OUTPUT/_build/html (default: build/NAME)"
    )

    single_file = commands.add_parser(
        "single", help="write a built book as one HTML file that opens without a network"
    )
    single_file.add_argument(
        "--output", type=Path, default=Path("build/book.html"), help="default: build/book.html"
    )

    release_files = commands.add_parser(
        "release", help="put the built book beside the wheel in dist/, and write the checksums"
    )
    release_files.add_argument(
        "--single", type=Path, default=Path("build/book.html"), help="default: build/book.html"
    )
    release_files.add_argument("--output", type=Path, default=Path("dist"), help="default: dist")

    for command in (single_file, release_files):
        command.add_argument(
            "--site",
            type=Path,
            default=Path("_build/html"),
            help="the built pages (default: _build/html)",
        )

    generated = commands.add_parser(
        "includes", help="write book/_generated and the README's table from results/"
    )
    generated.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if a file is out of date"
    )

    commands.add_parser(
        "register", help="write book/registered.yml: the commit that registered each claim"
    )

    address = commands.add_parser(
        "repository", help="set the repository's address everywhere, or print it"
    )
    address.add_argument("url", nargs="?", help="https://github.com/OWNER/NAME")

    commands.add_parser(
        "strip",
        help="remove cell timings from the committed notebooks, and make their pictures small",
    )
    return top


def _parameters(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The notebooks' parameters that the options give."""
    values = {
        "preset": options.preset,
        "seeds": seeds.parse(options.seeds),
        "regimes": list(regimes.parse(options.regimes)),
        "recompute": True,
        "runs": str((root / (options.runs or f"build/{options.name}/runs")).resolve()),
    }
    if options.data is not None:
        values["data"] = options.data
    return values | parameters(options.parameter)


def _command(root: Path, options: argparse.Namespace) -> int:
    if (name := getattr(options, "name", None)) is not None and (problem := name_problem(name)):
        raise InputError("--name", name, f"the name of a folder under build/: it {problem}")
    if options.command == "run":
        jobs = cores() if options.jobs is None else integer("--jobs", options.jobs, 1)
        failures = execute.run(
            root, options.name, _parameters(root, options), options.notebook, jobs
        )
        if failures:
            print(f"{failures} notebook{'s' * (failures > 1)} failed", file=sys.stderr)
        return 1 if failures else 0
    if options.command == "prepare":
        print(execute.prepare(root, options.name, _parameters(root, options), options.notebook))
    elif options.command == "build":
        print(building.build(root, options.name, options.committed, options.output), flush=True)
    elif options.command == "single":
        print(single.single(root, root / options.site, root / options.output))
    elif options.command == "release":
        print(release.release(root / options.site, root / options.single, root / options.output))
    elif options.command == "includes":
        stale = includes.update(root, write=not options.check)
        for path in stale:
            print(f"{'out of date' if options.check else 'written'}: {path.relative_to(root)}")
        return 1 if stale and options.check else 0
    elif options.command == "register":
        print(f"written: {registration.write(root).relative_to(root)}")
    elif options.command == "repository":
        for path in repository.move(root, options.url) if options.url else []:
            print(f"written: {path.relative_to(root)}")
        print(repository.address(root))
    elif options.command == "strip":
        for path in notebooks(root):
            print(f"{path.name}: {'stripped' if strip(path) else 'clean'}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return exit_status(lambda: _command(book_root(options.root), options))


if __name__ == "__main__":
    sys.exit(main())
