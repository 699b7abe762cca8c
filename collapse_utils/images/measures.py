"""What collapse looks like in images: spread, Fréchet distance, precision, recall and modes.

Features are the principal components of the real training images.  They show light, pose, hair and
the shape of a face, and how much of that variety the samples cover.  They do not show what is
outside the first components: sharpness, texture and small details.  A blurred face and a sharp one
have nearly the same features, so none of these numbers measures how good an image looks, and they
cannot be compared with scores in features of Inception.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.cluster.vq import kmeans2, vq
from scipy.spatial.distance import cdist

from .. import seeds

FITTED_ON = 2048  # real training images, at most: enough for the components that are used


def _rows(images: np.ndarray) -> np.ndarray:
    """uint8 images (n, C, H, W) as float64 (n, C H W) in [0, 1]."""
    return np.asarray(images).reshape(len(images), -1) / 255.0


@dataclass(frozen=True)
class Features:
    """Principal components of real training images, and k-means clusters in them."""

    mean: np.ndarray  # (pixels,)
    components: np.ndarray  # (pixels, dimensions)
    centres: np.ndarray  # (clusters, dimensions)
    explained: float  # share of the variance of the real training images in the components

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, dimensions) of images, whose distances are root mean squares over pixels."""
        return (_rows(images) - self.mean) @ self.components


def fit_features(real_train: np.ndarray, dimensions: int, clusters: int) -> Features:
    """Features fitted to at most ``FITTED_ON`` real training images, evenly spaced."""
    rows = _rows(real_train[:: -(-len(real_train) // FITTED_ON)])
    mean = rows.mean(axis=0)
    centred = rows - mean
    # Principal components through the Gram matrix: it is smaller than the covariance of the pixels.
    values, vectors = np.linalg.eigh(centred @ centred.T)
    keep = np.argsort(values)[::-1][: min(dimensions, len(rows) - 1)]
    components = centred.T @ (vectors[:, keep] / np.sqrt(np.maximum(values[keep], 1e-12)))
    features = centred @ components
    rng = seeds.generator(0, "image clusters")
    centres, _ = kmeans2(
        features, min(clusters, len(rows)), iter=50, minit="++", missing="raise", rng=rng
    )
    return Features(mean, components, centres, float(values[keep].sum() / values.sum()))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Fréchet distance of Gaussians fitted to two sets of features (n, dimensions)."""
    between = np.square(a.mean(0) - b.mean(0)).sum()
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root_a = _root(covariance_a)
    # trace of (A B)^(1/2), by the symmetric matrix A^(1/2) B A^(1/2) that has the same eigenvalues
    eigenvalues = linalg.eigvalsh(root_a @ covariance_b @ root_a)
    cross = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(max(between + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross, 0.0))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _coverage(points: np.ndarray, support: np.ndarray, k: int) -> float:
    """Share of ``points`` within the distance of a ``support`` point to its k-th neighbour."""
    radius = np.partition(cdist(support, support), k, axis=1)[:, k]  # column 0 is the point itself
    return float((cdist(points, support) <= radius).any(axis=1).mean())


def precision_and_recall(samples: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019) of samples and real images.

    Both sets are cut to the size of the smaller one, since radii depend on the number of points.
    """
    count = min(len(samples), len(real))
    samples, real = samples[:count], real[:count]
    return _coverage(samples, real, k), _coverage(real, samples, k)


def modes(features: np.ndarray, centres: np.ndarray) -> int:
    """How many clusters of real training images are the nearest one of at least one sample."""
    return len(np.unique(vq(features, centres)[0]))


def total_variance(images: np.ndarray) -> float:
    """Variance over images, summed over pixels."""
    return float(_rows(images).var(axis=0).sum())


def measure(
    samples: np.ndarray, real_test: np.ndarray, features: Features, k: int
) -> dict[str, float]:
    """All diversity metrics of ``samples`` against real images; both uint8 (n, C, H, W)."""
    sampled, real = features(samples), features(real_test)
    precision, recall = precision_and_recall(sampled, real, k)
    return {
        "sample_variance_ratio": total_variance(samples) / total_variance(real_test),
        "frechet_distance": frechet_distance(sampled, real),
        "precision": precision,
        "recall": recall,
        "modes": float(modes(sampled, features.centres)),
    }
