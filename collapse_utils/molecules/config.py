"""The configuration of a molecule chain, and the four presets (paper section 2.2).

``paper`` is GeoDiff as the authors ran it.  The small presets change three things, so that a small
network becomes good in little time.  With ``preconditioned`` the network predicts only what the
mean and spread of a kind of distance do not, and its input contains the noise level.  With
``sampler=deterministic`` samples are drawn in few steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import InputError
from ..presets import Config, draw_setting, precision_setting, setting

DEFAULT_SOURCE = "rdkit"


@dataclass(frozen=True)
class MoleculesConfig(Config):
    """GeoDiff's dual encoder, the data that it is trained on, and how it is sampled."""

    SAMPLING_FIELDS: ClassVar[tuple[str, ...]] = (
        "sampler",
        "sampling_steps",
        "step_size",
        "weight_global",
        "global_start_sigma",
        "clip_force",
        "sample_batch",
        "start_sigma",
        "rough_rounds",
        "fitting_rounds",
        "samples_per_conformer",
    )

    # Data
    molecules: int = setting(110, "real training molecules; 0 takes all the source has", at_least=0)
    draw: str = draw_setting("molecules")
    conformers: int = setting(2, "conformations of each molecule", at_least=1)
    max_atoms: int = setting(36, "larger molecules are left out (hydrogens count)", at_least=2)
    validation_molecules: int = setting(8, "real molecules for the learning curves", at_least=1)
    test_molecules: int = setting(
        32, "real held-out molecules that every iteration is measured on", at_least=1
    )
    # Model
    hidden: int = setting(32, "width of both encoders", at_least=4)
    global_convs: int = setting(
        1, "SchNet convolutions over edges up to order 3 and within the cutoff", at_least=1
    )
    local_convs: int = setting(2, "GIN convolutions over edges up to order 3", at_least=1)
    cutoff: float = setting(
        6.0, "length in angstrom up to which two atoms without a local edge interact", above=0
    )
    preconditioned: bool = setting(
        True, "predict what the mean and spread of a kind of distance leave open"
    )
    # Diffusion
    levels: int = setting(1000, "noise levels", at_least=2)
    beta_start: float = setting(1e-7, "smallest step of the sigmoid schedule", above=0, below=1)
    beta_end: float = setting(9e-3, "largest step of the sigmoid schedule", above=0, below=1)
    # Training
    steps: int = setting(
        800, "optimisation steps of every fit, whatever the size of the training set", at_least=1
    )
    batch_size: int = setting(16, "conformations a step", at_least=2)
    learning_rate: float = setting(
        8e-3, "of Adam: the peak of the cosine, or the first of the plateaus", above=0
    )
    schedule: str = setting("cosine", "how the learning rate falls", choices=("cosine", "plateau"))
    beta_1: float = setting(0.9, "Adam's first decay", at_least=0, below=1)
    clip: float = setting(300.0, "largest gradient norm", above=0)
    precision: str = precision_setting()
    # Sampling
    sampler: str = setting(
        "deterministic",
        "langevin as in GeoDiff; deterministic: few steps on distances; "
        "geometry: the rough geometry alone, without the network",
        choices=("deterministic", "langevin", "geometry"),
    )
    sampling_steps: int = setting(20, "noise levels that a sample passes through", at_least=1)
    start_sigma: float = setting(
        0.5, "noise in angstrom on the rough geometry, deterministic sampler", above=0
    )
    rough_rounds: int = setting(
        300, "rounds of the fit of the rough geometry, deterministic sampler", at_least=0
    )
    fitting_rounds: int = setting(
        40, "rounds of the fit to denoised distances, deterministic sampler", at_least=1
    )
    step_size: float = setting(1e-6, "of the Langevin step at sigma = 0.01", above=0)
    weight_global: float = setting(1.0, "of the global force, Langevin sampler", at_least=0)
    global_start_sigma: float = setting(
        0.5, "noise level below which the global force acts, Langevin sampler", above=0
    )
    clip_force: float = setting(1000.0, "largest global force in a Langevin step", above=0)
    sample_batch: int = setting(64, "conformations sampled side by side", at_least=1)
    # Evaluation
    loss_draws: int = setting(
        8, "noise draws for each test conformation, the same in every iteration", at_least=1
    )
    samples_per_conformer: int = setting(
        2, "samples for each real conformation, for coverage and strain", at_least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta_end < self.beta_start:
            raise InputError("beta_end", self.beta_end, f"at least beta_start = {self.beta_start}")
        if self.sampler != "langevin" and not self.preconditioned:
            raise InputError(
                "sampler", self.sampler, "langevin with preconditioned=false (no spreads are known)"
            )
        if self.draw == "by_seed" and not self.molecules:
            raise InputError("draw", self.draw, "common, unless molecules is >= 1")
        if self.sampling_steps > self.levels:
            raise InputError(
                "sampling_steps", self.sampling_steps, f"at most levels = {self.levels}"
            )
        if 0 < self.molecules * self.conformers < self.batch_size:
            raise InputError(
                "molecules",
                self.molecules,
                f"0, or at least one batch of {self.batch_size} conformations",
            )


PRESETS: dict[str, MoleculesConfig] = {
    "smoke": MoleculesConfig(iterations=4),
    "cpu": MoleculesConfig(
        iterations=8,
        molecules=0,
        conformers=2,
        max_atoms=40,
        validation_molecules=15,
        test_molecules=40,
        hidden=48,
        steps=1200,
        learning_rate=5e-3,
    ),
    # GeoDiff's full width on a part of the data, for one T4.
    "colab": MoleculesConfig(
        iterations=5,
        molecules=0,
        conformers=5,
        max_atoms=200,
        validation_molecules=20,
        test_molecules=50,
        hidden=128,
        global_convs=6,
        local_convs=4,
        cutoff=10.0,
        steps=8000,
        batch_size=32,
        learning_rate=1e-3,
        sampling_steps=100,
        sample_batch=512,
    ),
    # 2.2: 40,000 training conformations (8,000 molecules, 5 each); the measured set is as large as
    # the authors' 5,000.
    "paper": MoleculesConfig(
        iterations=8,
        molecules=8000,
        conformers=5,
        max_atoms=200,
        validation_molecules=200,
        test_molecules=1000,
        hidden=128,
        global_convs=6,
        local_convs=4,
        cutoff=10.0,
        preconditioned=False,
        steps=41_000,
        batch_size=32,
        learning_rate=1e-3,
        schedule="plateau",
        beta_1=0.95,
        clip=30_000.0,
        sampler="langevin",
        sampling_steps=1000,
        sample_batch=256,
        loss_draws=1,
    ),
}
