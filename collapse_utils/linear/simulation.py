"""Many chains of least-squares fits at once.

Where all generations share their rows X (the theorems), a fit depends on its noise only through d
numbers.  With X = Q R, Q orthonormal and R upper triangular,

    w = R^-1 Q'y,   so for y = X v + e:   w - v = R^-1 g,   g = Q'e ~ N(0, sigma2 I_d).

X is factorised once for a whole chain.  :func:`errors` computes R and g from given draws, and gives
the same errors as one ``lstsq`` per repeat and iteration.  :func:`simulate` needs only the right
distribution and draws R and g directly.  R'R = X'X is a Wishart matrix, whose factor R has
independent entries: a chi with T - i + 1 degrees of freedom at place i of the diagonal and N(0, 1)
above it (Bartlett), independent of g.  X is then never needed, and the cost does not depend on T.

Under accumulate_subsample the weights of the rows differ between iterations.  There X, the noise of
every item and the picks are drawn in full, and all Gram matrices of a chain come from one matrix
product.

sigma2 only scales the noise: for the same draws, the errors at sigma2 are exactly sigma2 times
those at 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from .. import regimes, seeds
from ..training.allocator import keep_memory
from .config import Linear, covariance_factor
from .draws import Draws, block_list, draw

QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


def errors(config: Linear, regime: str, draws: Draws) -> np.ndarray:
    """Test error |w_n - w*|_S^2 of every fit for given draws, shape (R, iterations)."""
    regimes.check(regime)
    if regime == "accumulate_subsample":
        return _subsample(config, draws)
    # Blocks of one generation that share their rows enter a fit through the mean of their noise.
    sizes = np.bincount([block.generation for block in block_list(regime, config.iterations)])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    if config.x == "fresh":
        gram = np.matmul(draws.x.swapaxes(2, 3), draws.x)  # (R, B, d, d)
        moment = np.matmul(draws.x.swapaxes(2, 3), draws.noise[..., None])[..., 0]  # (R, B, d), X'e
        return _fresh(
            config, regime, np.add.reduceat(gram, starts, 1), np.add.reduceat(moment, starts, 1)
        )
    noise = draws.noise
    if sizes.max() > 1:
        noise = np.add.reduceat(noise, starts, axis=1) / sizes[:, None]
    X = draws.x[:, 0]
    if 2 * config.d > config.T:  # X may be nearly singular, and X'X squares its condition
        Q, R = np.linalg.qr(X)
        return _same(config, regime, R, noise @ Q)
    R = np.linalg.cholesky(X.swapaxes(1, 2) @ X).swapaxes(1, 2)
    return _same(config, regime, R, (noise @ X) @ np.linalg.inv(R))


def simulate(config: Linear, regime: str, seed: int) -> np.ndarray:
    """Test errors of ``config.repeats`` independent repeats, shape (repeats, iterations).

    Distributed exactly as :func:`errors` of fresh draws.  Each chunk of repeats has its own seed,
    so ``config.threads`` changes the speed and no bit of the result.
    """
    regimes.check(regime)
    keep_memory()
    chunks = list(enumerate(_chunks(config, regime)))

    def one(chunk: tuple[int, int]) -> np.ndarray:
        number, repeats = chunk
        return _simulate_chunk(
            config, regime, seeds.generator(seed, "linear", regime, config.x, number), repeats
        )

    if config.threads == 1 or len(chunks) == 1:
        return np.concatenate([one(chunk) for chunk in chunks])
    # BLAS must not start threads of its own beside these
    with threadpool_limits(1), ThreadPoolExecutor(config.threads) as pool:
        return np.concatenate(list(pool.map(one, chunks)))


def summary(errors: np.ndarray) -> dict[str, np.ndarray]:
    """Mean test error with its 95% interval over repeats, each of shape (iterations,)."""
    mean = errors.mean(axis=0)
    margin = 1.96 * errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    return {"mean": mean, "low": mean - margin, "high": mean + margin}


def quantiles(errors: np.ndarray) -> np.ndarray:
    """Quantiles of the test error over repeats, shape (len(QUANTILES), iterations).

    Below T = d + 4 the tail of the error is so heavy that its variance is infinite.  A mean over
    repeats then depends on its largest value, while quantiles are stable.
    """
    return np.quantile(errors, QUANTILES, axis=0)


def _chunks(config: Linear, regime: str) -> Iterator[int]:
    """Sizes of chunks of repeats, small enough for the cache; fixed by the configuration alone."""
    rows = config.T if regime == "accumulate_subsample" else config.d
    matrices = config.iterations if config.x == "fresh" else 1
    numbers = rows * (config.iterations + config.d * matrices)
    size = int(np.clip(600_000 // numbers, 4, 250))
    for start in range(0, config.repeats, size):
        yield min(size, config.repeats - start)


def _simulate_chunk(
    config: Linear, regime: str, rng: np.random.Generator, repeats: int
) -> np.ndarray:
    if regime == "accumulate_subsample":
        return errors(config, regime, draw(config, regime, rng, repeats))
    N, d = config.iterations, config.d
    # number of blocks of generation n - 1
    sizes = np.arange(1, N + 1) if regime == "replace_multiple" else np.ones(N, int)
    if config.x == "same":
        R = bartlett(rng, np.full(repeats, config.T), d)
        g = rng.standard_normal((repeats, N, d)) / np.sqrt(sizes)[:, None]
        if config.condition != 1:
            # X = Z L', so X'X = (R L')'(R L'); that R L' is not triangular does not matter below
            R = R @ covariance_factor(config).T
        return _same(config, regime, R, g)
    R = bartlett(rng, np.tile(sizes * config.T, (repeats, 1)), d)
    if config.condition != 1:
        R = R @ covariance_factor(config).T
    gram = R.swapaxes(2, 3) @ R
    moment = (R.swapaxes(2, 3) @ rng.standard_normal((repeats, N, d, 1)))[..., 0]
    return _fresh(config, regime, gram, moment)


def bartlett(rng: np.random.Generator, rows: np.ndarray, d: int) -> np.ndarray:
    """Upper triangular R, (*rows.shape, d, d): R'R is distributed as Z'Z for Gaussian Z."""
    R = np.zeros((*rows.shape, d, d))
    above = np.triu_indices(d, 1)
    R[..., above[0], above[1]] = rng.standard_normal((*rows.shape, len(above[0])))
    R[..., np.arange(d), np.arange(d)] = np.sqrt(rng.chisquare(rows[..., None] - np.arange(d)))
    return R


def _same(config: Linear, regime: str, R: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Errors when all generations share X = Q R.

    R : (R, d, d) with R'R = X'X.  g : (R, N, d), Q' times the mean unit noise of generation n - 1.
    """
    # Replace adds a new R^-1 g to the last fit.  Accumulate fits the mean of n label vectors, that
    # of w* and those of the n - 1 earlier fits: w_n - w_{n-1} = R^-1 g_n / n.  Hence the sum of
    # 1/n^2 in Theorem 2.
    weighted = g / np.arange(1, config.iterations + 1)[:, None] if regime == "accumulate" else g
    h = np.cumsum(weighted, axis=1)
    to_error = np.linalg.inv(R).swapaxes(1, 2)
    if config.condition != 1:
        to_error = to_error @ covariance_factor(config)
    return config.sigma2 * np.square(h @ to_error).sum(axis=2)


def _fresh(config: Linear, regime: str, gram: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Errors when every block has its own rows; w* is 0, since the errors do not depend on it.

    gram : (R, N, d, d), X'X summed over the blocks of generation n - 1.
    moment : (R, N, d), X'e for unit noise, summed likewise.
    """
    L, result = covariance_factor(config), np.empty(moment.shape[:2])
    fits = label_sum = np.zeros_like(moment[:, 0])
    gram_sum = np.zeros_like(gram[:, 0])
    for n in range(1, config.iterations + 1):
        noise = np.sqrt(config.sigma2) * moment[:, n - 1]
        label = (gram[:, n - 1] @ fits[..., None])[..., 0] + noise  # X'y
        keep = regime == "accumulate"
        gram_sum, label_sum = keep * gram_sum + gram[:, n - 1], keep * label_sum + label
        fits = np.linalg.solve(gram_sum, label_sum[..., None])[..., 0]
        result[:, n - 1] = np.square(fits @ L).sum(axis=1)
    return result


def _subsample(config: Linear, draws: Draws) -> np.ndarray:
    """Errors of accumulate_subsample for given draws."""
    R, _, T, d = draws.x.shape
    N, L = config.iterations, covariance_factor(config)
    offset = np.arange(R)[:, None] * T
    w_star = draws.w_star  # matters where the picks do not determine the fit
    y = np.empty((R, N, T))  # labels of generation n - 1
    rows = [(picked % T + offset).ravel() for picked in draws.picks]
    counts = np.stack(  # of each row among the picks, (R, N, T)
        [np.bincount(row, minlength=R * T).reshape(R, T) for row in rows], axis=1
    )
    same = config.x == "same"
    X = draws.x[:, 0]
    gram = _weighted_grams(X, counts) if same else None
    # with hardly more different rows than features, X'X would lose too many digits
    few = np.count_nonzero(counts, axis=2) < d + 8
    fits, result = w_star, np.empty((R, N))
    for n in range(1, N + 1):
        x = draws.x[:, 0 if same else n - 1]
        y[:, n - 1] = (x @ fits[..., None])[..., 0] + np.sqrt(config.sigma2) * draws.noise[:, n - 1]
        picked = draws.picks[n - 1]
        if same:
            labels = np.bincount(
                rows[n - 1], y.ravel().take((picked + N * offset).ravel()), minlength=R * T
            )
            matrix, moment = gram[:, n - 1], X.swapaxes(1, 2) @ labels.reshape(R, T, 1)
        else:
            chosen = draws.x.reshape(-1, d).take(picked + N * offset, axis=0)  # (R, T, d)
            labels = y.ravel().take(picked + N * offset)[..., None]
            matrix, moment = chosen.swapaxes(1, 2) @ chosen, chosen.swapaxes(1, 2) @ labels
        if same and few[:, n - 1].any():
            fits = _lstsq_fits(X, counts[:, n - 1], labels.reshape(R, T))
        else:
            fits = np.linalg.solve(matrix, moment)[..., 0]
        result[:, n - 1] = np.square((fits - w_star) @ L).sum(axis=1)
    return result


def _weighted_grams(X: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """X' diag(counts) X, (R, N, d, d), for X (R, T, d) and counts (R, N, T).

    Each Gram matrix is a sum over rows of x x', weighted by counts.  With the products x_a x_b,
    a <= b, as columns, all iterations are one matrix product.
    """
    R, T, d = X.shape
    column = np.zeros((d, d), int)
    upper = np.triu_indices(d)
    column[upper] = column.T[upper] = np.arange(len(upper[0]))
    columns = np.ascontiguousarray(X.swapaxes(1, 2))
    products = np.empty((len(upper[0]), T))
    gram = np.empty((R, counts.shape[1], d, d))
    for r in range(R):
        start = 0
        for a in range(d):
            np.multiply(columns[r, a:], columns[r, a], out=products[start : start + d - a])
            start += d - a
        gram[r] = (counts[r] @ products.T).take(column, axis=1)
    return gram


def _lstsq_fits(X: np.ndarray, counts: np.ndarray, label_sums: np.ndarray) -> np.ndarray:
    """Least squares on few different rows, by ``lstsq``: the solution of smallest norm."""
    fits = np.empty((len(X), X.shape[2]))
    for r in range(len(X)):
        seen = counts[r] > 0
        root = np.sqrt(counts[r, seen])
        fits[r] = np.linalg.lstsq(
            X[r, seen] * root[:, None], label_sums[r, seen] / root, rcond=None
        )[0]
    return fits
