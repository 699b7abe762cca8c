"""Which items a step trains on."""

import numpy as np

from collapse_utils.training.batches import Batches


def test_every_item_is_in_one_batch_of_an_epoch_and_epochs_differ():
    batches = Batches(1003, 8, seed=3)
    assert batches.steps_per_epoch == 1003 // 8
    first = [batches(step) for step in range(125)]
    assert len(set(np.concatenate(first))) == 1000
    assert not np.array_equal(first[0], batches(125))


def test_a_batch_depends_on_its_step_alone():
    forward, backward = Batches(50, 8, seed=1), Batches(50, 8, seed=1)
    order = range(3 * forward.steps_per_epoch)
    there = [forward(step) for step in order]
    back = [backward(step) for step in reversed(order)]
    assert all(np.array_equal(a, b) for a, b in zip(there, reversed(back), strict=True))
