"""Rates for the planning page: what one item costs at ``colab`` and ``paper`` on one core.

A whole chain of these sizes is days here, so that a few real fits and samples of each model are
timed on the data that the package ships, with fewer items, epochs, steps and noise levels than the
preset has, and scaled by what the cost is proportional to.  What is scaled is written beside each
section below.  Writes ``results/planning/rates.csv``, from which ``python -m book._tools includes``
makes the tables of the page.

    python benchmarks/planning.py [SECTION ...]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import subprocess
import sys
import time
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "results" / "planning" / "rates.csv"
PRESETS = ("colab", "paper")
NAMES = ("linear", "language", "images", "molecules")
MEASURED: dict[tuple, object] = {}
CLOCK = time.process_time  # of one thread: what other processes do meanwhile does not count
STEPS = (3, 9)  # of the two molecule fits that are timed


def prepare(assignments: list[str], section: str, preset: str):
    from collapse_utils import sections

    return sections.make(
        section, preset=preset, regime="accumulate", seed=0, assignments=assignments
    )


def linear(preset: str):
    """Measured on more rows than the preset has, since a fit of so few takes milliseconds."""
    from collapse_utils.sweeps import estimate

    section, chain = prepare(["T=12800"], "linear", preset)
    rates = estimate.measure(section, CLOCK, (800, 1600))
    items = prepare([], "linear", preset)[1].config.T
    return rates, items, chain.config, False


def language(preset: str):
    """Measured with 1 to 32 stories in batches of 16, and held-out and sampled stories."""
    from collapse_utils import sections
    from collapse_utils.sweeps import estimate

    config, _ = sections.configuration("language", preset)
    test = 16
    small = [
        "stories=2000",
        "batch_size=16",
        f"test_stories={test}",
        "evaluation_stories=2",
        "validation_stories=4",
    ]
    section, _ = prepare(small, "language", preset)
    fields = ("architecture", "layers", "hidden", "heads", "ffn", "vocabulary", "max_length")
    model = tuple(getattr(config, field) for field in fields)
    if model not in MEASURED:  # colab and paper train one model
        MEASURED[model] = estimate.measure(section, CLOCK, (16, 32))
    rates = MEASURED[model]
    evaluate_s = (
        rates.evaluate_s * config.test_stories / test
        + rates.sample_item_s * config.evaluation_stories
    )
    return dataclasses.replace(rates, evaluate_s=evaluate_s), config.stories, config, False


def images(preset: str):
    """Four epochs instead of the preset's; measuring is proportional to the images.

    The shipped photographs are grey and those of CelebA are in colour: three times the bytes, and
    about the same work, since only the first and the last layer see the colours.
    """
    from collapse_utils import sections
    from collapse_utils.sweeps import estimate

    config, _ = sections.configuration("images", preset)
    epochs, test = 4, 64
    samples = max(round(test * config.evaluation_samples / config.test_images), 16)
    small = ["images=0", f"test_images={test}", f"evaluation_samples={samples}", f"epochs={epochs}"]
    section, _ = prepare([*small, "feature_dimensions=16", "clusters=16"], "images", preset)
    rates = estimate.measure(section, CLOCK)
    return (
        dataclasses.replace(
            rates,
            fit_item_s=rates.fit_item_s * config.epochs / epochs,
            evaluate_s=rates.evaluate_s * config.test_images / test,
            item_bytes=rates.item_bytes * 3,
        ),
        config.images,
        config,
        False,
    )


def molecules(preset: str):
    """Two short fits give the time of a step, and the preset says how many.

    Sampling, and measuring, which is mostly sampling, are in proportion to the noise levels;
    measuring also to the held-out molecules.  The molecules are those of RDKit.
    """
    from collapse_utils import sections
    from collapse_utils.sweeps import estimate

    config, _ = sections.configuration("molecules", preset)
    levels, test = 5, 4
    small = [
        "molecules=40",
        f"conformers={min(config.conformers, 2)}",
        f"test_molecules={test}",
        "validation_molecules=2",
    ]
    small += [f"sampling_steps={levels}"]
    times, section, rates = [], None, None
    for steps in STEPS:
        section, _ = prepare([*small, f"steps={steps}"], "molecules", preset)
        if steps == STEPS[0]:
            rates = estimate.measure(section, CLOCK, (32, 64))
        train, _ = section.real_data()
        started = CLOCK()
        section.fit(train, 0, _scratch())
        times.append(CLOCK() - started)
    step_s = (times[1] - times[0]) / (STEPS[1] - STEPS[0])
    fixed = max(times[0] - STEPS[0] * step_s, 0.0)
    more = config.sampling_steps / levels
    molecules = (
        config.molecules
        or shipped_molecules(config) - config.validation_molecules - config.test_molecules
    )
    items = molecules * config.conformers
    conformers = config.conformers / min(config.conformers, 2)
    return (
        dataclasses.replace(
            rates,
            fit_fixed_s=fixed + config.steps * step_s,
            fit_item_s=0.0,
            sample_item_s=rates.sample_item_s * more,
            evaluate_s=rates.evaluate_s * more * conformers * config.test_molecules / test,
        ),
        items,
        config,
        True,
    )


def shipped_molecules(config) -> int:
    """The number of different molecules in RDKit's files; no conformation is made."""
    from collapse_utils.molecules import data, sources

    fitting = [
        molecule
        for molecule in sources._shipped().molecules
        if molecule.GetNumAtoms() <= config.max_atoms
    ]
    return len({data.identity(molecule) for molecule in fitting})


def _scratch():
    import tempfile

    from collapse_utils.durable.checkpoints import Checkpoint

    return Checkpoint(Path(tempfile.mkdtemp(prefix="planning-")) / "fit")


def core_gflops() -> float:
    """Float32 matrix products of 1,024 x 1,024 on one thread, the best of 10, in GFLOP/s."""
    import torch

    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = float("inf")
    for _ in range(10):
        started = CLOCK()
        torch.mm(a, b)
        best = min(best, CLOCK() - started)
    return 2 * 1024**3 / best / 1e9


def one(section: str) -> None:
    """Print the rows of one section as JSON, one a line."""
    import torch

    from collapse_utils import __version__
    from collapse_utils.durable import provenance
    from collapse_utils.training.threads import use_threads

    use_threads(1)
    torch.set_num_threads(1)
    for preset in PRESETS:
        how = {"linear": linear, "language": language, "images": images, "molecules": molecules}[
            section
        ]
        rates, items, config, fixed_steps = how(preset)
        row = {
            "section": section,
            "preset": preset,
            "items": items,
            "iterations": config.iterations,
            "fixed_steps": fixed_steps,
        }
        row |= {name: float(f"{value:.4g}") for name, value in dataclasses.asdict(rates).items()}
        row |= {
            "core_gflops": round(core_gflops(), 1),
            "processor": provenance.processor(),
            "threads": 1,
            "package_version": __version__,
            "date": datetime.date.today().isoformat(),
        }
        print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "section", nargs="*", default=[], help=f"of {', '.join(NAMES)} (default: every one)"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one)
        return
    import pandas as pd

    OUT.parent.mkdir(parents=True, exist_ok=True)
    order = {name: index for index, name in enumerate((*NAMES, *PRESETS))}
    for section in options.section or NAMES:
        done = subprocess.run(
            [sys.executable, __file__, "--one", section],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        print(*rows, sep="\n", flush=True)
        frame = pd.DataFrame(rows)
        if OUT.exists():
            earlier = pd.read_csv(OUT)
            frame = pd.concat([earlier[earlier["section"] != section], frame])
        frame["core_gflops"] = frame["core_gflops"].max()  # other processes can only lower it
        frame = frame.sort_values(["section", "preset"], key=lambda column: column.map(order))
        frame.to_csv(OUT, index=False, lineterminator="\n")
    print(OUT)


if __name__ == "__main__":
    main()
