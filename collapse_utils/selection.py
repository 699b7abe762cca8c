"""Which items of its blocks iteration t trains on: all, a random part, or a share of real ones.

``accumulate_subsample`` draws n items uniformly, without replacement.  ``fixed_real=0.25`` and
``redrawn_real=0.25`` train on n items of which that share is real and the rest are from the last
generation; the real items are always the same, or are drawn anew in each iteration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SHARED = ("fixed_real=SHARE", "redrawn_real=SHARE")
_SHARE = re.compile(r"(?:fixed_real|redrawn_real)=(0|1|0\.\d*[1-9])")  # one spelling per share


def share_of_real(regime: str) -> float | None:
    """The share of real data in the name of a regime; None if it has none."""
    match = _SHARE.fullmatch(str(regime))
    return float(match[1]) if match else None


def draws_subset(regime: str) -> bool:
    """Whether a regime trains on n items, however many blocks there are."""
    return regime == "accumulate_subsample" or share_of_real(regime) is not None


def rows(regime: str, iteration: int, blocks: int, n: int, seed: int) -> np.ndarray | None:
    """Indices of the items that iteration t uses of its ``blocks``, of n items each; None for all.

    A regime with a share has the real block first.  The items of a synthetic block have no order,
    so it uses the first ones.  ``seed`` is that of the chain.
    """
    if blocks == 1 or not draws_subset(regime):
        return None
    import numpy as np  # here, so that listing the regimes on the command line stays fast

    from . import seeds

    share = share_of_real(regime)
    if share is None:
        rng = seeds.generator(seed, "iteration", iteration, "subsample")
        return np.sort(rng.choice(blocks * n, n, replace=False))
    when = () if regime.startswith("fixed_real") else ("iteration", iteration)
    rng = seeds.generator(seed, *when, "real items")
    real = np.sort(rng.permutation(n)[: round(share * n)])
    return np.concatenate([real, n + np.arange(n - len(real))])
