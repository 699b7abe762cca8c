"""A training set of many generations: the same rows as in one array, without a file descriptor for
each.
"""

import os

import numpy as np

from collapse_utils import data


def test_a_pool_of_many_files_keeps_none_of_them_open(tmp_path):
    blocks = []
    for generation in range(data.MAX_OPEN_FILES + 40):
        folder = tmp_path / str(generation)
        folder.mkdir()
        data.save(
            np.random.default_rng(generation).integers(0, 256, (5, 2, 3), dtype=np.uint8), folder
        )
        blocks.append(folder)
    expected = np.concatenate([data.load(folder) for folder in blocks])
    before = len(os.listdir("/proc/self/fd"))
    pool = data.join([data.load(folder) for folder in blocks])
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    rows = np.random.default_rng(0).integers(0, len(pool), 64)
    assert np.array_equal(pool[rows], expected[rows]) and np.array_equal(pool[3:9], expected[3:9])
    assert len(os.listdir("/proc/self/fd")) <= before + 1 and pool.dtype == np.uint8
    few = data.join([data.load(folder) for folder in blocks[:3]], np.array([0, 7, 11]))
    assert np.array_equal(np.asarray(few), expected[[0, 7, 11]])
