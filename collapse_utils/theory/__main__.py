"""``python -m collapse_utils.theory``: simulate what the theory chapters show, into results/."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..durable.exits import exit_status
from ..errors import InputError
from . import published


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m collapse_utils.theory", description=__doc__)
    top.add_argument(
        "chapters", nargs="*", help="all unless named: " + ", ".join(published.CHAPTERS)
    )
    top.add_argument("--preset", default="cpu")
    top.add_argument("--seeds", type=int, default=5, help="how many; seeds 0, 1, ...")
    top.add_argument("--out", type=Path, default=Path("results"))
    return top


def main() -> int:
    given = parser().parse_args()

    def work() -> int:
        if given.seeds < 1:
            raise InputError("--seeds", given.seeds, "an integer >= 1")
        for chapter in given.chapters or published.CHAPTERS:
            folder = published.write(chapter, given.preset, list(range(given.seeds)), given.out)
            print(f"{folder / 'metrics.csv'}: {given.seeds} seeds")
        return 0

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
