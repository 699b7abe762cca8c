"""How well a linear VAE, calibrated on the first fit, predicts the variety of the published faces.

Writes ``results/bias/<preset>-<data>/spectrum.csv``, the eigenvalues of the real faces, and beside
it ``metrics.csv``, the distance between prediction and the committed results of the faces.  Without
``--faces`` the spectrum of CelebA, whose photographs are not part of the repository, stays as it
is.

    python benchmarks/face_spectrum.py --faces celeba
"""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).parent.parent / "results"


def main() -> None:
    from collapse_utils.pages import bias
    from collapse_utils.sections import DEFAULT

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--faces",
        default="",
        help="the CelebA photographs: a source's name or a file in its layout",
    )
    given = parser.parse_args()
    for name in bias.FACES:
        if not bias.measured(name, ROOT):
            continue  # no such chains among the published ones
        preset, _, data = name.partition("-")
        folder = ROOT / "bias" / name
        folder.mkdir(parents=True, exist_ok=True)
        source = DEFAULT if data == "orl" else given.faces
        if source:
            spectrum = bias.face_spectrum(preset, source)
            spectrum.round(8).to_csv(folder / "spectrum.csv", index=False, lineterminator="\n")
        rows = bias.face_errors(name, ROOT, bias.spectrum_of(name, ROOT))
        rows.to_csv(folder / "metrics.csv", index=False, lineterminator="\n")
        print(f"{folder}: {len(rows)} rows")


if __name__ == "__main__":
    main()
