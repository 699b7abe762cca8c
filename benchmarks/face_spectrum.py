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

import numpy as np
import pandas as pd

from collapse_utils import sections
from collapse_utils.durable.metrics import KEY
from collapse_utils.pages import bias

ROOT = Path(__file__).parent.parent / "results"


def spectrum(preset: str, data: str) -> pd.DataFrame:
    """The 100 largest eigenvalues of the covariance of the real training faces.

    The unit is that of the metric ``sample_variance_ratio``: the total variance of the test faces.
    """
    faces, _ = sections.make("images", preset=preset, regime="replace", seed=0, data=data)
    train, test = (np.asarray(part).reshape(len(part), -1) / 255 for part in faces.real_data())
    singular = np.linalg.svd(train - train.mean(axis=0), compute_uv=False)
    shares = np.square(singular[:100]) / len(train) / test.var(axis=0).sum()
    return pd.DataFrame({"rank": np.arange(1, len(shares) + 1), "eigenvalue": shares})


def prediction_errors(name: str, root: Path) -> pd.DataFrame:
    """Tidy rows of |measured - predicted| variance share, for the committed faces called ``name``.

    Each seed is calibrated on its own first fit.  ``prediction_error`` is a mean over fits 2 to t.
    """
    committed, rows = bias.spectrum_of(name, root), []
    for regime, table in bias.measured(name, root).items():
        for seed, values in table.iterrows():
            predicted = bias.predicted_variety(committed, values.iloc[0], regime, len(values))
            errors = np.abs(values.to_numpy() - predicted)[1:]
            average = np.cumsum(errors) / np.arange(1, len(errors) + 1)
            for t, value in zip(values.index[1:], average, strict=True):
                rows.append((regime, seed, t, "prediction_error", float(f"{value:.6g}")))
    preset, _, data = name.partition("-")
    frame = pd.DataFrame(rows, columns=["regime", "seed", "iteration", "metric", "value"])
    frame = frame.assign(section="bias", preset=preset, data=data, variant="")
    return frame[[*KEY, "value"]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--faces",
        default="",
        help="the CelebA photographs: a source's name or a file in its layout",
    )
    options = parser.parse_args()
    for name in bias.FACES:
        if not bias.measured(name, ROOT):
            continue  # no such chains among the published ones
        preset, _, data = name.partition("-")
        folder = ROOT / "bias" / name
        folder.mkdir(parents=True, exist_ok=True)
        source = sections.DEFAULT if data == "orl" else options.faces
        if source:
            table = spectrum(preset, source).round(8)
            table.to_csv(folder / "spectrum.csv", index=False, lineterminator="\n")
        rows = prediction_errors(name, ROOT)
        rows.to_csv(folder / "metrics.csv", index=False, lineterminator="\n")
        print(f"{folder}: {len(rows)} rows")


if __name__ == "__main__":
    main()
