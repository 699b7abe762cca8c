"""Configurations of every section that a test runs in a second."""

from __future__ import annotations


def settings(**fields) -> list[str]:
    """Fields as options of the command line."""
    return [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]


# As small as a section allows; dropout is on where the model has it, and a generation is sampled in
# several pieces.
FIELDS = {
    "linear": {"iterations": 4, "d": 3, "T": 9, "repeats": 5},
    "language": {
        "iterations": 4,
        "stories": 32,
        "test_stories": 8,
        "validation_stories": 4,
        "vocabulary": 270,
        "max_length": 16,
        "layers": 1,
        "hidden": 16,
        "heads": 2,
        "ffn": 16,
        "architecture": "gpt2",
        "dropout": 0.2,
        "evaluation_stories": 8,
    },
    "images": {
        "iterations": 4,
        "size": 16,
        "levels": 2,
        "width": 4,
        "latent": 4,
        "images": 48,
        "test_images": 10,
        "batch_size": 16,
        "epochs": 2,
        "evaluation_samples": 24,
        "feature_dimensions": 6,
        "clusters": 5,
        "sample_batch": 16,
    },
    "molecules": {
        "iterations": 4,
        "molecules": 8,
        "conformers": 2,
        "max_atoms": 20,
        "validation_molecules": 1,
        "test_molecules": 3,
        "hidden": 8,
        "local_convs": 1,
        "cutoff": 5.0,
        "steps": 8,
        "batch_size": 4,
        "sampling_steps": 3,
        "rough_rounds": 10,
        "fitting_rounds": 5,
        "loss_draws": 1,
        "samples_per_conformer": 1,
        "sample_batch": 6,
    },
}


def tiny(section: str, **changes) -> list[str]:
    """The options of a tiny chain, with other fields or other values."""
    return settings(**FIELDS[section] | changes)


TINY = {section: tiny(section) for section in FIELDS}
