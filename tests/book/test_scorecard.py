"""The scorecard, ``claims.json`` and the tables beside them, from the committed results."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from book._tools import claims_json, error_rates, registration, scorecard
from collapse_utils.evidence import claims
from collapse_utils.evidence.verdicts import NOT_RUN, REPRODUCED

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "book" / "claims.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def judged():
    return scorecard.judged(ROOT)


@pytest.fixture(scope="module")
def published(judged):
    return json.loads(claims_json.text(ROOT, judged))


def test_the_scorecard_shows_every_claim_with_its_page_and_the_commit_that_registered_it(judged):
    text = scorecard.full(ROOT, judged)
    main = [claim for claim in claims.load() if not claim.detail_of]
    assert text.count("\n| [") == len(main) == text.count("we test")
    assert "(#images-variety)" in text and "{bdg-info-line}`DIGITISED`" in text
    assert (
        "For the test loss, we test whether replace / accumulate at the final fit is > 1." in text
    )
    commit = registration.read(ROOT)["faces-gap"]["commit"]
    assert (
        f"registered in [{commit[:7]}](https://github.com/" in text and f"/commit/{commit})" in text
    )


def test_every_verdict_says_its_scale_and_what_kind_of_evidence_it_is(judged):
    text = scorecard.full(ROOT, judged)
    decided = [
        verdict
        for rows in judged.values()
        for claim, verdicts in rows
        for verdict in verdicts.values()
        if not claim.detail_of and verdict.outcome != NOT_RUN
    ]
    scales = (scorecard.REDUCED, scorecard.FULL, scorecard.OWN)
    assert sum(text.count(f"{scale}<br>") for scale in scales) == len(decided)
    kinds = (registration.CONFIRMATORY, registration.EXPLORATORY)
    assert sum(text.count(f"<br>{kind}") for kind in kinds) == len(decided)
    assert "smoke" not in text  # which checks the machinery


def test_a_rise_shows_its_slope_and_counts_its_steps_and_the_rest_is_in_the_details(judged):
    text, details = scorecard.full(ROOT, judged), scorecard.details(ROOT, judged)
    assert "slope over the fits" in text and "steps rise" in text and "Page's trend" not in text
    assert (
        "Page's trend test" in details
        and "no step falls by more than 5%" in details
        and "p = " in details
    )


def test_no_interval_of_a_ratio_reaches_below_0(published):
    ratios = [
        result
        for claim in published["claims"]
        if claim["ratio"]
        for result in claim["results"]
        if "effect" in result
    ]
    lows = [result["effect"]["low"] for result in ratios if result["effect"]["low"] is not None]
    assert len(lows) > 30 and min(lows) > 0


def test_an_outcome_is_reproduced_only_if_its_effect_lies_in_the_claimed_range(published):
    seen = 0
    for claim in published["claims"]:
        for result in claim["results"]:
            if result["outcome"] != REPRODUCED:
                continue
            low, high = result["claimed_range"]
            mean, seen = result["effect"]["mean"], seen + 1
            assert (low is None or mean > low) and (high is None or mean < high), claim["id"]
            assert low is not None or high is not None
    assert seen > 50


def test_claims_json_keeps_to_its_schema(published):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(published)
    assert [claim["id"] for claim in published["claims"]] == [claim.id for claim in claims.load()]
    broken = json.loads(json.dumps(published))
    broken["claims"][0]["results"][0]["outcome"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_claims_json_and_its_schema_are_published_with_the_site(published):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    extra = config["sphinx"]["config"]["html_extra_path"]
    assert extra == ["book/_generated/claims.json", "book/claims.schema.json"]
    assert all((ROOT / path).is_file() for path in extra)
    assert published["$schema"] == config["html"]["baseurl"] + "claims.schema.json"


def test_the_table_of_error_rates_has_a_row_for_every_number_of_parts(judged):
    lines = [line for line in error_rates.table().splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    seen = {(row[0], int(row[1])) for row in cells}
    assert {(str(seeds), parts) for seeds in (3, 5, 10) for parts in (1, 4, 7, 9)} < seen and (
        "3, then 5",
        1,
    ) in seen
    assert max(float(cell.rstrip("%")) for row in cells for cell in row[3:5]) < 3.0
    parts = {
        v.parts
        for rows in judged.values()
        for claim, vs in rows
        for v in vs.values()
        if v.outcome != NOT_RUN
    }
    assert max(parts) <= max(error_rates.PARTS)


def test_the_corrections_for_many_claims_count_all_that_were_decided(judged):
    (_, main), (_, every) = scorecard.families(judged)
    assert len(every) > len(main)
    table = error_rates.multiplicity_table(scorecard.families(judged))
    row = next(line for line in table.splitlines() if line.startswith("| the scorecard |"))
    decided, reproduced, holm, discovery = (int(cell) for cell in row.strip("|").split("|")[1:])
    assert decided == sum(verdict.outcome != NOT_RUN for verdict in main)
    assert reproduced == sum(verdict.outcome == REPRODUCED for verdict in main)
    assert holm <= discovery <= reproduced
