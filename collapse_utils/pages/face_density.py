"""The book's example of an own model: a kernel density estimate of faces."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity

from .. import sections


class FaceDensity:
    """A kernel density estimate on principal components (Kazdan et al. 2024)."""

    NAME = "own_model"  # in results and folders

    def __init__(self, dimensions=8, bandwidth=0.5, preset="smoke", data="default"):
        self.dimensions, self.bandwidth = dimensions, bandwidth
        self.preset, self.data = preset, data  # of the section on faces

    def real_data(self):
        faces, _ = sections.make(
            "images", preset=self.preset, regime="replace", seed=0, data=self.data
        )
        real = faces.real_data()  # training and test photographs
        train, test = (np.asarray(part).reshape(len(part), -1) / 255 for part in real)
        components = PCA(self.dimensions, whiten=True, svd_solver="full").fit(train)
        return components.transform(train), components.transform(test)

    def fit(self, training_data, seed, checkpoint):
        return KernelDensity(bandwidth=self.bandwidth).fit(np.asarray(training_data))

    def sample(self, model, size, seed):
        return model.sample(size, random_state=seed % 2**32)

    def evaluate(self, model, real_test):
        # nats a photograph
        return {"negative_log_likelihood": -model.score(real_test) / len(real_test)}
