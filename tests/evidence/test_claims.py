"""claims.yml says what the results say, and every test decides results that are made up."""

from pathlib import Path

import pandas as pd
import pytest

from book._tools import scorecard
from collapse_utils.errors import InputError
from collapse_utils.evidence import claims, effects, reported, results
from collapse_utils.evidence.rows import joined
from collapse_utils.evidence.verdicts import (
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    TWO_LOOKS,
    UNDECIDED,
)

ROOT = Path(__file__).resolve().parents[2]
SPREAD = (0.99, 1.0, 1.01)  # three seeds
PAPER = {"replace": 0.5, "accumulate": 0.005, "accumulate_subsample": 0.1, "replace_multiple": 0.3}
TURNED = {
    "replace": -0.1,
    "accumulate": -0.04,
    "accumulate_subsample": -0.02,
    "replace_multiple": -0.05,
}


def made_up(slopes, metrics, variant="", seeds=3):
    """Results that grow by ``slopes[regime]`` of their first value an iteration."""
    rows = []
    for regime, slope in slopes.items():
        for seed in range(seeds):
            for t in range(1, 5):
                growth = 1 + slope * (t - 1) * SPREAD[-seed]
                place = {"variant": variant, "regime": regime, "seed": seed, "iteration": t}
                rows += [
                    {**place, "metric": name, "value": first * SPREAD[seed] * growth}
                    for name, first in metrics.items()
                ]
    return pd.DataFrame(rows)


def every_variant(section, slopes, metrics, seeds=3):
    """The same for every variant that claims read; growth is twice as fast at τ = 0.3."""
    models = claims.page(section).models.values() or [""]
    expected = {
        joined(model, variant)
        for claim in claims.of(section)
        for variant in reported.variants(claim)
        for model in models
    }
    parts = []
    for variant in expected:
        factor = 2 if "temperature=0.3" in variant else 1
        parts.append(
            made_up(
                {regime: factor * slope for regime, slope in slopes.items()},
                metrics,
                variant,
                seeds,
            )
        )
    return pd.concat(parts, ignore_index=True)


METRICS = {
    "language": {
        "cross_entropy": 2.0,
        "bits_per_character": 1.0,
        "distinct_2": 0.4,
        "cross_entropy_best_temperature": 2.0,
        "reference_cross_entropy": 2.0,
    },
    "images": {"test_loss": 0.02, "frechet_distance": 40},
    "molecules": {"local_loss": 15, "total_loss": 115, "strain": 3},
}
# What grows can't lose variety, an even growth of the total loss is not the authors' jump, and four
# fits say nothing of fifty.  The rest reads metrics that do not grow by a slope, or is a margin
# that an even fall leaves.
NOT_MADE_UP = {
    "accumulate-stays.stays_equal",
    "accumulate-mixture-bound",
    "cold-samples-too-likely",
    "cold-first-step-is-tempering",
    "equal-tokens",
    *(claim.id for claim in claims.load() if claim.id.startswith("long-")),
    "faces-variety",
    "total-accumulate-jumps",
    "langevin-total-jumps",
    "geometry-above-langevin",
    "accumulate-variety-cold",
    "gpt2-accumulate-variety-cold",
    "bible-accumulate-variety-cold",
    "accumulate-mixture-bound-cold",
}
KEPT = ("does_not_rise", "stays_equal")  # tests that hold where everything falls a little


def every(section):
    """The claims of a section and their details for which these results can be made up."""
    return [
        claim
        for claim in claims.load()
        if claim.page.section == section and claim.id not in NOT_MADE_UP
    ]


def outcomes(section, frame):
    return {claim.id: claims.judge(claim, frame).outcome for claim in every(section)}


def reversed_outcomes(root):
    """What claims.yml says and the results no longer do, a line each."""
    return [
        f"{claim.id} on {name}: claims.yml says {said}, the results say {outcome}"
        for rows in scorecard.judged(root).values()
        for claim, verdicts in rows
        for name, said in claim.outcomes.items()
        if (outcome := verdicts[name].outcome if name in verdicts else NOT_RUN) != said
    ]


def test_claims_yml_says_what_the_committed_results_say():
    wrong = reversed_outcomes(ROOT)
    assert not wrong, "review the prose of the page, then change book/claims.yml: " + "; ".join(
        wrong
    )


@pytest.mark.parametrize("section", METRICS)
def test_results_like_the_papers_support_every_claim(section):
    assert set(outcomes(section, every_variant(section, PAPER, METRICS[section])).values()) == {
        REPRODUCED
    }


@pytest.mark.parametrize("section", METRICS)
def test_results_the_other_way_round_contradict_every_claim(section):
    result = outcomes(section, every_variant(section, TURNED, METRICS[section]))
    # Where everything falls a little, accumulate does stay near its first fit.
    kept = {claim.id for claim in every(section) if claim.test in KEPT}
    assert {result.pop(name) for name in kept} <= {REPRODUCED}
    assert set(result.values()) == {NOT_REPRODUCED}


@pytest.mark.parametrize("section", METRICS)
def test_what_was_not_run_is_not_judged_and_one_seed_decides_nothing(section):
    two = {regime: PAPER[regime] for regime in ("replace", "accumulate")}
    half = outcomes(section, every_variant(section, two, METRICS[section]))
    left_out = set(PAPER) - set(two)
    controls = {
        claim.id for claim in every(section) if left_out & set(map(str, claim.options.values()))
    }
    assert {name for name, outcome in half.items() if outcome == NOT_RUN} == controls != set()
    assert set(
        outcomes(section, every_variant(section, PAPER, METRICS[section], seeds=1)).values()
    ) == {UNDECIDED}


def by_id(name):
    return next(claim for claim in claims.load() if claim.id == name)


def test_variety_is_lost_where_variance_and_modes_are_lower():
    metrics, chains = {"sample_variance_ratio": 0.5, "modes": 30}, by_id("faces-variety").variant
    lost = made_up({"replace": -0.2, "accumulate": 0.0}, metrics, chains)
    kept = made_up({"replace": 0.0, "accumulate": -0.2}, metrics, chains)
    assert claims.judge(by_id("faces-variety"), lost).outcome == REPRODUCED
    assert claims.judge(by_id("faces-variety"), kept).outcome == NOT_REPRODUCED


def test_samples_can_lose_their_variety_while_the_loss_stays_below_its_bound():
    """At τ = 0.3 distinct-2 falls to a tenth, and the loss rises by less than log t nats a text."""
    metrics, cold = {"cross_entropy": 2.0, "distinct_2": 0.4}, "temperature=0.3"
    frame = made_up({"accumulate": -0.3}, metrics, cold)
    frame.loc[frame["metric"] == "cross_entropy", "value"] = 2.0 + 0.001 * frame["iteration"] * (
        1 + 0.01 * frame["seed"]
    )
    assert claims.judge(by_id("accumulate-variety-cold"), frame).outcome == REPRODUCED
    assert claims.judge(by_id("accumulate-mixture-bound-cold"), frame).outcome == REPRODUCED
    varied = made_up({"accumulate": 0.0}, metrics, cold)
    assert claims.judge(by_id("accumulate-variety-cold"), varied).outcome == NOT_REPRODUCED
    above = made_up({"accumulate": 0.05}, metrics, cold)
    assert claims.judge(by_id("accumulate-mixture-bound-cold"), above).outcome == NOT_REPRODUCED


def test_a_claim_can_be_asked_of_other_chains_in_some_results():
    claim = by_id("faces-gap")
    assert claims.on(claim, "cpu-celeba_89x109").variant == "draw=by_seed,protocol=steps"
    shared = claims.on(claim, "cpu-orl")
    assert shared.variant == "protocol=steps"
    frame = made_up({"replace": 0.5, "accumulate": 0.0}, METRICS["images"], "protocol=steps")
    assert claims.judge(shared, frame).outcome == REPRODUCED
    assert claims.judge(claim, frame).outcome == NOT_RUN


def test_a_claim_about_every_model_needs_each_one_that_was_run():
    claim, gpt2 = by_id("accumulate-stays"), "architecture=gpt2"
    llama = made_up({"accumulate": 0.005}, METRICS["language"])
    good, bad = (
        made_up({"accumulate": slope}, METRICS["language"], gpt2) for slope in (0.005, 0.3)
    )
    alone = claims.judge(claim, llama)
    assert (alone.outcome, alone.note) == (REPRODUCED, "Llama")
    both = claims.judge(claim, pd.concat([llama, good]))
    assert (both.outcome, both.note) == (REPRODUCED, "Llama and GPT-2")
    assert claims.judge(claim, pd.concat([llama, bad])).outcome == NOT_REPRODUCED


def test_seeds_added_after_looking_are_decided_at_the_level_of_two_looks():
    claim, frame = by_id("faces-gap"), every_variant("images", PAPER, METRICS["images"])
    assert claims.judge(claim, frame.assign(look=1)).level > TWO_LOOKS
    added = frame.assign(look=1 + (frame["seed"] == 2))
    verdict = claims.judge(claim, added)
    assert verdict.level == TWO_LOOKS and "two looks" in verdict.note
    # A seed that an arm lacks enters no effect: pairing leaves it out.
    paired = added[(added["seed"] < 2) | (added["regime"] != "accumulate")]
    assert claims.judge(claim, paired).level > TWO_LOOKS


def test_the_published_plan_says_which_seeds_were_added_after_looking():
    frame = results.named("language", "cpu-tinystories")
    base = frame[(frame["variant"] == "") & (frame["regime"] == "replace")]
    assert set(base[base["look"] == 2]["seed"]) == {3, 4} and set(
        base[base["look"] == 1]["seed"]
    ) == {0, 1, 2}
    assert set(frame[frame["regime"] == "replace_multiple"]["look"]) == {1}


def test_the_effect_is_shown_in_a_second_unit_with_its_margin():
    claim = by_id("accumulate-stays")
    verdict = claims.judge(
        claim, made_up({"accumulate": 0.005}, {"cross_entropy": 2.0, "bits_per_character": 1.0})
    )
    assert verdict.claimed == "< 0.035 bits per character"
    mean = 2 * sum(0.005 * (t - 1) for t in (2, 3, 4)) / 3
    assert verdict.beside == f"{mean:.3f} nats per token, margin 0.07"


def test_the_papers_own_numbers_come_from_the_reported_rows():
    rises = reported.paper_effects(by_id("replace-rises"))
    assert reported.paper_metric(by_id("replace-rises")) == "cross_entropy" and len(rises) == 4
    # GPT-2: least squares over five fits
    assert rises[0] == pytest.approx(((2.394 - 2.107) + 2 * (2.495 - 1.816)) / 10)
    assert reported.paper_effects(by_id("cold-faster")) == pytest.approx(
        [(5.82 - 1.82) - (2.39 - 1.82)]
    )
    assert reported.paper_effects(by_id("images-accumulate-rises")) == pytest.approx(
        [0.0202 / 0.01953]
    )
    assert reported.paper_effects(by_id("total-accumulate-jumps")) == pytest.approx(
        [(1835 - 522.7) / (2189 - 522.7)]
    )
    assert reported.tags(by_id("replace-rises")) == ["DIGITISED"] and reported.tags(
        by_id("linear-halfway")
    ) == ["READ"]


def test_every_claim_is_shown_on_the_page_of_its_section():
    for claim in claims.load():
        pages = list((ROOT / "notebooks").glob(f"*_{claim.page.section}.ipynb"))
        assert len(pages) == 1 and f"({claim.shown})=" in pages[0].read_text(encoding="utf-8"), (
            claim.id
        )


def test_a_reversed_result_is_found(tmp_path):
    folder = tmp_path / "results" / "molecules" / "cpu-rdkit"
    folder.mkdir(parents=True)
    rows = results.named("molecules", "cpu-rdkit")
    rows.assign(value=[1 / max(value, 1e-9) for value in rows["value"]]).to_csv(
        folder / "metrics.csv", index=False
    )
    (tmp_path / "results" / "reported").mkdir()
    for path in (ROOT / "results" / "reported").glob("*.csv"):
        (tmp_path / "results" / "reported" / path.name).write_bytes(path.read_bytes())
    wrong = reversed_outcomes(tmp_path)
    assert (
        "local-gap on cpu-rdkit: claims.yml says reproduced, the results say not reproduced"
        in wrong
    )
    assert any("linear-replace on grid" in line and "not run" in line for line in wrong)


TEXT = """
sections:
  s: {metric: m, scale: ratio, models: {A: ""}, results: [r]}
claims:
- {id: a, section: s, statement: x, where: ours, test: slopes_up, shown: l, options: {of: replace},
   outcomes: {r: reproduced}, models: [A],
   details: {never_falls: {limit: 0.05, outcomes: {r: undecided}}}}
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("test: slopes_up", "test: soars"), "test"),
        (("section: s", "section: q"), "section"),
        (("outcomes: {r: reproduced}", "outcomes: {q: reproduced}"), "outcomes"),
        (("outcomes: {r: reproduced}", "outcomes: {r: perhaps}"), "outcomes"),
        (("shown: l, ", ""), "shown"),
        (("where: ours", "where: ours, wher: x"), "wher"),
        (("scale: ratio", "scale: log"), "scale"),
        (("models: [A]", "models: [B]"), "models"),
        (("never_falls", "ends_above"), "details"),
        (("outcomes: {r: undecided}", "outcomes: {q: undecided}"), "never_falls: outcomes"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, change, message):
    path = tmp_path / "claims.yml"
    path.write_text(TEXT, encoding="utf-8")
    claim, detail = claims.load(path)
    assert (
        claim.test in effects.TESTS
        and detail.detail_of == claim.id
        and "falls by more than 5%" in detail.statement
    )
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(TEXT.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        claims.load(wrong)
