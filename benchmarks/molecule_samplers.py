"""One molecule model sampled in four ways: fidelity and time.

Trains the first fit of the ``smoke`` preset once and measures samples of the held-out molecules by
the deterministic sampler with few and with many steps, by GeoDiff's Langevin dynamics, and by the
rough geometry alone, which no network has touched. Writes ``results/molecules/samplers.csv``, which
the notebook shows.

    python benchmarks/molecule_samplers.py
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

OUT = Path(__file__).parent.parent / "results" / "molecules" / "samplers.csv"
SHOWN = ("bond_error", "angle_error", "strain", "coverage", "matching", "broken_share")


def main() -> None:
    import pandas as pd

    from collapse_utils.durable.checkpoints import Checkpoint
    from collapse_utils.molecules import config, section
    from collapse_utils.seeds import derive
    from collapse_utils.sources import default_cache

    made = section.make(
        config.PRESETS["smoke"], data=config.DEFAULT_SOURCE, seed=0, cache=default_cache()
    )
    train, test = made.real_data()
    with tempfile.TemporaryDirectory() as scratch:
        model = made.fit(train, derive(0, "iteration", 1, "fit"), Checkpoint(Path(scratch)))
    plain = made.config

    ways = {
        f"deterministic, {plain.sampling_steps} steps": plain,
        "deterministic, 100 steps": replace(plain, sampling_steps=100),
        "Langevin, 1000 steps": replace(plain, sampler="langevin", sampling_steps=1000),
        "rough geometry, no network": replace(plain, sampler="geometry"),
    }
    rows = []
    for name, settings in ways.items():
        made.config = settings
        started = time.perf_counter()
        made.conformations(model, test["molecule"], 1)
        seconds = time.perf_counter() - started
        metrics = made.evaluate(model, test)
        rows.append(
            {
                "sampler": name,
                "samples_per_second": len(test) / seconds,
                **{key: metrics[key] for key in SHOWN},
            }
        )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows)
    frame.round(4).to_csv(OUT, index=False, lineterminator="\n")
    print(frame.to_string())


if __name__ == "__main__":
    main()
