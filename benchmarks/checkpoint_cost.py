"""The cost of checkpoints: the share of a run that saves a state every 60 seconds.

``language smoke``: fits of the preset's model on its real stories, alternately without a save and
with one after every ``EVERY`` steps; a save costs the difference of the medians over the number of
saves, and one every 60 s that cost over 60 s.  ``language paper``: states of the paper's model,
with its optimiser, are written; its training is too long for this machine.  Everything is flushed
to the disk, as in a run.  Writes ``benchmarks/results/checkpoint_cost.json``.

    python benchmarks/checkpoint_cost.py [--rounds 5] [--stories 400]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from collapse_utils.durable.checkpoints import Checkpoint

OUT = Path(__file__).parent / "results" / "checkpoint_cost.json"
EVERY = 2  # steps between two saves of the side that saves
PERIOD_S = 60.0  # the default of --checkpoint-s


class Timed(Checkpoint):
    """Due after every ``every`` steps (0: never); keeps the seconds of each save."""

    def __init__(self, folder: Path, every: int):
        super().__init__(folder)
        self.every, self.steps, self.times = every, 0, []

    def due(self) -> bool:
        self.steps += 1
        return self.every > 0 and self.steps % self.every == 0

    @contextlib.contextmanager
    def saving(self, step: int) -> Iterator[Path]:
        started = time.perf_counter()
        with super().saving(step) as folder:
            yield folder
        self.times.append(time.perf_counter() - started)


def smoke(rounds: int, stories: int) -> dict:
    from collapse_utils.language.config import DEFAULT_SOURCE, PRESETS
    from collapse_utils.language.section import LanguageSection
    from collapse_utils.sources import default_cache

    section = LanguageSection(
        dataclasses.replace(PRESETS["smoke"], stories=stories), DEFAULT_SOURCE, default_cache()
    )
    train, _ = section.real_data()

    def fit(every: int) -> tuple[float, list[float]]:
        with tempfile.TemporaryDirectory() as scratch:
            checkpoint = Timed(Path(scratch) / "fit", every)
            started = time.perf_counter()
            section.fit(train, 0, checkpoint)
            # the last is of the finished fit: both have it
            return time.perf_counter() - started, checkpoint.times[:-1]

    fit(EVERY)  # libraries load on their first use
    plain, saving, single = [], [], []
    for _ in range(rounds):
        plain.append(fit(0)[0])
        seconds, times = fit(EVERY)
        saving.append(seconds)
        single += times
    count = len(single) // rounds
    cost = (statistics.median(saving) - statistics.median(plain)) / count
    return {
        "fit_without_saves_s": round(statistics.median(plain), 3),
        "fit_with_saves_s": round(statistics.median(saving), 3),
        "saves": count,
        "a_save_costs_ms": round(1e3 * cost, 2),
        "inside_a_save_ms": round(1e3 * statistics.median(single), 2),
        "share_at_60_s": round(cost / PERIOD_S, 6),
        "rounds": rounds,
    }


def paper(saves: int) -> dict:
    import torch

    from collapse_utils.language.config import PRESETS
    from collapse_utils.language.model import build
    from collapse_utils.training.loop import Plan, train

    config = PRESETS["paper"]
    names = ("architecture", "layers", "hidden", "heads", "ffn", "vocabulary", "dropout")
    model = build(
        **{name: getattr(config, name) for name in names}, max_length=config.positions, seed=0
    )
    plan = Plan(
        steps=saves + 2, learning_rate=1e-3, warmup=0.0, final_rate=0.1, weight_decay=0.1, clip=1.0
    )

    def loss_of(model: torch.nn.Module, batch: None) -> torch.Tensor:
        # every parameter has a gradient, and so a state
        return sum(p.square().mean() for p in model.parameters())

    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = Timed(Path(scratch) / "fit", 1)
        train(
            model, lambda step: None, loss_of, plan, seed=0, checkpoint=checkpoint, items_per_step=1
        )
        # the newest has no optimiser
        size = sum(path.stat().st_size for path in checkpoint.states()[1].iterdir())
    median = statistics.median(checkpoint.times[1:-1])
    return {
        "state_mb": round(size / 1e6, 1),
        "inside_a_save_ms": round(1e3 * median, 1),
        "share_at_60_s": round(median / PERIOD_S, 6),
        "saves": saves,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stories", type=int, default=400)
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    results = {
        "language smoke": smoke(options.rounds, options.stories),
        "language paper": paper(2 * options.rounds),
    }
    OUT.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
