"""``python -m collapse_utils.theory``: simulate what the theory chapters show, into results/."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..durable.exits import exit_status
from ..errors import InputError
from . import published


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m collapse_utils.theory", description=__doc__)
    options.add_argument(
        "chapters", nargs="*", help="all unless named: " + ", ".join(published.CHAPTERS)
    )
    options.add_argument("--preset", default="cpu")
    options.add_argument("--seeds", type=int, default=5, help="how many; seeds 0, 1, ...")
    options.add_argument("--out", type=Path, default=Path("results"))
    return options


def main() -> int:
    options = parser().parse_args()

    def run() -> int:
        if options.seeds < 1:
            raise InputError("--seeds", options.seeds, "an integer >= 1")
        for chapter in options.chapters or published.CHAPTERS:
            folder = published.write(chapter, options.preset, range(options.seeds), options.out)
            print(f"{folder / 'metrics.csv'}: {options.seeds} seeds")
        return 0

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
