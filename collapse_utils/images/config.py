"""The configuration of an image chain, and the four presets (paper section 2.3).

The paper does not print its recipe.  Our hypothesis is the public VanillaVAE, whose loss has the
paper's scale: five convolutions of 32 to 512 channels with BatchNorm and LeakyReLU, 128 latent
variables, mean squared error + 0.00025 KL, Adam at 0.005 that is multiplied by 0.95 after every
epoch, 100 epochs in batches of 64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..errors import InputError
from ..presets import Config, draw_setting, precision_setting, setting

DEFAULT_SOURCE = "orl"


@dataclass(frozen=True)
class ImagesConfig(Config):
    """The autoencoder, the images it is trained on, and how its samples are measured."""

    SAMPLING_FIELDS: ClassVar[tuple[str, ...]] = (
        "sample_batch",
        "sample_noise",
        "evaluation_samples",
        "feature_dimensions",
        "neighbours",
        "clusters",
    )

    # Data
    images: int = setting(0, "real training images, at most; 0: all the source has", at_least=0)
    draw: str = draw_setting("images")
    test_images: int = setting(
        80, "held-out images, at most a fifth of all; whole people if known", at_least=2
    )
    size: int = setting(32, "pixels of a side after cropping and scaling", at_least=8)
    crop: float = setting(
        0.0,
        "side of the square, as a share of the width; 0: the source's own",
        at_least=0,
        at_most=1,
    )
    grey: bool = setting(False, "turn every image to grey")
    skip_damaged: bool = setting(
        False, "leave out files that cannot be decoded; they are counted in the provenance"
    )
    # Model
    width: int = setting(
        16, "channels of the first convolution; every further one has twice as many", at_least=1
    )
    levels: int = setting(
        4,
        "convolutions of stride 2 in the encoder; the decoder mirrors them",
        at_least=1,
        at_most=8,
    )
    latent: int = setting(32, "latent variables", at_least=1)
    kl_weight: float = setting(
        0.00025, "weight of the KL divergence beside the mean squared error of a pixel", at_least=0
    )
    # Training
    epochs: int = setting(20, "passes over the training set", at_least=1)
    protocol: str = setting(
        "epochs",
        "epochs: training grows with the data; steps: every fit has the steps of the first",
        choices=("epochs", "steps"),
    )
    batch_size: int = setting(32, "images a step", at_least=2)
    learning_rate: float = setting(5e-3, "Adam's learning rate at the start", above=0)
    decay: float = setting(
        0.9, "multiplies the learning rate after each of `epochs` equal parts", above=0, at_most=1
    )
    clip: float = setting(1.0, "largest gradient norm", above=0)
    precision: str = precision_setting()
    # Sampling and measuring
    sample_batch: int = setting(256, "images decoded side by side", at_least=1)
    sample_noise: bool = setting(
        False, "add to samples the Gaussian noise that the loss implies (see pixel_noise)"
    )
    evaluation_samples: int = setting(512, "images sampled to measure diversity", at_least=16)
    feature_dimensions: int = setting(
        32, "principal components of the real training images", at_least=1
    )
    neighbours: int = setting(3, "k of the k-nearest-neighbour precision and recall", at_least=1)
    clusters: int = setting(
        32, "k-means clusters of the real training images that count as modes", at_least=2
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % 2**self.levels:
            raise InputError("size", self.size, f"a multiple of 2^levels = {2**self.levels}")
        if 0 < self.images < self.batch_size:
            raise InputError(
                "images", self.images, f"0, or at least one batch of {self.batch_size}"
            )
        if self.draw == "by_seed" and not self.images:
            raise InputError("draw", self.draw, "common, unless images is >= 1")
        if self.neighbours >= self.test_images:
            raise InputError(
                "neighbours", self.neighbours, f"fewer than test_images = {self.test_images}"
            )


# 2.3: ten model fits on all of CelebA at 64 x 64.
PAPER = ImagesConfig(
    iterations=10,
    images=0,
    test_images=19_962,
    size=64,
    width=32,
    levels=5,
    latent=128,
    batch_size=64,
    epochs=100,
    decay=0.95,
    evaluation_samples=5000,
    feature_dimensions=64,
    clusters=100,
)

PRESETS: dict[str, ImagesConfig] = {
    "smoke": ImagesConfig(iterations=6),
    "cpu": ImagesConfig(
        iterations=10,
        images=1500,
        test_images=1000,
        latent=64,
        epochs=10,
        evaluation_samples=1000,
        feature_dimensions=64,
        clusters=64,
    ),
    # The paper's network on a part of CelebA, for one T4.
    "colab": replace(
        PAPER, images=20_000, test_images=4000, epochs=15, decay=0.9, evaluation_samples=2000
    ),
    "paper": PAPER,
}
