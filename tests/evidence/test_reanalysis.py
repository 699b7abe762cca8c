"""A second analysis of every claim with pandas and scipy alone, against ``claims.json``.

Nothing of ``collapse_utils`` or of the book's tools is imported here: the definitions are written a
second time, claim by claim, so that an error in one of the two shows.
"""

import functools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = {"language": "bible", "images": "orl", "molecules": "rdkit"}
RESULTS = ROOT / "results"
PUBLISHED = json.loads((ROOT / "book" / "_generated" / "claims.json").read_text(encoding="utf-8"))[
    "claims"
]
CASES = [(claim, result) for claim in PUBLISHED for result in claim["results"]]
ONE_LOOK, TWO_LOOKS = 0.025, 0.014
HALF = "images=160,epochs=40,decay=0.9487"
COLD, GPT2, LONG = "temperature=0.3", "architecture=gpt2", "iterations=50,protocol=steps"
GPT2_OUT, GPT2_COLD = f"{GPT2},epochs=12", f"{GPT2},epochs=12,{COLD}"  # trained out
STORIES = {"metric": "cross_entropy", "variant": "iterations=50"}  # long chains
BIBLE, BIBLE_COLD = "epochs=8", f"epochs=8,{COLD}"  # Llama, trained out on the Bible
LANGEVIN, GEOMETRY = (
    f"iterations=4,molecules=50,draw=by_seed,sampler={sampler},samples_per_conformer=1"
    for sampler in ("langevin,sampling_steps=1000", "geometry")
)
# cells of the scaling study: (width, real stories) -> variant; 2 layers, 1,024 different tokens
CELLS = {
    (width, n): ",".join(
        filter(None, ["" if n == 250 else f"stories={n}", size, epochs.get(n, ""), rate])
    )
    for width, size, epochs, rate in (
        (
            32,
            "hidden=32,ffn=128",
            {125: "epochs=8", 250: "epochs=8", 500: "epochs=12"},
            "learning_rate=0.012",
        ),
        (64, "", dict.fromkeys((125, 250, 500), "epochs=8"), "learning_rate=0.006"),
        (128, "hidden=128,ffn=512", {125: "epochs=8"}, ""),
    )
    for n in (125, 250, 500)
}
# faces with a fixed number of training steps: CelebA has own photographs for each seed
STEPS = {"cpu-celeba_89x109": "draw=by_seed,protocol=steps", "cpu-orl": "protocol=steps"}
SUBSAMPLE = {**STEPS, "cpu-orl": ""}  # always n items, so every fit has as many steps


@functools.cache
def rows(section, name):
    path = RESULTS / section / name / ("grid.csv" if section == "linear" else "metrics.csv")
    return pd.read_csv(path, keep_default_na=False, na_values={"theory": [""], "z": [""]})


class Data:
    """One table of results: its chains, and which of its seeds were added after looking."""

    def __init__(self, section, name):
        self.section, self.name, self.frame = section, name, rows(section, name)

    def chains(self, metric, regime, variant=""):
        """A row a seed, a column a fit."""
        f, variant = self.frame, self.here(variant)
        part = f[(f.metric == metric) & (f.regime == regime) & (f.variant == variant)]
        return part.set_index(["seed", "iteration"])["value"].unstack()

    def here(self, variant):
        """A variant, or what it is called in these results."""
        return variant.get(self.name) if isinstance(variant, dict) else variant

    def added(self, regime, variant):
        """Seeds under ``added_after_looking`` in the plan, which writes them as ``3-4``."""
        seeds, variant = set(), self.here(variant)
        for entry in yaml.safe_load((RESULTS / "reference.yml").read_text(encoding="utf-8"))[
            "sweeps"
        ]:
            if "added_after_looking" not in entry or regime not in entry.get("regimes", [regime]):
                continue
            if ":" in entry["section"]:
                section, name, fields = "own_model", "own-own", ""
            else:
                section, fields = entry["section"], ",".join(entry.get("set", []))
                name = f"{entry['preset']}-{entry.get('data', BUILT_IN.get(section))}"
            if (section, name, fields) == (self.section, self.name, variant):
                low, high = map(int, entry["added_after_looking"].split("-"))
                seeds |= set(range(low, high + 1))
        return seeds


class Part:
    """One t-test of ``values`` against ``threshold``; of their logarithms for a ratio."""

    def __init__(self, values, threshold, sign, log, added=frozenset()):
        values = values.dropna()
        self.values, self.sign, self.n = values, sign, len(values)
        self.level = TWO_LOOKS if set(values.index) & set(added) else ONE_LOOK
        x, at = (np.log(values), math.log(threshold)) if log else (values, threshold)
        if self.n:
            self.p = {
                s: stats.ttest_1samp(x * s, at * s, alternative="greater").pvalue for s in (1, -1)
            }
            low, high = stats.ttest_1samp(x, 0).confidence_interval(1 - 2 * self.level)
            self.shown = (
                tuple(map(math.exp, (x.mean(), low, high))) if log else (x.mean(), low, high)
            )


class Trend(Part):
    """Page's test of the order of the fits; the p are of both directions."""

    def __init__(self, table, added):
        self.n, self.sign = len(table), 1
        self.level = TWO_LOOKS if set(table.index) & set(added) else ONE_LOOK
        if self.n:
            self.p = {s: stats.page_trend_test(s * table.to_numpy()).pvalue for s in (1, -1)}
            self.shown = (
                table.T.corrwith(pd.Series(table.columns, table.columns), method="spearman").mean(),
                math.nan,
                math.nan,
            )


def models(data, variant):
    """The variants of Llama, and of GPT-2, where they were run."""
    both = [variant, GPT2 + (f",{variant}" if variant else "")]
    return [each for each in both if (data.frame.variant == each).any()]


def later(table, log):
    """Every later fit against the first: differences, or ratios."""
    return (
        table.iloc[:, 1:].div(table.iloc[:, 0], axis=0)
        if log
        else table.iloc[:, 1:].sub(table.iloc[:, 0], axis=0)
    )


def in_every_cell(make, cells):
    """The parts of one claim, cell by cell."""
    return lambda data: [part for cell in cells for part in make(CELLS[cell])(data)]


def falls_per_doubling(place):
    """Regression of the rise under replace on log2 of (stories, parameters), seed by seed."""

    def parts(data):
        table = []
        for (width, n), variant in CELLS.items():
            loss = data.chains(BITS, "replace", variant)
            layers = 2 * (4 * width**2 + 3 * width * 4 * width + 2 * width)
            size = math.log2(2 * 1024 * width + layers + width)
            table += [
                (seed, math.log2(n), size, loss[4][seed] - loss[1][seed]) for seed in loss.index
            ]
        table = pd.DataFrame(table, columns=["seed", "stories", "parameters", "rise"])
        slopes = {}
        for seed, own in table.groupby("seed"):
            x = own[["stories", "parameters"]] - own[["stories", "parameters"]].mean()
            y = own["rise"] - own["rise"].mean()
            slopes[seed] = np.linalg.solve(x.T @ x, x.T @ y)[place]  # normal equations
        return [Part(pd.Series(slopes), 0, -1, False)]

    return parts


def of_one(metric, log, make, regime, variant="", both=False):
    """A claim about one regime: ``make(table)`` gives (values, threshold, sign) for each part."""

    def parts(data):
        every = models(data, variant) if both else [variant]
        return [
            Part(values, threshold, sign, log, data.added(regime, each))
            for each in every
            for values, threshold, sign in make(data.chains(metric, regime, each))
        ]

    return parts


def slope(metric, log, regime, variant="", both=False):
    def make(table):
        if table.empty:
            return [(pd.Series(dtype=float), 1, 1)]
        t = np.array(table.columns, float)
        y = np.log(table) if log else table
        slopes = ((t - t.mean()) * y).sum(axis=1) / ((t - t.mean()) ** 2).sum()
        return [(np.exp(slopes) if log else slopes, 1 if log else 0, 1)]

    return of_one(metric, log, make, regime, variant, both)


def steps(metric, log, regime, limit, variant="", both=False):
    def make(table):
        pairs = zip(table.columns[1:], table.columns[:-1], strict=True)
        return [
            (table[b] / table[a] if log else table[b] - table[a], 1 - limit if log else -limit, 1)
            for b, a in pairs
        ]

    return of_one(metric, log, make, regime, variant, both)


def trend(metric, regime, variant="", both=False):
    return lambda data: [
        Trend(data.chains(metric, regime, each), data.added(regime, each))
        for each in (models(data, variant) if both else [variant])
    ]


def last(metric, log, regime, threshold, sign=1, variant="", both=False):
    def make(table):
        return [(later(table, log).iloc[:, -1], threshold, sign)] if table.size else []

    return of_one(metric, log, make, regime, variant, both)


def mean_of_later(metric, log, regime, limits, variant="", both=False):
    """The mean of the later fits against the first, on the scale of differences or logarithms."""

    def make(table):
        if table.empty:
            return []
        change = later(table, log)
        mean = pd.Series(stats.gmean(change, axis=1), change.index) if log else change.mean(axis=1)
        return [(mean, limit, sign) for limit, sign in limits]

    return of_one(metric, log, make, regime, variant, both)


def end(metric, log, above, below, limit=None, variant="", sign=1):
    """One regime, or (regime, variant), against another at the final fit, paired by seed."""

    def parts(data):
        arms = [arm if isinstance(arm, tuple) else (arm, variant) for arm in (above, below)]
        pair = [data.chains(metric, *arm) for arm in arms]
        pair = [table.dropna() for table in pair]
        if any(table.empty for table in pair):
            return [Part(pd.Series(dtype=float), 1, 1, log)]
        t = min(table.columns.max() for table in pair)
        values = pair[0][t] / pair[1][t] if log else pair[0][t] - pair[1][t]
        added = data.added(*arms[0]) | data.added(*arms[1])
        return [Part(values, limit if limit is not None else (1 if log else 0), sign, log, added)]

    return parts


def together(*tests):
    return lambda data: [part for test in tests for part in test(data)]


def colder(metric):
    """How much more a regime rises at temperature 0.3 than at 1."""

    def parts(data):
        made = []
        for cold, warm in zip(models(data, COLD), models(data, ""), strict=True):
            rises = [
                later(data.chains(metric, "replace", variant), False).iloc[:, -1]
                for variant in (cold, warm)
            ]
            made.append(
                Part(
                    rises[0] - rises[1],
                    0,
                    1,
                    False,
                    data.added("replace", cold) | data.added("replace", warm),
                )
            )
        return made

    return parts


def share(metric, of, than, limit, variant=""):
    def parts(data):
        tables = [data.chains(metric, regime, variant) for regime in (of, than)]
        if any(table.empty for table in tables):
            return [Part(pd.Series(dtype=float), limit, 1, False)]
        rises = [later(table, False).iloc[:, -1] for table in tables]
        added = data.added(of, variant) | data.added(than, variant)
        return [Part(rises[0] / rises[1], limit, 1, False, added)]

    return parts


def mixture(variant, tokens):
    """The rise in nats a text, by the real mean length if known, else by the longest text."""

    def parts(data):
        made = []
        for each in models(data, variant):
            table = data.chains("cross_entropy", "accumulate", each)
            if "mean_length_real" in set(data.frame.metric):
                length = data.chains("mean_length_real", "accumulate", each).iloc[:, -1]
            else:
                length = tokens
            rise = later(table, False).iloc[:, -1] * length
            limit = math.log(table.columns.max())
            made.append(Part(rise, limit, -1, False, data.added("accumulate", each)))
        return made

    return parts


def cooler_than_real(metric, *regimes):
    """The final samples' metric / that of real texts, under each of several regimes."""

    def parts(data):
        made = []
        for regime in regimes:
            ratio = data.chains(metric, regime, COLD) / data.chains(f"{metric}_real", regime, COLD)
            made.append(Part(ratio.iloc[:, -1], 1, -1, True, data.added(regime, COLD)))
        return made

    return parts


def beyond_tempering(limit):
    def parts(data):
        loss = data.chains(NATS, "replace", COLD)
        tempered = data.chains(f"{NATS}_sampling_temperature", "replace", COLD)
        share = (loss[2] - tempered[1]) / (loss[2] - loss[1])
        return [Part(share, limit, -1, False, data.added("replace", COLD))]

    return parts


def near(metric, of, to, limit):
    def parts(data):
        ratio = (data.chains(metric, of) / data.chains(metric, to)).iloc[:, 1:]
        sides = (1 / limit, 1), (limit, -1)
        added = data.added(of, "") | data.added(to, "")
        return [Part(ratio[t], at, sign, True, added) for t in ratio for at, sign in sides]

    return parts


def harmonic(regime, metric="test_loss", variant=LONG):
    """log of a chain's residual with a line, and with the sum of 1/i^2, over that with H_t."""

    def residual(losses, shape):
        fitted = stats.linregress(shape, losses)
        return ((losses - fitted.intercept - fitted.slope * shape) ** 2).sum()

    def make(table):
        t = np.array(table.columns, float)
        best = table.apply(residual, axis=1, shape=(1 / t).cumsum())
        others = (table.apply(residual, axis=1, shape=s) for s in (t, (1 / t**2).cumsum()))
        return [(np.log(other / best), 0, 1) for other in others]

    return of_one(metric, False, make, regime, variant)


def late(regime, *limits, metric="test_loss", variant=LONG):
    """The geometric mean of fits 41 to 50 / that of fits 21 to 30."""

    def make(table):
        windows = [stats.gmean(table.loc[:, low : low + 9], axis=1) for low in (41, 21)]
        change = pd.Series(windows[0] / windows[1], table.index)
        return [(change, limit, sign) for limit, sign in limits]

    return of_one(metric, True, make, regime, variant)


def below(metric, regime, limit, variant="", log=False):
    """The metric itself lies below the limit at the final fit."""

    def make(table):
        return [(table[t], limit, -1) for t in table.columns[-1:]]

    return of_one(metric, log, make, regime, variant)


def rise(data, share, kind="fixed_real", variant=""):
    """log(final / first) of the loss of faces; share 0 is replace, share 1 real faces alone."""
    kind = "fixed_real" if share == 1 else kind
    table = data.chains("test_loss", f"{kind}={share:g}" if share else "replace", variant)
    return np.log(table.iloc[:, -1] / table.iloc[:, 0]) if table.size else pd.Series(dtype=float)


def share_slope(kind):
    """The slope of the rise over six shares of real faces is negative."""

    def parts(data):
        a = np.array([0, 0.1, 0.25, 0.5, 0.75, 1])
        rises = pd.concat([rise(data, share, kind) for share in a], axis=1)
        slopes = ((a - a.mean()) * rises).sum(axis=1) / ((a - a.mean()) ** 2).sum()
        return [Part(slopes, 0, -1, False)]

    return parts


def bias_or_noise(data, fits=6):
    """Distance of the rises / that of replace to the growth of noise, minus that to a bias.

    Noise: the same real labels P (variance 1/a) enter every fit; V and C are the variance of a fit
    and its covariance with P, in units of the first fit.
    """
    gap = 0
    for a in (0.1, 0.25, 0.5, 0.75):
        q, bias, V, C = 1 - a, 1.0, 1.0, 1.0
        for _ in range(fits - 1):
            bias = 1 + q * bias
            V, C = a + 2 * a * q * C + q * q * V + q, 1 + q * C
        ratio = rise(data, a) / rise(data, 0)
        gap = gap + (ratio - (V - 1) / (fits - 1)) ** 2 - (ratio - (bias - 1) / (fits - 1)) ** 2
    return [Part(gap, 0, 1, False)]


def share_or_number(data):
    """Twice the share at one number of faces, minus twice the number at one share."""
    each = []
    for kind in ("fixed_real", "redrawn_real"):
        whole = {a: rise(data, a, kind) for a in (0.25, 0.5)}
        half = {a: rise(data, a, kind, HALF) for a in (0.25, 0.5)}
        number = (half[0.25] - whole[0.25] + half[0.5] - whole[0.5]) / 2
        each.append(whole[0.25] - half[0.5] - number)
    return [Part((each[0] + each[1]) / 2, 0, 1, False)]


def same_or_redrawn(data):
    shares = (0.1, 0.25, 0.5, 0.75)
    gaps = [rise(data, a) - rise(data, a, "redrawn_real") for a in shares]
    ratio = np.exp(sum(gaps) / len(gaps))
    return [Part(ratio, 1 / 1.05, 1, True), Part(ratio, 1.05, -1, True)]


def same_rows(data):
    return data.frame[data.frame.x == "same"]


def theory(regime, limit):
    """Simulation / theory at one iteration of each cell, chosen by the cell's position."""

    def parts(data):
        ratios = {}
        for place, (cell, group) in enumerate(
            same_rows(data).groupby(["T", "sigma2", "regime"], sort=False)
        ):
            row = group.iloc[(7 * place) % len(group)]
            ratios.setdefault(cell[0], {})[cell[1:]] = row["mean"] / row["theory"]
        made = []
        for cells in ratios.values():
            values = pd.Series([ratio for (_, which), ratio in cells.items() if which == regime])
            made += [Part(values, 1 / (1 + limit), 1, True), Part(values, 1 + limit, -1, True)]
        return made

    return parts


def grid_last(divide, limit, sign):
    def parts(data):
        made = []
        for _, group in same_rows(data).groupby("T"):
            made.append(Part(divide(group.set_index(["regime", "n", "sigma2"])), limit, sign, True))
        return made

    return parts


BOUND = grid_last(
    lambda g: g["mean"]["accumulate"][50] / g["theory"]["accumulate"][1], math.pi**2 / 6, -1
)
TEN = grid_last(lambda g: g["mean"]["replace"][50] / g["mean"]["accumulate"][50], 10, 1)
BITS, NATS, WORDS = "bits_per_character", "cross_entropy", "distinct_2"
NLL = "negative_log_likelihood"
ERROR = "formula_error"

CLAIMS = {
    "linear-replace": theory("replace", 0.02),
    "linear-accumulate": theory("accumulate", 0.02),
    "linear-halfway": theory("replace_multiple", 0.02),
    "linear-subsample": theory("accumulate_subsample", 0.02),
    "linear-bound": BOUND,
    "linear-ten-times": TEN,
    "replace-rises": slope(BITS, False, "replace", both=True),
    "replace-rises.trends_up": trend(BITS, "replace", both=True),
    "replace-rises.never_falls": steps(BITS, False, "replace", 0.02, both=True),
    "replace-rises-cold": slope(BITS, False, "replace", COLD, both=True),
    "replace-rises-cold.trends_up": trend(BITS, "replace", COLD, both=True),
    "replace-rises-cold.never_falls": steps(BITS, False, "replace", 0.08, COLD, both=True),
    "accumulate-stays": mean_of_later(BITS, False, "accumulate", [(0.035, -1)], both=True),
    "accumulate-stays.stays_equal": mean_of_later(
        BITS, False, "accumulate", [(-0.035, 1), (0.035, -1)], both=True
    ),
    "accumulate-stays-cold": mean_of_later(
        BITS, False, "accumulate", [(0.035, -1)], COLD, both=True
    ),
    "cold-faster": colder(NATS),
    "llama-grown-between": together(
        end(NATS, False, "replace", "replace_multiple"),
        end(NATS, False, "replace_multiple", "accumulate"),
    ),
    "llama-subsample-below-replace": end(NATS, False, "replace", "accumulate_subsample"),
    "llama-subsample-rises": last(NATS, False, "accumulate_subsample", 0),
    "accumulate-variety-cold": last(WORDS, True, "accumulate", 0.5, -1, COLD, both=True),
    "accumulate-mixture-bound-cold": mixture(COLD, 255),
    "accumulate-mixture-bound": mixture("", 255),
    "replace-variety": last(WORDS, True, "replace", 0.9, both=True),
    "replace-samples-worse": slope("reference_cross_entropy", False, "replace"),
    "cold-samples-too-likely": cooler_than_real("reference_cross_entropy", "replace", "accumulate"),
    "cold-first-step-is-tempering": beyond_tempering(0.5),
    "cold-collapse-beyond-tempering": slope(f"{NATS}_best_temperature", False, "replace", COLD),
    "equal-tokens": near("trained_tokens", "accumulate_subsample", "replace", 1.1),
    "gpt2-replace-rises": slope(BITS, False, "replace", GPT2_OUT),
    "gpt2-accumulate-stays": mean_of_later(BITS, False, "accumulate", [(0.035, -1)], GPT2_OUT),
    "gpt2-replace-variety": last(WORDS, True, "replace", 0.9, variant=GPT2_OUT),
    "gpt2-accumulate-stays-cold": mean_of_later(
        BITS, False, "accumulate", [(0.035, -1)], GPT2_COLD
    ),
    "gpt2-accumulate-variety-cold": last(WORDS, True, "accumulate", 0.5, -1, GPT2_COLD),
    "bible-replace-rises": slope(BITS, False, "replace", BIBLE),
    "bible-accumulate-stays": mean_of_later(BITS, False, "accumulate", [(0.035, -1)], BIBLE),
    "bible-subsample-below-replace": end(
        NATS, False, "replace", "accumulate_subsample", variant=BIBLE
    ),
    "bible-replace-variety": last(WORDS, True, "replace", 0.9, variant=BIBLE),
    "bible-accumulate-stays-cold": mean_of_later(
        BITS, False, "accumulate", [(0.035, -1)], BIBLE_COLD
    ),
    "bible-accumulate-variety-cold": last(WORDS, True, "accumulate", 0.5, -1, BIBLE_COLD),
    "long-language-replace-rises": late("replace", (1, 1), **STORIES),
    "long-language-replace-rises.levels_off": late("replace", (1 / 1.05, 1), (1.05, -1), **STORIES),
    "long-language-subsample-rises": late("accumulate_subsample", (1, 1), **STORIES),
    "long-language-subsample-rises.levels_off": late(
        "accumulate_subsample", (1 / 1.05, 1), (1.05, -1), **STORIES
    ),
    "long-language-subsample-growth": harmonic("accumulate_subsample", **STORIES),
    "long-language-subsample-below-replace": end(
        NATS, True, "replace", "accumulate_subsample", variant="iterations=50"
    ),
    "faces-replace-rises": last("test_loss", True, "replace", 1, variant=STEPS),
    "faces-accumulate-rises": last("test_loss", True, "accumulate", 1, variant=STEPS),
    "faces-gap": end("test_loss", True, "replace", "accumulate", variant=STEPS),
    "faces-variety": together(
        end("sample_variance_ratio", True, "replace", "accumulate", variant=STEPS, sign=-1),
        end("modes", True, "replace", "accumulate", variant=STEPS, sign=-1),
    ),
    "faces-accumulate-samples": last("frechet_distance", True, "accumulate", 1, variant=STEPS),
    "images-gap": end("test_loss", True, "replace", "accumulate"),
    "images-accumulate-rises": last("test_loss", True, "accumulate", 1),
    "faces-subsample": end("test_loss", True, "replace", "accumulate_subsample", variant=SUBSAMPLE),
    "faces-subsample-rises": last("test_loss", True, "accumulate_subsample", 1, variant=SUBSAMPLE),
    "long-accumulate-growth": harmonic("accumulate"),
    "long-accumulate-rises": late("accumulate", (1, 1)),
    "long-accumulate-rises.levels_off": late("accumulate", (1 / 1.05, 1), (1.05, -1)),
    "long-subsample-rises": late("accumulate_subsample", (1, 1)),
    "long-subsample-rises.levels_off": late("accumulate_subsample", (1 / 1.05, 1), (1.05, -1)),
    "long-replace-rises": late("replace", (1, 1)),
    "long-replace-rises.levels_off": late("replace", (1 / 1.05, 1), (1.05, -1)),
    "local-replace-rises": slope("local_loss", True, "replace"),
    "local-replace-rises.trends_up": trend("local_loss", "replace"),
    "local-replace-rises.never_falls": steps("local_loss", True, "replace", 0.05),
    "local-gap": end("local_loss", True, "replace", "accumulate"),
    "local-accumulate-constant": mean_of_later(
        "local_loss", True, "accumulate", [(1 / 1.1, 1), (1.1, -1)]
    ),
    "total-accumulate-jumps": share("total_loss", "accumulate", "replace", 0.5),
    "samples-accumulate-strain": last("strain", True, "accumulate", 1),
    "local-subsample": end("local_loss", True, "replace", "accumulate_subsample"),
    "local-subsample-rises": last("local_loss", True, "accumulate_subsample", 1),
    "langevin-replace-rises": last("local_loss", True, "replace", 1, variant=LANGEVIN),
    "langevin-gap": end("local_loss", True, "replace", "accumulate", variant=LANGEVIN),
    "langevin-accumulate-rises": last("local_loss", True, "accumulate", 1, variant=LANGEVIN),
    "langevin-accumulate-constant": mean_of_later(
        "local_loss", True, "accumulate", [(1 / 1.1, 1), (1.1, -1)], LANGEVIN
    ),
    "langevin-total-jumps": share("total_loss", "accumulate", "replace", 0.5, LANGEVIN),
    "langevin-accumulate-strain": last("strain", True, "accumulate", 1, variant=LANGEVIN),
    "geometry-replace-rises": last("local_loss", True, "replace", 1, variant=GEOMETRY),
    "geometry-above-langevin": end(
        "local_loss", True, ("replace", GEOMETRY), ("replace", LANGEVIN)
    ),
    "scale-replace-rises": in_every_cell(lambda cell: slope(BITS, False, "replace", cell), CELLS),
    "scale-subsample-below-replace": in_every_cell(
        lambda cell: end(BITS, False, "replace", "accumulate_subsample", variant=cell), CELLS
    ),
    "scale-accumulate-stays": in_every_cell(
        lambda cell: mean_of_later(BITS, False, "accumulate", [(0.035, -1)], cell),
        [(width, 250) for width in (32, 64, 128)],
    ),
    "scale-data": falls_per_doubling(0),
    "scale-size": falls_per_doubling(1),
    "own-replace-rises": last(NLL, False, "replace", 0),
    "own-gap": end(NLL, False, "replace", "accumulate"),
    "own-accumulate-rises": last(NLL, False, "accumulate", 0),
    "own-subsample": end(NLL, False, "replace", "accumulate_subsample"),
    "bias-kernel": below(ERROR, "accumulate", 0.02, "kernel"),
    "bias-kernel-shrinking": below(ERROR, "accumulate", 0.02, "kernel-shrinking"),
    "bias-vae": below(ERROR, "accumulate", 0.02, "vae"),
    "bias-shrinkage": below(ERROR, "accumulate", 0.02, "shrinkage"),
    "bias-faces-accumulate": below("prediction_error", "accumulate", 0.05),
    "bias-faces-replace": below("prediction_error", "replace", 0.05),
    "gaussian-accumulate": below(ERROR, "accumulate", 0.02, "n=10,d=1"),
    "gaussian-replace": below(ERROR, "replace", 0.02, "n=10,d=1"),
    "gaussian-states": below(ERROR, "accumulate", 0.02, "states"),
    "gaussian-words-kept": end("value", True, "accumulate", "replace", 10, variant="words"),
    "families-bernoulli": below(ERROR, "accumulate", 0.05, "Bernoulli"),
    "families-exponential": below(ERROR, "accumulate", 0.05, "exponential"),
    "families-uniform": below(ERROR, "accumulate", 0.05, "uniform"),
    "families-collapsing": below(ERROR, "accumulate", 0.05, "collapsing"),
    "families-breast-cancer": below("rise", "accumulate", 1.1, "breast-cancer", log=True),
    "families-separable": below("rise", "accumulate", 1.1, "breast-cancer-30", log=True),
    "families-logistic-replace": end(
        "log_loss", True, "replace", "accumulate", 2, variant="diabetes"
    ),
    **{
        f"mixing-{form}": below(ERROR, form, 0.02, "r=1,s=4")
        for form in ("fresh", "fixed", "pool", "weighted", "accumulated", "new-rows")
    },
    "mixing-faces-fixed-falls": share_slope("fixed_real"),
    "mixing-faces-redrawn-falls": share_slope("redrawn_real"),
    "mixing-faces-bias": bias_or_noise,
    "mixing-faces-share": share_or_number,
    "mixing-faces-alike": same_or_redrawn,
    "sharpening-depth": below(ERROR, "accumulate", 0.02, "depth,tau=0.9"),
    "sharpening-words": below(ERROR, "accumulate", 0.02, "words,tau=0.9"),
    "sharpening-bound": below("value", "accumulate", 2.995, "rise,tau=0.9"),
}


def test_every_published_claim_is_analysed_a_second_time():
    assert [claim["id"] for claim in PUBLISHED] == list(CLAIMS)


@pytest.mark.parametrize(
    ("claim", "result"), CASES, ids=[f"{claim['id']}-{result['id']}" for claim, result in CASES]
)
def test_the_second_analysis_agrees(claim, result):
    parts = CLAIMS[claim["id"]](Data(claim["section"], result["id"]))
    if not parts or any(part.n == 0 for part in parts):
        assert result["outcome"] == "not run"
        return
    support = [part.p[part.sign] for part in parts]
    against = [part.p[-part.sign] for part in parts]
    if all(p < part.level for p, part in zip(support, parts, strict=True)):
        outcome = "reproduced"
    elif any(p < part.level / len(parts) for p, part in zip(against, parts, strict=True)):
        outcome = "not reproduced"
    else:
        outcome = "undecided"
    # The least certain part has the largest p, in units of its level; two sides of a margin can be
    # equally uncertain.
    ratios = [p / part.level for p, part in zip(support, parts, strict=True)]
    least = [
        part for part, ratio in zip(parts, ratios, strict=True) if ratio >= max(ratios) * (1 - 1e-9)
    ]
    effect = result["effect"]
    shown = [math.nan if effect[name] is None else effect[name] for name in ("mean", "low", "high")]
    assert (outcome, len(parts)) == (result["outcome"], result["parts"])
    assert any(
        shown == pytest.approx(list(part.shown), rel=1e-6, abs=1e-9, nan_ok=True)
        and result["p"] == pytest.approx(part.p[part.sign], rel=1e-6, abs=1e-15)
        and (effect["observations"], result["level"]) == (part.n, part.level)
        for part in least
    )
