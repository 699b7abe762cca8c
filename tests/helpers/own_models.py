"""Own models as a reader writes them: one for each kind of data."""

import os
import sys

import numpy as np
import torch


class Normal:
    """A Gaussian fitted to an array."""

    def __init__(self, items=40, scale=1.0):
        self.items, self.scale = items, scale

    def real_data(self):
        rng = np.random.default_rng(0)
        return self.scale * rng.normal(size=(self.items, 2)), self.scale * rng.normal(size=(30, 2))

    def fit(self, training_data, seed, checkpoint):
        rows = np.asarray(training_data)
        return rows.mean(0), rows.std(0)

    def sample(self, model, size, seed):
        return model[0] + model[1] * np.random.default_rng(seed).normal(size=(size, 2))

    def evaluate(self, model, real_test):
        return {"loss": float(np.mean((np.asarray(real_test) - model[0]) ** 2))}


class Tensors(Normal):
    """The same with torch tensors, which it must get back."""

    NAME = "tensor_model"

    def real_data(self):
        return tuple(torch.from_numpy(part) for part in super().real_data())

    def fit(self, training_data, seed, checkpoint):
        assert isinstance(training_data, torch.Tensor)
        return training_data.mean(0), training_data.std(0)

    def sample(self, model, size, seed):
        generator = torch.Generator().manual_seed(seed % 2**32)
        return model[0] + model[1] * torch.randn(size, 2, generator=generator, dtype=torch.float64)

    def evaluate(self, model, real_test):
        assert isinstance(real_test, torch.Tensor)
        return {"loss": float((real_test - model[0]).square().mean())}


class Texts:
    """Words drawn from the words seen."""

    def real_data(self):
        return [f"word{i % 7}" for i in range(40)], ["word1", "word2"]

    def fit(self, training_data, seed, checkpoint):
        assert all(isinstance(text, str) for text in training_data)
        return sorted(training_data)

    def sample(self, model, size, seed):
        return [model[i] for i in np.random.default_rng(seed).integers(len(model), size=size)]

    def evaluate(self, model, real_test):
        return {"missing": float(len(set(real_test) - set(model)))}


class NotANumber(Normal):
    def evaluate(self, model, real_test):
        return {"loss": float("nan")}


class Drifting(Normal):
    """Equal up to rounding, as on a GPU."""

    calls = 0

    def fit(self, training_data, seed, checkpoint):
        type(self).calls += 1
        mean, std = super().fit(training_data, seed, checkpoint)
        return mean * (1 + 1e-9 * self.calls), std


class Table(Texts):
    """The words as a Hugging Face data set, which it must get back."""

    def real_data(self):
        train, test = super().real_data()
        return dataset(train), dataset(test)

    def fit(self, training_data, seed, checkpoint):
        return super().fit(training_data["word"][:], seed, checkpoint)

    def sample(self, model, size, seed):
        return dataset(super().sample(model, size, seed))

    def evaluate(self, model, real_test):
        return super().evaluate(model, real_test["word"][:])


def dataset(words):
    from datasets import Dataset

    return Dataset.from_dict({"word": words})


class Quitting(Normal):
    """Its fit ends otherwise than by returning a model."""

    def __init__(self, how="exit"):
        super().__init__()
        self.how = how

    def fit(self, training_data, seed, checkpoint):
        if self.how == "pipe":
            raise BrokenPipeError(32, "Broken pipe")
        if self.how == "exit":
            sys.exit(0)
        os._exit(0)
