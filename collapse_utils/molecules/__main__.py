"""``python -m collapse_utils.molecules FOLDER FILE.sdf.gz``: GEOM-Drugs in its published layout into one SDF.gz."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import InputError, RunError
from .geom import convert


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m collapse_utils.molecules", description=__doc__.split(": ", 1)[1])
    parser.add_argument("folder", type=Path, help="holds summary_drugs.json and drugs/*.pickle")
    parser.add_argument("file", type=Path, help="the SDF.gz to write")
    parser.add_argument("--conformers", type=int, default=5, help="most probable conformations of a molecule (default: 5)")
    parser.add_argument("--molecules", type=int, default=-1, help="stop after so many molecules (default: all)")
    options = parser.parse_args(arguments)
    try:
        counts = convert(options.folder, options.file, conformers=options.conformers, molecules=options.molecules)
    except (InputError, RunError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
