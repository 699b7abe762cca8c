"""Training tokens per second: the book's loop, ``Trainer``, and matrix products.

All sides train the same model from the same weights on the same stories, the same number a batch,
in float32 with fused AdamW and gradient clipping.  ``trainer`` gets the very batches that our loop
gets, padded, with the attention mask that its users pass.  ``trainer_grouped`` gets batches of
stories of similar length, Trainer's own remedy for padding (which we do not use: it sorts real from
synthetic stories).  Tokens are those that are predicted, never padding.  Each measurement is a
process of its own, since the allocator's settings are those of a process; sides alternate, and the
first steps, in which libraries load, are not counted.  Writes
``benchmarks/results/training_speed.json``.

    python benchmarks/training_speed.py [--rounds 5] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
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
WARM, STEPS = 6, 36


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


def one(side: str, name: str, threads: int) -> float:
    """Tokens per second of a side, in this process."""
    import rivals
    import torch

    torch.set_num_threads(threads)
    model, batches = prepared(name, grouped=side == "trainer_grouped")
    train = rivals.train_ours if side == "ours" else rivals.train_theirs
    return train(model, batches, WARM)


def matmul_flops(threads: int) -> float:
    """Floating-point operations per second of 1024 x 1024 float32 products."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    for _ in range(5):
        a @ b
    started = time.perf_counter()
    for _ in range(30):
        a @ b
    return 30 * 2 * 1024**3 / (time.perf_counter() - started)


def measure(side: str, name: str, threads: int) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TRANSFORMERS_VERBOSITY": "error"}
    words = [sys.executable, __file__, "--one", side, "--model", name, "--threads", str(threads)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument(
        "--one", choices=("ours", "trainer", "trainer_grouped", "matmul"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.one == "matmul":
        print(matmul_flops(options.threads))
        return
    if options.one:
        print(one(options.one, options.model, options.threads))
        return
    from rivals import ratio

    report = {
        "threads": options.threads,
        "rounds": options.rounds,
        "stories_a_batch": STORIES,
        "models": {},
    }
    for name in [options.model] if options.model else MODELS:
        sides = {"ours": [], "trainer": [], "trainer_grouped": [], "matmul": []}
        for _ in range(options.rounds):
            for side, found in sides.items():
                found.append(measure(side, name, options.threads))
        model, _ = prepared(name)
        parameters = sum(p.numel() for p in model.parameters())
        middle = {side: statistics.median(found) for side, found in sides.items()}
        report["models"][name] = {
            "parameters": parameters,
            **{
                f"{side}_tokens_per_s": round(middle[side])
                for side in ("ours", "trainer", "trainer_grouped")
            },
            **{
                f"ours / {side}": ratio(sides["ours"], sides[side], 3)
                for side in ("trainer", "trainer_grouped")
            },
            # Six operations a parameter and token: forward, and backward twice that.
            "share_of_matmul_rate": round(6 * parameters * middle["ours"] / middle["matmul"], 3),
        }
        print(name, report["models"][name])
    before = json.loads(OUT.read_text()) if OUT.exists() else {"models": {}}
    report["models"] = {**before["models"], **report["models"]}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
