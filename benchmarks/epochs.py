"""How many epochs a language model is trained for: early stopping of its first fit.

Each candidate is a fit of its own, because the learning rate falls over the whole fit.  The
candidates are tried in order until one improves the validation loss by less than ``--gain`` nats
per token over the one before; E* is the one before, and nothing is chosen without a candidate that
is longer.  A single candidate compares other settings, such as learning rates.  Only real training
and validation stories are read.  Every fit is added to ``results/language/epochs.csv`` as it ends,
and one that is there already is not repeated; the chosen number is then written into the preset.

    python benchmarks/epochs.py --preset trained --data FILE [--set architecture=gpt2] [--seed 0]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import pandas as pd

from collapse_utils import seeds
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.durable.files import write_text
from collapse_utils.language import measures
from collapse_utils.language.fit import fit
from collapse_utils.language.model import parameters
from collapse_utils.sections import DEFAULT, make

OUT = Path(__file__).parents[1] / "results" / "language" / "epochs.csv"
MODEL = ["preset", "data", "variant", "seed"]
COLUMNS = [*MODEL, "stories", "parameters", "epochs", "validation_loss", "chosen"]


def read() -> pd.DataFrame:
    """The fits of earlier searches."""
    if not OUT.exists():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(OUT, keep_default_na=False)


def fits_of(model: tuple, table: pd.DataFrame) -> pd.DataFrame:
    """Those of one model, the shortest first."""
    own = (table[MODEL].astype(str) == [str(value) for value in model]).all(axis=1)
    return table[own].sort_values("epochs").drop_duplicates("epochs")


def stopped(fits: pd.DataFrame, gain: float) -> int | None:
    """E*, or None while every longer fit is better by ``gain``."""
    losses = fits["validation_loss"].astype(float).tolist()
    for place in range(1, len(losses)):
        if losses[place - 1] - losses[place] < gain:
            return int(fits["epochs"].iloc[place - 1])
    return None


def add(row: dict, gain: float) -> None:
    """Put a fit into the table, and mark the one that is chosen among those of its model."""
    table = pd.concat([read(), pd.DataFrame([row])], ignore_index=True)
    fits = fits_of(tuple(row[name] for name in MODEL), table)
    table.loc[fits.index, "chosen"] = fits["epochs"] == stopped(fits, gain)
    write_text(OUT, table.to_csv(index=False, lineterminator="\n"))


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
    model = options.preset, section.source, chain.variant, options.seed
    for epochs in sorted(options.candidates):
        fits = fits_of(model, read())
        if stopped(fits, options.gain) is not None:
            break
        if epochs in fits["epochs"].astype(int).tolist():
            continue
        config = dataclasses.replace(chain.config, epochs=epochs)
        with tempfile.TemporaryDirectory() as scratch:
            network = fit(config, stories, seed, Checkpoint(Path(scratch)))
        loss = round(measures.cross_entropy(network, section.stories.validation)[0], 4)
        print(f"{epochs:3} epochs: {loss:.4f} nats per token", flush=True)
        sizes = len(stories), parameters(network), epochs, loss, False
        add(dict(zip(COLUMNS, (*model, *sizes), strict=True)), options.gain)
    chosen = stopped(fits_of(model, read()), options.gain)
    print(f"E* = {chosen}" if chosen else "no E* yet: the longest candidate is still better")


if __name__ == "__main__":
    main()
