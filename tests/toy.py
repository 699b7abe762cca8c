"""A section small enough to reason about: the d-dimensional Gaussian, fitted by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collapse_utils import seeds
from collapse_utils.chain import Chain
from collapse_utils.presets import Config, setting


@dataclass(frozen=True)
class GaussianConfig(Config):
    SAMPLING_FIELDS = ("temperature",)
    items: int = setting(50, "real training items", at_least=2)
    temperature: float = setting(1.0, "scales the standard deviation of samples", above=0)


class Gaussian:
    def __init__(self, config: GaussianConfig, dimensions: int = 3):
        self.config, self.dimensions, self.fits = config, dimensions, 0

    def real_data(self):
        rng = seeds.generator(7, "gaussian data")
        return rng.normal(size=(self.config.items, self.dimensions)), rng.normal(size=(200, self.dimensions))

    def fit(self, training_data, seed, checkpoint):
        self.fits += 1
        rows = np.asarray(training_data)
        return rows.mean(axis=0), rows.std(axis=0), len(rows)

    def sample(self, model, size, seed):
        mean, std, _ = model
        noise = seeds.generator(seed, "noise").normal(size=(size, self.dimensions))
        return mean + self.config.temperature * std * noise

    def evaluate(self, model, real_test):
        mean, std, items = model
        loss = np.mean(((real_test - mean) / std) ** 2 / 2 + np.log(std))
        return {"negative_log_likelihood": loss, "standard_deviation": std.mean(), "items": items}


def chain(regime="replace", seed=0, **fields) -> Chain:
    config = GaussianConfig(**{"iterations": 4, **fields})
    return Chain("gaussian", regime, seed, config)
