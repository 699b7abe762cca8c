"""The batches of a training run: the items that each step trains on."""

from __future__ import annotations

import numpy as np

from .. import seeds


class Batches:
    """The items of every step: each item at most once per epoch, and only full batches.

    Parameters
    ----------
    items : size of the training set.
    batch_size : items per step.
    seed : of the shuffle, which is new in each epoch.
    """

    def __init__(self, items: int, batch_size: int, seed: int):
        self.items, self.batch_size, self.seed = items, batch_size, seed
        self.steps_per_epoch = items // batch_size
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __call__(self, step: int) -> np.ndarray:
        """The ``batch_size`` different indices of step 0, 1, ..."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = seeds.generator(self.seed, "order", epoch).permutation(self.items)
        return self._order[batch * self.batch_size : (batch + 1) * self.batch_size]
