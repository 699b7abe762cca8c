"""The variational autoencoder (Kingma and Welling 2014), in the shape of the public VanillaVAE.

    encoder   [convolution 3x3, stride 2; BatchNorm; LeakyReLU] x levels,
              then mean and log variance of z
    decoder   linear, [transposed convolution 3x3, stride 2; BatchNorm; LeakyReLU] x levels,
              convolution 3x3, sigmoid

Pixels are numbers from 0 to 1.  With x of C x H x W values and z of L latent variables, the loss of
one image is

    |x - decode(z)|^2 / (C H W)  +  kl_weight * KL(N(mu, diag(sigma2)) || N(0, I)),
    z = mu + sigma * noise

which is a mean over pixels and channels plus a sum over latent variables.  The loss of a batch or a
data set is the mean over its images.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from .config import ImagesConfig


def _block(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.LeakyReLU(inplace=True))


class VAE(nn.Module):
    """A convolutional VAE for ``channels`` x ``size`` x ``size``, a multiple of 2^levels."""

    def __init__(self, *, channels: int, size: int, width: int, levels: int, latent: int):
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.smallest = (widths[-1], size // 2**levels, size // 2**levels)
        features = int(np.prod(self.smallest))
        inputs = [channels, *widths[:-1]]
        self.encoder = nn.Sequential(
            *(
                _block(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), b)
                for a, b in zip(inputs, widths, strict=True)
            )
        )
        self.to_mean = nn.Linear(features, latent)
        self.to_log_variance = nn.Linear(features, latent)
        self.from_latent = nn.Linear(latent, features)
        up = [*reversed(widths), width]  # the last doubling keeps the width, as in VanillaVAE
        self.decoder = nn.Sequential(
            *(
                _block(
                    nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1, bias=False),
                    b,
                )
                for a, b in pairwise(up)
            ),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z given x, both (images, latent)."""
        features = self.encoder(x).flatten(1)
        return self.to_mean(features), self.to_log_variance(features)

    def decode(self, z: Tensor) -> Tensor:
        """Images (images, channels, size, size) with pixels in [0, 1] for z (images, latent)."""
        return torch.sigmoid(self.decoder(self.from_latent(z).unflatten(1, self.smallest)))


def losses(model: VAE, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared error (pixel mean) and KL in nats, both (images,), and the reconstructions.

    ``x`` are images with pixels in [0, 1]; ``noise`` (images, latent) is standard normal.
    """
    mean, log_variance = model.encode(x)
    reconstruction = model.decode(mean + torch.exp(0.5 * log_variance) * noise)
    error = (reconstruction - x).square().mean((1, 2, 3))
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    return error, kl, reconstruction


def pixel_noise(kl_weight: float, values: int) -> float:
    """The decoder's standard deviation, in pixels from 0 to 1, for which the loss bounds the
    evidence.

    With variance s^2 for each of P = C H W values the negative bound is |x - decode(z)|^2 / (2 s^2)
    + KL, up to a constant.  It is proportional to |x - decode(z)|^2 / P + (2 s^2 / P) KL, so
    kl_weight = 2 s^2 / P.
    """
    return math.sqrt(kl_weight * values / 2)


def to_float(images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 images (n, C, H, W) as float32 in [0, 1] on the device, channels last in memory."""
    batch = torch.from_numpy(images).to(device, non_blocking=True)
    return batch.to(torch.float32, memory_format=torch.channels_last).div_(255)


def to_bytes(pixels: Tensor) -> np.ndarray:
    """Images in [0, 1] as uint8 (n, C, H, W), as they are stored and trained on."""
    return pixels.mul(255).round_().clamp_(0, 255).to(torch.uint8).contiguous().cpu().numpy()


def build(config: ImagesConfig, *, channels: int, seed: int) -> VAE:
    """A freshly initialised model; the same for the same seed, whatever was drawn before."""
    sizes = {name: getattr(config, name) for name in ("size", "width", "levels", "latent")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VAE(channels=channels, **sizes)
    return model.to(memory_format=torch.channels_last)
