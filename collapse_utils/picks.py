"""Which items of its blocks iteration t trains on: a pure function of its arguments."""

from __future__ import annotations

import numpy as np

from . import regimes, seeds


def rows(regime: str, iteration: int, n: int, seed: int) -> np.ndarray | None:
    """Places of the items in ``regimes.trains_on``, whose blocks have n items each; None: all.

    ``accumulate_subsample`` draws n items uniformly, without replacement.  A regime with a share of
    real items draws these in the same way; the synthetic ones are in no order, so it takes them
    from the start of their block.  ``seed`` is that of the chain.
    """
    blocks = len(regimes.trains_on(regime, iteration))
    if blocks == regimes.training_size(regime, iteration):
        return None
    share = regimes.share_of_real(regime)
    if share is None:
        rng = seeds.generator(seed, "iteration", iteration, "subsample")
        return np.sort(rng.choice(blocks * n, n, replace=False))
    when = () if regime.startswith("fixed_real") else ("iteration", iteration)
    rng = seeds.generator(seed, *when, "real items")
    real = np.sort(rng.permutation(n)[: round(share * n)])
    return np.concatenate([real, n + np.arange(n - len(real))])
