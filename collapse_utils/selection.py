"""Which items of its blocks iteration t trains on: all, a random part, or a share of real ones.

``accumulate_subsample`` draws n items uniformly, without replacement.  ``fixed_real=0.25`` and
``redrawn_real=0.25`` train on n items of which that share is real, always the same ones or others
each time; the rest are from the last generation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SHARED = ("fixed_real=SHARE", "redrawn_real=SHARE")
_SHARE = re.compile(r"(?:fixed_real|redrawn_real)=(0|1|0\.\d*[1-9])")  # one spelling for each share


def share_of_real(regime: str) -> float | None:
    """The parameter of a regime that has one; else None."""
    match = _SHARE.fullmatch(str(regime))
    return float(match[1]) if match else None


def draws_subset(regime: str) -> bool:
    """Whether a regime takes n items of its blocks, however many blocks there are."""
    return regime == "accumulate_subsample" or share_of_real(regime) is not None


def rows(regime: str, iteration: int, blocks: int, n: int, seed: int) -> np.ndarray | None:
    """Places of the items that iteration t takes of its ``blocks``, of n items each; None: all.

    A regime with a share has the real block before the synthetic one, whose items are in no order,
    so it takes them from its start.  ``seed`` is that of the chain.
    """
    if blocks == 1 or not draws_subset(regime):
        return None
    import numpy as np  # here, for a command line that only asks which regimes there are

    from . import seeds

    share = share_of_real(regime)
    if share is None:
        rng = seeds.generator(seed, "iteration", iteration, "subsample")
        return np.sort(rng.choice(blocks * n, n, replace=False))
    when = () if regime.startswith("fixed_real") else ("iteration", iteration)
    rng = seeds.generator(seed, *when, "real items")
    real = np.sort(rng.permutation(n)[: round(share * n)])
    return np.concatenate([real, n + np.arange(n - len(real))])
