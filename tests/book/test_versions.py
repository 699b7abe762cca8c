"""The page of versions and run times is made from whatever provenance there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from book._tools import versions

FULL = {
    "package_version": "0.1.0",
    "commit": "0123456789abcdef",
    "python": "3.11.7",
    "versions": {"numpy": "2.0", "torch": "2.13.0+cpu"},
    "processor": "Abacus 9000",
    "cores": 2,
    "device": "cpu",
    "threads": 2,
    "wall_s": 60.0,
    "peak_memory_mb": 500,
    "finished": "2026-01-02T10:00:00+00:00",
}
BARE = {
    "package_version": "0.0.9",
    "python": "3.12.1",
    "versions": {"numpy": "1.26"},
    "wall_s": 7200.0,
    "peak_memory_mb": 900,
}


def record(section: str, regime: str, seed: int, variant: str = "", **provenance) -> dict:
    chain = {
        "section": section,
        "preset": "cpu",
        "variant": variant,
        "regime": regime,
        "seed": seed,
    }
    return {**chain, "data": {"source": "stories"}, "provenance": provenance}


def results(root: Path, **sections: list[dict]) -> Path:
    for section, records in sections.items():
        folder = root / "results" / section / "cpu-stories"
        folder.mkdir(parents=True)
        (folder / "provenance.json").write_text(json.dumps(records), encoding="utf-8")
    return root


def cells(text: str, first: str) -> list[list[str]]:
    """The rows of a table whose first cell is ``first``."""
    lines = text.replace("\u00a0", " ").splitlines()
    result = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    return [row for row in result if row[0] == first]


def small(root: Path) -> Path:
    variant = "architecture=gpt2,temperature=0.3"
    language = [
        record(
            "language",
            "accumulate",
            0,
            **{
                **FULL,
                "wall_s": 3600.0,
                "commit": "fedcba9",
                "device": "NVIDIA T4",
                "precision": "float32",
            },
        ),
        record("language", "replace", 0, **FULL),
        record(
            "language",
            "replace",
            1,
            **{**FULL, "wall_s": 120.0, "finished": "2026-01-04T10:00:00+00:00"},
        ),
        record(
            "language",
            "replace",
            2,
            **{**FULL, "wall_s": 600.0, "peak_memory_mb": 700, "commit": "fedcba9"},
        ),
        record("language", "replace", 0, variant, **FULL),
    ]
    (root / "requirements.lock").write_text(
        "# pins\nnumpy==2.4.6\nhuggingface_hub==1.0\n", encoding="utf-8"
    )
    (root / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy>=1.26", "huggingface-hub>=0.1"]\n', encoding="utf-8"
    )
    return results(root, weather=[record("weather", "replace", 0, **BARE)], language=language)


def test_a_row_is_a_regime_with_its_median_range_and_largest_memory(tmp_path):
    text = versions.pages(small(tmp_path))["versions_chains.md"]
    plain, accumulate, _ = cells(text, "as the preset")
    assert plain[1:] == ["replace", "3", "2.0 min", "60 s to 10.0 min", "700 MB"]
    assert accumulate[1:] == ["accumulate", "1", "60.0 min", "", "500 MB"]
    (variant,) = cells(text, "architecture=gpt2, temperature=0.3")
    assert variant[1:3] == ["replace", "1"]


def test_chains_are_counted_by_machine_and_commit(tmp_path):
    lines = versions.pages(small(tmp_path))["versions_chains.md"].splitlines()
    assert [line for line in lines if line.startswith("- ")] == [
        "- 3 chains on Abacus 9000, 2 cores, device cpu, 2 threads a chain; commit `0123456`; "
        "finished 2026-01-02 to 2026-01-04",
        "- 1 chain on Abacus 9000, 2 cores, device cpu, 2 threads a chain; commit `fedcba9`; "
        "finished 2026-01-02",
        "- 1 chain on Abacus 9000, 2 cores, device NVIDIA T4, 2 threads a chain, float32; commit "
        "`fedcba9`; finished 2026-01-02",
        "- 1 chain on a processor whose name was not recorded, ? cores, device not recorded, 1 "
        "thread a chain; commit not recorded; finished not recorded",
    ]


def test_a_record_that_says_little_has_its_row(tmp_path):
    text = versions.pages(small(tmp_path))["versions_chains.md"]
    # The book's own sections come first.
    assert text.index("**Language models: preset cpu, stories**") < text.index(
        "**Weather: preset cpu, stories**"
    )
    assert cells(text, "as the preset")[-1][1:] == ["replace", "1", "2.0 h", "", "900 MB"]


def test_core_hours_count_threads(tmp_path):
    text = versions.pages(small(tmp_path))["versions_totals.md"]
    # (3600 + 60 + 120 + 600 + 60) seconds of two threads; 7200 of one.
    assert cells(text, "Language models") == [["Language models", "5", "2.5", "60.0 min", "700 MB"]]
    assert cells(text, "Weather") == [["Weather", "1", "2", "2.0 h", "900 MB"]]
    assert cells(text, "**all**") == [["**all**", "6", "4.5", "2.0 h", "900 MB"]]


@pytest.mark.parametrize(
    ("seconds", "hours"),
    [([3.0], "< 0.01"), ([1800.0], "0.5"), ([36000.0, 3600.0], "11"), ([3.6e6, 7.2e6], "3,000")],
)
def test_hours_are_as_precise_as_they_are_long(seconds, hours):
    assert (
        versions.hours([record("language", "replace", 0, wall_s=value) for value in seconds])
        == hours
    )


def test_software_holds_the_records_against_the_lock(tmp_path):
    text = versions.pages(small(tmp_path))["versions.md"]
    assert cells(text, "numpy") == [["numpy", "1.26, 2.0", "2.4.6"]]
    assert cells(text, "torch") == [["torch", "2.13.0+cpu", ""]]
    # however a name is spelt
    assert cells(text, "huggingface-hub") == [["huggingface-hub", "", "1.0"]]
    assert cells(text, "Python") == [["Python", "3.11.7, 3.12.1", ""]]


def test_without_results_it_says_so(tmp_path):
    assert set(versions.pages(tmp_path).values()) == {versions.NO_RESULTS}
