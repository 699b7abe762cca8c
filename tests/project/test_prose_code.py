"""The Python code in the prose runs, and gives what the sentences around it say."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"


def text_of(page: str) -> str:
    return (BOOK / f"{page}.md").read_text(encoding="utf-8")


def code_of(page: str) -> str:
    (code,) = re.findall(r"```\{code-block\} python\n(.*?)```", text_of(page), re.S)
    return code


def run(code: str) -> dict:
    names: dict = {}
    exec(compile(code, "prose", "exec"), names)
    return names


def loops() -> dict[str, str]:
    """The loop of the ten minutes as printed, and with the comment sign on the other line."""
    replace = code_of("ten_minutes")
    moved = re.sub(r"^( +)(train = synthetic)", r"\1# \2", replace, flags=re.M)
    return {
        "replace": replace,
        "accumulate": moved.replace("# train = np.append", "train = np.append"),
    }


def test_after_a_hundred_fits_replace_has_no_spread_left_and_accumulate_has():
    spread = {regime: run(code)["sd"] for regime, code in loops().items()}
    assert spread["replace"] < 0.1 < 0.5 < spread["accumulate"]


def test_the_variance_of_a_fit_follows_the_formulas_of_the_page():
    """Five fits, 1,000 seeds; the bound is 5 standard errors: one false alarm in a million."""
    fits, n = 5, 20
    expected = {
        "replace": (1 - 1 / n) ** fits,
        "accumulate": math.prod(1 - 1 / (n * t**2) for t in range(1, fits + 1)),
    }
    for regime, code in loops().items():
        code = code.replace("range(1, 101)", f"range(1, {fits + 1})")
        runs = [run(code.replace("rng(0)", f"rng({seed})"))["sd"] ** 2 for seed in range(1000)]
        error = np.std(runs, ddof=1) / math.sqrt(len(runs))
        assert abs(np.mean(runs) - expected[regime]) < 5 * error
    limit = math.sin(math.pi / math.sqrt(n)) / (math.pi / math.sqrt(n))
    assert math.prod(1 - 1 / (n * t**2) for t in range(1, 100_000)) == pytest.approx(
        limit, rel=1e-5
    )


def test_the_classroom_experiment_gives_the_numbers_that_the_page_names(capsys):
    names = run(code_of("teaching"))
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    page = " ".join(text_of("teaching").split())
    said = re.search(
        r"about ([\d.]+) different words under replace and about ([\d.]+) under accumulate", page
    )
    first = re.search(r"first list has about ([\d.]+)", page)
    assert f"{float(printed['replace']):.1f}" == said[1]
    assert f"{float(printed['accumulate']):.1f}" == said[2]
    one = np.mean([names["play"]("replace", lists=1, seed=seed) for seed in range(10_000)])
    assert f"{one:.1f}" == first[1]
