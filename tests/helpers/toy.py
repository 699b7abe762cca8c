"""A small section: the d-dimensional Gaussian, fitted by maximum likelihood."""

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
        return rng.normal(size=(self.config.items, self.dimensions)), rng.normal(
            size=(200, self.dimensions)
        )

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


class Neural(Gaussian):
    """A network with dropout that learns the mean; ``stop_at`` = (fit, step) interrupts it."""

    def __init__(self, config: GaussianConfig, stop_at: tuple[int, int] | None = None):
        super().__init__(config)
        self.stop_at = stop_at

    def fit(self, training_data, seed, checkpoint):
        import torch

        from collapse_utils.durable.signals import Interrupted
        from collapse_utils.training.loop import Plan, train

        self.fits += 1
        rows = torch.from_numpy(np.array(training_data)).float()
        torch.manual_seed(seed % 2**32)
        model = torch.nn.Sequential(
            torch.nn.Linear(1, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, self.dimensions)
        )

        def batch_at(step):
            if self.stop_at == (self.fits, step):
                raise Interrupted(15)
            return rows[np.random.default_rng([seed % 2**32, step]).integers(len(rows), size=16)]

        def loss_of(model, batch):
            return (model(torch.ones(len(batch), 1)) - batch).square().mean()

        plan = Plan(
            steps=12, learning_rate=0.05, warmup=0.1, final_rate=0.1, weight_decay=0.0, clip=1.0
        )
        train(model, batch_at, loss_of, plan, seed=seed, checkpoint=checkpoint, items_per_step=16)
        with torch.no_grad():
            return model(torch.ones(1, 1))[0].double().numpy(), np.ones(self.dimensions), len(rows)


def chain(regime="replace", seed=0, **fields) -> Chain:
    config = GaussianConfig(**{"iterations": 4, **fields})
    return Chain("gaussian", regime, seed, config)
