"""Section 2.3: a variational autoencoder trained from scratch on faces.

One fit is a number of passes over the training images, or with ``protocol=steps`` as many steps as
such passes over the real images alone.  A synthetic image is the decoder's output for a standard
normal z, rounded to bytes as the real images are.  Real held-out images give the training loss and
its two terms; a few hundred samples give the metrics of diversity.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .. import seeds
from ..data import Data, Pool
from ..durable.checkpoints import Checkpoint, Kept, Make, at_once
from ..training import loop
from ..training.batches import Batches
from . import measures
from .config import ImagesConfig
from .data import prepare
from .model import VAE, build, losses, pixel_noise, to_bytes, to_float
from .sources import SOURCES as SOURCES

TITLE = "Faces (section 2.3)"
HEADLINE = "test_loss"
SHOWN = (2, 8)  # rows and columns of a preview: small enough to commit one for every iteration


def make(config: ImagesConfig, *, data: str | Path, seed: int, cache: Path) -> ImagesSection:
    """The section on a source; ``seed`` chooses training images where ``draw`` is ``by_seed``."""
    return ImagesSection(config, data, cache, seed)


class ImagesSection:
    """The four methods of the chain, on one set of images."""

    resumable_sampling = True  # ``sample`` keeps its pieces: see durable.checkpoints.Pieces

    def __init__(self, config: ImagesConfig, data: str | Path, cache: Path, seed: int = 0):
        self.config = config
        album, self.images = prepare(config, data, cache, seed)
        self.source, self.may_show = album.name, album.may_show
        self._reconstructions: np.ndarray | None = None

    def real_data(self) -> tuple[Data, Data]:
        return self.images.train, self.images.test

    def notes(self) -> dict:
        return {**self.images.info, "explained_variance_of_features": self.features.explained}

    @cached_property
    def features(self) -> measures.Features:
        return measures.fit_features(
            self.images.train, self.config.feature_dimensions, self.config.clusters
        )

    @cached_property
    def real_diversity(self) -> dict[str, float]:
        """The diversity metrics of real training images, which a perfect model would reach."""
        real = self.images.train[: self.config.evaluation_samples]
        return measures.measure(real, self.images.test, self.features, self.config.neighbours)

    @property
    def same_steps(self) -> bool:
        """Whether every fit has the steps of the first, whatever the size of its training set."""
        return self.config.protocol == "steps"

    def plan(self, images: int) -> loop.Plan:
        """How a model is optimised on so many ``images``; decay follows the number of steps."""
        config = self.config
        counted = len(self.images.train) if self.same_steps else images
        steps = config.epochs * (counted // config.batch_size)
        return loop.Plan.of(
            config,
            steps=steps,
            warmup=0.0,
            final_rate=0.0,
            weight_decay=0.0,
            betas=(0.9, 0.999),
            stages=config.epochs,
        )

    def fit(self, training_data: np.ndarray | Pool, seed: int, checkpoint: Checkpoint) -> VAE:
        """A fresh model, trained on uint8 images (n, C, size, size)."""
        config, device = self.config, loop.device()
        initial = seeds.derive(seed, "initialisation")
        model = build(config, channels=training_data.shape[1], seed=initial).to(device)
        batches = Batches(len(training_data), config.batch_size, seed)

        def loss_of(model: VAE, x: Tensor) -> Tensor:
            noise = torch.randn(len(x), config.latent, device=x.device)
            error, kl, _ = losses(model, x, noise)
            return error.mean() + config.kl_weight * kl.mean()

        loop.train(
            model,
            lambda step: to_float(training_data[batches(step)], device),
            loss_of,
            self.plan(len(training_data)),
            seed=seed,
            checkpoint=checkpoint,
            items_per_step=config.batch_size,
        )
        return model

    def sample(self, model: VAE, size: int, seed: int, kept: Kept = at_once) -> np.ndarray:
        """``size`` images decoded from standard normal z, uint8 (size, C, size, size).

        With ``sample_noise`` a pixel is a draw from the decoder's Gaussian, not its mean.
        """
        config = self.config
        model.eval()
        noise = seeds.generator(seed, "latent")
        channels, most = self.images.train.shape[1], config.sample_batch

        def pieces() -> Iterator[Make]:
            for start in range(0, size, most):
                z = noise.standard_normal((min(most, size - start), config.latent), np.float32)
                pixels = (
                    seeds.generator(seed, "pixel noise", start) if config.sample_noise else None
                )
                yield partial(_decode, model, torch.from_numpy(z), config.kl_weight, pixels)

        out = np.empty((size, channels, config.size, config.size), np.uint8)
        for number, piece in kept(pieces()):
            out[number * most : (number + 1) * most] = piece
        return out

    @torch.no_grad()
    def evaluate(self, model: VAE, real_test: np.ndarray) -> dict[str, float]:
        """Test loss and its terms, and the diversity metrics of ``evaluation_samples`` samples.

        The noise is the same in every iteration, so iterations differ by their models alone.  The
        metrics that end in ``_real`` are those of real training images instead of samples.
        """
        config = self.config
        model.eval()
        device = next(model.parameters()).device
        noise = seeds.generator(0, "evaluation noise")
        errors, kls = [], []
        for start in range(0, len(real_test), config.sample_batch):
            # a copy: the mapped file is read-only
            images = np.array(real_test[start : start + config.sample_batch])
            z = torch.from_numpy(
                noise.standard_normal((len(images), config.latent), np.float32)
            ).to(device)
            error, kl, reconstruction = losses(model, to_float(images, device), z)
            errors.append(error.double().cpu())
            kls.append(kl.double().cpu())
            if start == 0:
                shown = images[: SHOWN[1]], to_bytes(reconstruction[: SHOWN[1]])
                self._reconstructions = np.concatenate(shown) if self.may_show else None
        error, kl = torch.cat(errors).mean().item(), torch.cat(kls).mean().item()
        samples = self.sample(model, config.evaluation_samples, seeds.derive(0, "evaluation"))
        spread = measures.measure(samples, real_test, self.features, config.neighbours)
        real = {f"{name}_real": value for name, value in self.real_diversity.items()}
        return {
            "test_loss": error + config.kl_weight * kl,
            "reconstruction_error": error,
            "kl": kl,
            **spread,
            **real,
        }

    def preview(self, images: np.ndarray, folder: Path) -> None:
        """Write ``samples.png``, and ``reconstructions.png`` with held-out images above theirs.

        The second is written only if the source allows real images to be printed.
        """
        rows, columns = SHOWN
        save_grid(images[: rows * columns], columns, folder / "samples.png")
        if self._reconstructions is not None:
            save_grid(self._reconstructions, columns, folder / "reconstructions.png")


@torch.no_grad()
def _decode(
    model: VAE, z: Tensor, kl_weight: float, noise: np.random.Generator | None
) -> np.ndarray:
    """The decoder's mean for z, or with a generator ``noise`` a draw from its Gaussian."""
    device = next(model.parameters()).device
    pixels = model.decode(z.to(device))
    if noise is not None:
        scale = pixel_noise(kl_weight, pixels[0].numel())
        pixels = pixels + scale * torch.from_numpy(
            noise.standard_normal(pixels.shape, np.float32)
        ).to(device)
    return to_bytes(pixels)


def save_grid(images: np.ndarray, columns: int, path: Path) -> None:
    """Images (n, C, H, W) as one PNG, row by row, with white gaps of one pixel."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(path, optimize=True)
