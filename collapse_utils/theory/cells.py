"""The cases of two theory chapters that ``published.py`` turns into rows: chains and closed forms.

A *regime* is the closed form that is checked, a *variant* its setting.  A case without a closed
form has zeros in its place.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import mixing, sharpening

Case = tuple[str, str, np.ndarray, np.ndarray]  # variant, regime, chains (R, N), formula (N,)


# Chapter: what real data are worth

SETS = ((1, 9), (1, 4), (1, 1), (4, 1))  # sets of real and of synthetic labels


def mixing_formula(regime: str, r: int, s: int, t: np.ndarray) -> np.ndarray:
    """The closed form of a regime of this chapter, in units of the first fit's error."""
    if regime == "accumulated":
        return mixing.accumulated(t, r / (r + s))
    if regime == "new-rows":
        return mixing.fresh_error(t, 12 * r, 12 * s, 3) / mixing.fresh_error(1, 12 * r, 12 * s, 3)
    fields = {
        "fresh": {},
        "fixed": {"pool": r},
        "pool": {"pool": 3 * r},
        "weighted": {"weight": mixing.best_weight(r, s)},
    }[regime]
    return mixing.growth(t, r, s, **fields) * (r + s)


FORMS = ("fresh", "fixed", "pool", "weighted", "accumulated", "new-rows")


def mixing_cases(repeats: int, seed: int) -> Iterator[Case]:
    """Real data that are fresh, fixed, from a pool, weighted, accumulated, and with new rows."""
    t = np.arange(1, 21)
    for r, s in SETS:
        own = {
            "fixed": {"pool": r},
            "pool": {"pool": 3 * r},
            "weighted": {"weight": mixing.best_weight(r, s)},
            "accumulated": {"accumulate": True},
            "new-rows": {"d": 3, "T": 12, "new_rows": True},
        }
        for regime in FORMS:
            fields = own.get(regime, {})
            config = mixing.Mixing(r, s, iterations=len(t), repeats=50 * repeats, **fields)
            errors = mixing.simulate(config, seed)
            rows = config.T * (r + s) if config.new_rows else config.T
            base = config.d / (rows - config.d - 1) / (1 if config.new_rows else r + s)
            yield f"r={r},s={s}", regime, errors / base, mixing_formula(regime, r, s, t)


# Chapter: what the loss cannot see

TAUS = (0.3, 0.9)
SHARES = {"accumulate": None, "fixed_real=0.1": 0.1, "fixed_real=0.5": 0.5}


def sharpening_cases(repeats: int, seed: int) -> Iterator[Case]:
    """Depths and words of the learner that keeps components, and the rise of its loss."""
    t_all = range(1, 21)
    for tau in TAUS:
        for name, share in SHARES.items():
            regime = "accumulate" if share is None else "share"
            fields = {"regime": regime, "share": share, "repeats": 2 * repeats}
            config = sharpening.Stories(tau=tau, iterations=len(t_all), **fields)
            found, p = sharpening.simulate(config, seed), sharpening.zipf(config.words)
            weights = [sharpening.depths(t, regime, share) for t in t_all]
            depth = np.array([w @ np.arange(len(w)) for w in weights])
            yield f"depth,tau={tau}", name, found["depths"] @ np.arange(len(depth)), depth
            words = [sharpening.sampled_words(p, tau, t, regime, share)[0] for t in t_all]
            first = found["words"][..., 0] / found["words"].sum(axis=2)
            yield f"words,tau={tau}", name, first, np.array(words)
            rise = found["loss"] - found["loss"][:, :1]
            yield f"rise,tau={tau}", name, rise, np.zeros(len(t_all))
