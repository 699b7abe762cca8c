"""claims.yml: it says what the results say, and every test decides results made up to hold or to break a claim."""

from pathlib import Path

import pandas as pd
import pytest

from book._tools import scorecard
from collapse_utils.errors import InputError
from collapse_utils.evidence import claims, effects, results
from collapse_utils.evidence.statistics import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED

ROOT = Path(__file__).resolve().parents[2]
SPREAD = (0.99, 1.0, 1.01)  # three seeds
PAPER = {"replace": 0.5, "accumulate": 0.005, "accumulate_subsample": 0.1, "replace_multiple": 0.3}
TURNED = {"replace": -0.1, "accumulate": -0.01, "accumulate_subsample": -0.02, "replace_multiple": -0.05}


def made_up(slopes, metrics, variant="", seeds=3):
    """Results whose metrics grow by ``slopes[regime]`` of their first value an iteration, from the same first fit."""
    rows = []
    for regime, slope in slopes.items():
        for seed in range(seeds):
            for t in range(1, 5):
                growth = 1 + slope * (t - 1) * SPREAD[-seed]
                place = {"variant": variant, "regime": regime, "seed": seed, "iteration": t}
                rows += [
                    {**place, "metric": name, "value": first * SPREAD[seed] * growth} for name, first in metrics.items()
                ]
    return pd.DataFrame(rows)


def every_variant(section, slopes, metrics, seeds=3):
    """The same for every variant that the section's claims read; at temperature 0.3 everything grows twice as fast."""
    wanted = {variant for claim in claims.of(section) for variant in claims.variants(claim)}
    parts = []
    for variant in wanted:
        factor = 2 if "temperature=0.3" in variant else 1
        parts.append(made_up({regime: factor * slope for regime, slope in slopes.items()}, metrics, variant, seeds))
    return pd.concat(parts, ignore_index=True)


METRICS = {
    "language": {"cross_entropy": 2.0},
    "images": {"test_loss": 0.02, "frechet_distance": 40},
    "molecules": {"local_loss": 15, "global_loss": 100, "total_loss": 115, "strain": 3},
}
# What grows cannot lose variety, and an even growth of the total loss is not the authors' jump.
NOT_MADE_UP = {"images-variety", "total-accumulate-jumps"}


def outcomes(section, frame):
    return {claim.id: claims.judge(claim, frame).outcome for claim in claims.of(section) if claim.id not in NOT_MADE_UP}


def test_claims_yml_says_what_the_committed_results_say():
    flipped = scorecard.flipped(ROOT)
    assert not flipped, "read the prose of the page again, then change book/claims.yml: " + "; ".join(flipped)


@pytest.mark.parametrize("section", METRICS)
def test_results_like_the_papers_bear_every_claim_out(section):
    assert set(outcomes(section, every_variant(section, PAPER, METRICS[section])).values()) == {REPRODUCED}


@pytest.mark.parametrize("section", METRICS)
def test_results_the_other_way_round_contradict_every_claim(section):
    found = outcomes(section, every_variant(section, TURNED, METRICS[section]))
    # Where everything falls, accumulate does stay near its first fit, and nothing lies between falling neighbours.
    kept = {claim.id for claim in claims.of(section) if claim.test == "stays_within"}
    assert {found.pop(name) for name in kept} <= {REPRODUCED}
    assert set(found.values()) == {NOT_REPRODUCED}


@pytest.mark.parametrize("section", METRICS)
def test_what_was_not_run_is_not_judged_and_one_seed_decides_nothing(section):
    two = {regime: PAPER[regime] for regime in ("replace", "accumulate")}
    half = outcomes(section, every_variant(section, two, METRICS[section]))
    left_out = set(PAPER) - set(two)
    controls = {claim.id for claim in claims.of(section) if left_out & set(map(str, claim.options.values()))}
    assert {name for name, outcome in half.items() if outcome == NOT_RUN} == controls != set()
    assert set(outcomes(section, every_variant(section, PAPER, METRICS[section], seeds=1)).values()) == {UNDECIDED}


def test_variety_is_lost_where_variance_and_modes_are_lower():
    claim = next(claim for claim in claims.of("images") if claim.id == "images-variety")
    metrics = {"sample_variance_ratio": 0.5, "modes": 30}
    slopes = {"replace": -0.2, "accumulate": 0.0}
    assert claims.judge(claim, made_up(slopes, metrics)).outcome == REPRODUCED
    assert claims.judge(claim, made_up({"replace": 0.0, "accumulate": -0.2}, metrics)).outcome == NOT_REPRODUCED


def test_the_papers_own_numbers_come_from_the_reported_rows():
    by_id = {claim.id: claim for claim in claims.load()}
    assert claims.paper_effects(by_id["llama-gap"]) == pytest.approx([2.873 - 1.932, 2.648 - 1.749, 2.369 - 1.573])
    assert claims.paper_effects(by_id["gpt2-cold-faster"]) == pytest.approx([(5.82 - 1.82) - (2.39 - 1.82)])
    assert claims.paper_effects(by_id["images-accumulate-rises"]) == pytest.approx([0.0202 / 0.01953])
    assert claims.paper_effects(by_id["total-accumulate-jumps"]) == pytest.approx([(1835 - 522.7) / (2189 - 522.7)])
    # The limit of the claim on accumulate is the largest of the authors' own ratios.
    judged = claims.judge(by_id["local-accumulate-constant"], made_up(PAPER, METRICS["molecules"]))
    assert judged.threshold == pytest.approx(90.0 / 54.68)
    assert claims.tags(by_id["llama-gap"]) == ["DIGITISED"] and claims.tags(by_id["linear-halfway"]) == ["READ"]


def test_every_claim_is_shown_on_the_page_of_its_section():
    for claim in claims.load():
        pages = list((ROOT / "notebooks").glob(f"*_{claim.page.section}.ipynb"))
        assert len(pages) == 1 and f"({claim.shown})=" in pages[0].read_text(encoding="utf-8"), claim.id


def test_a_flipped_result_is_found(tmp_path):
    for section, name in (("language", "smoke-bible"), ("language", "cpu-tinystories")):
        folder = tmp_path / "results" / section / name
        folder.mkdir(parents=True)
        rows = results.named("language", "smoke-bible")
        rows.assign(value=[-value for value in rows["value"]]).to_csv(folder / "metrics.csv", index=False)
    (tmp_path / "results" / "reported").mkdir()
    for path in (ROOT / "results" / "reported").glob("*.csv"):
        (tmp_path / "results" / "reported" / path.name).write_bytes(path.read_bytes())
    found = scorecard.flipped(tmp_path)
    assert "llama-gap on smoke-bible: claims.yml says reproduced, the results say not reproduced" in found
    assert any("linear-replace on grid" in line and "not run" in line for line in found)


TEXT = """
sections:
  s: {metric: m, scale: ratio, unit: "", results: [r]}
claims:
- {id: a, section: s, statement: x, where: ours, test: rises, shown: l, options: {of: replace}, outcomes: {r: reproduced}}
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("test: rises", "test: soars"), "test"),
        (("section: s", "section: q"), "section"),
        (("outcomes: {r: reproduced}", "outcomes: {q: reproduced}"), "outcomes"),
        (("outcomes: {r: reproduced}", "outcomes: {r: perhaps}"), "outcomes"),
        (("shown: l, ", ""), "shown"),
        (("where: ours", "where: ours, wher: x"), "wher"),
        (("scale: ratio", "scale: log"), "scale"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, change, message):
    path = tmp_path / "claims.yml"
    path.write_text(TEXT, encoding="utf-8")
    assert claims.load(path)[0].test in effects.TESTS
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(TEXT.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        claims.load(wrong)


def test_the_scorecard_says_both_columns_and_where_it_is_shown():
    judged = scorecard.judged(ROOT)
    text = scorecard.full(ROOT, judged, in_book=True)
    assert text.count("\n| [") == len(claims.load())
    assert "(#images-variety)" in text and "{bdg-info-line}`DIGITISED`" in text
    plain = scorecard.full(ROOT, judged, in_book=False)
    assert "{bdg" not in plain and "(notebooks/03_images.ipynb)" in plain
