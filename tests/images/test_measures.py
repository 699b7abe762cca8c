"""Diversity metrics against closed forms and against slower, simpler code."""

import numpy as np
import pytest
from scipy import linalg

from collapse_utils.images import measures


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(8, 3 * 8 * 8)) * 30
    pixels = 128 + rng.normal(size=(300, 8)) @ looks + rng.normal(size=(300, 192)) * 3
    return pixels.clip(0, 255).astype(np.uint8).reshape(300, 3, 8, 8)


def test_features_are_the_principal_components(images):
    features = measures.fit_features(images, 5, 10)
    rows = images.reshape(300, -1) / 255.0
    _, singular, right = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    expected = (rows - rows.mean(0)) @ right[:5].T
    assert np.allclose(np.abs(features(images)), np.abs(expected), atol=1e-8)
    assert features.explained == pytest.approx(
        np.square(singular[:5]).sum() / np.square(singular).sum()
    )
    again = measures.fit_features(images, 5, 10)
    assert np.array_equal(again.centres, features.centres) and np.array_equal(
        again.components, features.components
    )


def test_at_most_so_many_images_are_used_and_more_dimensions_than_images_are_cut(
    images, monkeypatch
):
    assert measures.fit_features(images[:6], 32, 32).components.shape == (192, 5)
    monkeypatch.setattr(measures, "FITTED_ON", 100)
    thinned = measures.fit_features(images, 4, 6)
    assert np.array_equal(thinned.mean, (images[::3].reshape(100, -1) / 255.0).mean(0))


def test_frechet_distance_of_gaussians_in_closed_form():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(400, 3))
    assert measures.frechet_distance(a, a) == pytest.approx(0, abs=1e-10)
    assert measures.frechet_distance(a, a + np.array([3, 0, 4])) == pytest.approx(25)
    centred = a - a.mean(0)
    assert measures.frechet_distance(centred, 2 * centred) == pytest.approx(
        np.trace(np.cov(a, rowvar=False))
    )
    b = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3))
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    cross = linalg.sqrtm(covariance_a @ covariance_b).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(
        covariance_a + covariance_b - 2 * cross
    )
    assert measures.frechet_distance(a, b) == pytest.approx(expected)


def test_precision_and_recall_against_a_loop():
    rng = np.random.default_rng(2)
    samples, real = rng.normal(size=(40, 2)) * 0.5, rng.normal(size=(60, 2))

    def share(points, support, k):
        inside = 0
        for point in points:
            for centre in support:
                radius = sorted(np.linalg.norm(support - centre, axis=1))[k]
                if np.linalg.norm(point - centre) <= radius:
                    inside += 1
                    break
        return inside / len(points)

    result = measures.precision_and_recall(samples, real, 3)
    assert result == (share(samples, real[:40], 3), share(real[:40], samples, 3))


def test_what_precision_and_recall_say_of_collapse():
    real = np.random.default_rng(3).normal(size=(200, 4))
    assert measures.precision_and_recall(real, real, 3) == (1.0, 1.0)
    assert measures.precision_and_recall(real + 100, real, 3) == (0.0, 0.0)
    collapsed = (
        np.repeat(real[:1], 200, axis=0) + np.random.default_rng(4).normal(size=(200, 4)) * 1e-3
    )
    precision, recall = measures.precision_and_recall(collapsed, real, 3)
    assert precision == 1.0 and recall < 0.02


def test_modes_and_variance(images):
    features = measures.fit_features(images, 5, 12)
    assert measures.modes(features(images), features.centres) == 12
    assert measures.modes(features(np.repeat(images[:1], 50, axis=0)), features.centres) == 1
    assert measures.total_variance(images[:1]) == 0
    half = (images.astype(float) / 2).astype(np.uint8)
    assert measures.total_variance(half) == pytest.approx(
        measures.total_variance(images) / 4, rel=0.02
    )


def test_a_collapsed_sample_is_seen_by_every_metric(images):
    real, test = images[:200], images[200:]
    features = measures.fit_features(real, 5, 20)
    good = measures.measure(real, test, features, 3)
    narrow = (real.astype(float) * 0.1 + real.mean(0) * 0.9).astype(np.uint8)
    bad = measures.measure(narrow, test, features, 3)
    assert bad["sample_variance_ratio"] < 0.05 < 0.8 < good["sample_variance_ratio"] < 1.2
    assert bad["frechet_distance"] > 5 * good["frechet_distance"]
    assert bad["recall"] < good["recall"] and bad["modes"] < good["modes"]
