"""Forecasts of the scaling study, from the published chains of its grid.

    python benchmarks/forecast.py        # writes results/scale/forecast.csv

``results/scale/predictions.yml`` defines the forms and names the cells.  The file was committed
before the held-out cells were run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from collapse_utils.evidence import results, scaling
from collapse_utils.pages import forecasts
from collapse_utils.pages.scale import FIXED

ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = {  # the cells as they differ from the preset, apart from how they are trained
    "larger model": "layers=4,hidden=192,ffn=768",
    "more stories": "stories=1000,hidden=128,ffn=512",
}


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Every forecast: of the held-out cells, and of the paper's models under replace."""
    cells = {}
    for name, variant in HELD_OUT.items():
        config = scaling.config_of(variant)
        cells[name] = config.stories, scaling.llama_parameters(config)
    stories = forecasts.PAPER_STORIES
    paper = {name: (stories, parameters) for name, parameters in forecasts.PAPER.items()}
    parts = [forecasts.forecast_cells(frame, cells, regime) for regime in FIXED]
    return pd.concat([*parts, forecasts.forecast_cells(frame, paper, "replace")], ignore_index=True)


def main() -> int:
    frame = results.named("scale", "scale-tinystories", ROOT / "results")
    path = ROOT / "results" / "scale" / "forecast.csv"
    table(frame).to_csv(path, index=False, float_format="%.6g")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
