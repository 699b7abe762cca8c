"""``python -m collapse_utils.theory``: simulate what the theory chapters show, into results/."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from . import published


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m collapse_utils.theory", description=__doc__)
    parser.add_argument(
        "chapters",
        nargs="*",
        help="all unless named: " + ", ".join(published.CHAPTERS),
    )
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--seeds", type=int, default=5, help="how many; seeds 0, 1, ...")
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    try:
        if given.seeds < 1:
            raise InputError("--seeds", given.seeds, "an integer >= 1")
        for chapter in given.chapters or published.CHAPTERS:
            folder = published.write(chapter, given.preset, list(range(given.seeds)), given.out)
            print(f"{folder / 'metrics.csv'}: {given.seeds} seeds")
    except InputError as problem:
        parser.exit(2, f"{problem}\n")


if __name__ == "__main__":
    main()
