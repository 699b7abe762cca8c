"""How many epochs a language model is trained for: early stopping of its first fit.

Each candidate is a fit of its own, because the learning rate falls over the whole fit.  The
candidates are tried in order until one improves the validation loss by less than ``--gain`` nats
per token over the one before; E* is the one before.  A single candidate compares other settings,
such as learning rates, and chooses nothing.  Only real training and validation stories are read.
Rows are added to ``results/language/epochs.csv``; the chosen number is then written into the
preset.

    python benchmarks/epochs.py --preset trained --data FILE [--set architecture=gpt2] [--seed 0]
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import tempfile
from pathlib import Path

from collapse_utils import seeds
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.language import measures
from collapse_utils.language.fit import fit
from collapse_utils.language.model import parameters
from collapse_utils.sections import DEFAULT, make

OUT = Path(__file__).parents[1] / "results" / "language" / "epochs.csv"
COLUMNS = (
    "preset",
    "data",
    "variant",
    "seed",
    "stories",
    "parameters",
    "epochs",
    "validation_loss",
    "chosen",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="trained")
    parser.add_argument("--data", default=DEFAULT)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--candidates", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    )
    parser.add_argument(
        "--gain", type=float, default=0.01, help="nats per token that a longer fit must bring"
    )
    parser.add_argument(
        "--split", choices=("train", "reference"), default="train", help="stories that are fitted"
    )
    options = parser.parse_args()
    section, chain = make(
        "language",
        preset=options.preset,
        regime="replace",
        seed=options.seed,
        data=options.data,
        assignments=options.set,
    )
    stories = getattr(section.stories, options.split)
    seed = seeds.derive(options.seed, "iteration", 1, "fit")
    rows: list[dict] = []
    for epochs in options.candidates:
        config = dataclasses.replace(chain.config, epochs=epochs)
        with tempfile.TemporaryDirectory() as scratch:
            model = fit(config, stories, seed, Checkpoint(Path(scratch)))
        loss = measures.cross_entropy(model, section.stories.validation)[0]
        print(f"{epochs:3} epochs: {loss:.4f} nats per token", flush=True)
        values = (
            options.preset,
            section.source,
            chain.variant,
            options.seed,
            len(stories),
            parameters(model),
            epochs,
            round(loss, 4),
            False,
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
        if len(rows) > 1 and rows[-2]["validation_loss"] - loss < options.gain:
            break
    stopped = (
        len(rows) > 1 and rows[-2]["validation_loss"] - rows[-1]["validation_loss"] < options.gain
    )
    rows[-2 if stopped else -1]["chosen"] = len(rows) > 1
    new = not OUT.exists()
    with open(OUT, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
