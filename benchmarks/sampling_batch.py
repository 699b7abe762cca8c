"""Tokens per second of our sampler by ``sample_batch``, for the shapes in use.

What counts is a step in the middle of a data set, when the stories of the batch have come to any
length.  ``collapse estimate language`` times the same steps for its advice
(``sampler/rates.py``).  The batch sizes alternate, and medians count.  For the shape of ``cpu`` on
one thread, a whole data set is sampled from a trained model beside it, with its end, where the
batch shrinks.  Writes
``benchmarks/results/sampling_batch.json``.

    python benchmarks/sampling_speed.py train     # some minutes a model, kept in build/
    python benchmarks/sampling_batch.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from sampling_speed import END, SHAPES, configuration, folder

OUT = Path(__file__).parent / "results" / "sampling_batch.json"
PRESET = 64  # of smoke, cpu and trained, whose results are published
THREADS = (1, 2)
PAPER = "gpt2 9M"
# the number of stories of a whole data set
WHOLE = {"llama cpu": 256}


def prepared(name: str):
    """A new model of the shape, and the tokens of its longest story."""
    from collapse_utils.language.fit import new_model
    from collapse_utils.language.model import PAPER_SIZES, build

    if name == PAPER:
        size = PAPER_SIZES["gpt2-9m"]
        return build(size.architecture, **size.shape(), seed=0).eval(), 512
    config = configuration(name)
    return new_model(config, 0).eval(), config.max_length


def serve(name: str, threads: int, batch: int) -> None:
    """Stories per second of a whole data set, whenever it is asked."""
    import time

    import torch
    from sides import serve
    from transformers import AutoModelForCausalLM

    from collapse_utils.language.sampler.sample import sample_stories

    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder(name)).eval()
    ends = {"max_length": configuration(name).max_length, "bos": END, "eos": END}

    def rate() -> float:
        started = time.perf_counter()
        sample_stories(model, WHOLE[name], **ends, seed=1, batch=batch)
        return WHOLE[name] / (time.perf_counter() - started)

    serve(rate)


def whole(name: str, threads: int, batches: tuple[int, ...], rounds: int) -> dict[str, float]:
    """Stories per second of a whole data set, by batch size."""
    from sides import Side, alternate

    words = ("--serve", name, "--threads", threads)
    sides = {str(b): Side(__file__, (*words, "--batch", b), threads) for b in batches}
    measured = alternate(sides, rounds)
    return {batch: round(statistics.median(runs), 2) for batch, runs in measured.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=WHOLE, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.threads, options.batch)
        return
    from collapse_utils.language.sampler.rates import BATCHES, rates

    report = {"rounds": options.rounds, "preset": PRESET, "whole_stories": WHOLE, "shapes": {}}
    for name in (*(f"{a} {s}" for s in SHAPES for a in ("llama", "gpt2")), PAPER):
        model, length = prepared(name)
        report["shapes"][name] = {}
        for threads in THREADS:
            timed = rates(model, BATCHES, max_length=length, threads=threads, rounds=options.rounds)
            one = {
                "tokens_per_s_of_a_lane": {
                    str(b): round(statistics.median(runs)) for b, runs in timed.items()
                }
            }
            if name in WHOLE and threads == 1:
                one["whole_stories_per_s"] = whole(name, threads, BATCHES[1:], options.rounds)
            report["shapes"][name][str(threads)] = one
            print(name, threads, one, flush=True)
        OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
