"""Copy this file, and put your own model in the place of this Gaussian: four methods."""

import numpy as np


class MyModel:
    def __init__(self, items=100):  # on the command line: --arg items=50
        self.items = items

    def real_data(self):  # the real training set and the real test set
        points = np.random.default_rng(0).normal(size=(2 * self.items, 2))
        return points[: self.items], points[self.items :]

    def fit(self, training_data, seed, checkpoint):  # a new model, trained from scratch
        rows = np.asarray(training_data)
        return rows.mean(axis=0), rows.std(axis=0)

    def sample(self, model, size, seed):  # so many items, like those of real_data
        mean, deviation = model
        return np.random.default_rng(seed).normal(mean, deviation, (size, len(mean)))

    def evaluate(self, model, real_test):  # numbers by name, here in nats per point
        mean, deviation = model
        nats = ((real_test - mean) / deviation) ** 2 / 2 + np.log(deviation) + np.log(2 * np.pi) / 2
        return {"negative_log_likelihood": nats.sum(axis=1).mean()}
