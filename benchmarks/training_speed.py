"""Training tokens per second: the book's loop and ``transformers.Trainer``.

All sides train the same model from the same weights on the same stories, the same number a batch,
in float32 with fused AdamW and gradient clipping.  ``trainer`` gets the very batches that our loop
gets, padded, with the attention mask that its users pass.  ``trainer_grouped`` gets batches of
stories of similar length, Trainer's own remedy for padding (which we do not use: it sorts real from
synthetic stories).  Tokens are those that are predicted, never padding.  Each side is a process of
its own; sides alternate, and the first steps of each measurement are not counted.  Writes
``benchmarks/results/training_speed.json``.

    python benchmarks/training_speed.py [--rounds 5] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

OUT = Path(__file__).parent / "results" / "training_speed.json"
MODELS = {
    "llama 1M": {
        "architecture": "llama",
        "layers": 4,
        "hidden": 128,
        "heads": 4,
        "ffn": 512,
        "vocabulary": 2048,
    },
    "gpt2 1M": {
        "architecture": "gpt2",
        "layers": 4,
        "hidden": 128,
        "heads": 4,
        "ffn": 512,
        "vocabulary": 2048,
    },
    "llama 3M": {
        "architecture": "llama",
        "layers": 6,
        "hidden": 192,
        "heads": 6,
        "ffn": 768,
        "vocabulary": 2048,
    },
}
STORIES, MAX_LENGTH = 16, 256
WARM, STEPS = 2, 8  # of one measurement
SIDES = ("ours", "trainer", "trainer_grouped")


def prepared(name: str, *, grouped: bool = False):
    """The model and the stories of every batch, as (values, offsets).

    Lengths are drawn to resemble TinyStories at this vocabulary and limit: mean 199 tokens, 17% of
    stories at the limit.
    """
    import numpy as np

    from collapse_utils.language.model import build

    model = build(**MODELS[name], max_length=MAX_LENGTH, seed=0)
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.normal(205, 53, STORIES * STEPS).astype(int), 40, MAX_LENGTH)
    stories = [rng.integers(1, 2048, n).astype(np.uint16) for n in lengths]
    order = (
        rng.permutation(np.argsort(lengths).reshape(-1, STORIES))
        if grouped
        else rng.permutation(len(lengths))
    )
    batches = []
    for rows in order.reshape(-1, STORIES):
        offsets = np.concatenate([[0], np.cumsum(lengths[rows])])
        batches.append((np.concatenate([stories[row] for row in rows]), offsets))
    return model, batches


def serve(side: str, name: str, threads: int) -> None:
    """Tokens per second of a side, whenever it is asked."""
    import rivals
    import sides
    import torch

    torch.set_num_threads(threads)
    model, batches = prepared(name, grouped=side == "trainer_grouped")
    train = rivals.train_ours if side == "ours" else rivals.train_theirs
    sides.serve(lambda: train(model, batches, WARM))


def measured(name: str, threads: int, rounds: int) -> dict:
    """Rates of all sides for one model, and the share of the machine's limit."""
    import limits
    from rivals import ratio
    from sides import Side, alternate

    words = ("--model", name, "--threads", threads)
    runs = alternate(
        {side: Side(__file__, ("--serve", side, *words), threads) for side in SIDES}, rounds
    )
    middle = {side: statistics.median(rates) for side, rates in runs.items()}
    model, _ = prepared(name)
    # Two operations a parameter and token in the forward pass, and twice that in the backward pass;
    # the products inside attention are left out.
    operations = 6 * limits.matrix_parameters(model) * middle["ours"]
    peak = limits.product_rate(threads)
    return {
        "parameters": model.num_parameters(),
        **{f"{side}_tokens_per_s": round(rate) for side, rate in middle.items()},
        **{f"ours / {side}": ratio(runs["ours"], runs[side], 3) for side in SIDES[1:]},
        "limit_gflops": round(peak / 1e9, 1),
        "share_of_product_rate": round(operations / peak, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.model, options.threads)
        return
    report = {
        "threads": options.threads,
        "rounds": options.rounds,
        "stories_a_batch": STORIES,
        "models": json.loads(OUT.read_text())["models"] if OUT.exists() else {},
    }
    for name in [options.model] if options.model else MODELS:
        report["models"][name] = measured(name, options.threads, options.rounds)
        print(name, report["models"][name], flush=True)
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
