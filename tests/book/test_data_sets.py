"""The data page names every data set: its address, its terms, and what our chains read of it."""

from __future__ import annotations

import json

from book._tools import data_sets
from collapse_utils import sections
from collapse_utils.sources import Source


def test_every_named_source_has_a_row_with_its_address_and_its_licence():
    rows = data_sets.sources().splitlines()
    named = {
        name: source
        for section in sections.NAMES
        for name, source in sections.module(section).SOURCES.items()
        if isinstance(source, Source) and source.address
    }
    assert {"bible", "tinystories", "orl", "celeba", "rdkit", "geom_drugs"} <= set(named)
    for name, source in named.items():
        (row,) = [line for line in rows if line.startswith(f"| `{name}`")]
        link = f"https://doi.org/{source.doi}" if source.doi else source.address
        assert f"]({link})" in row and source.licence in row
        assert source.address.startswith(("https://", "http://"))


def test_a_data_set_with_a_doi_links_to_it():
    (row,) = [
        line for line in data_sets.sources().splitlines() if line.startswith("| `geom_drugs`")
    ]
    assert "https://doi.org/10.7910/DVN/JNGTDF" in row


def test_checksums_of_both_splits_are_listed_once_for_a_folder(tmp_path):
    def write(folder: str, *data: dict) -> None:
        path = tmp_path / "results" / folder
        path.mkdir(parents=True)
        (path / "provenance.json").write_text(json.dumps([{"data": one} for one in data]))

    read = {
        "source": "stories",
        "train_items": 1000,
        "test_items": 200,
        "train": "aa",
        "test": "bb",
    }
    write("language/cpu-stories", read, read)
    write("linear/cpu-gaussian", read, {**read, "train": "cc", "train_items": 900})
    rows = [line for line in data_sets.checksums(tmp_path).splitlines() if "cpu-" in line]
    assert rows == [
        "| language/cpu-stories | train | 1,000 | `aa` |",
        "| language/cpu-stories | test | 200 | `bb` |",
        f"| linear/cpu-gaussian | train | 900 to 1,000 | {data_sets.SEVERAL} |",
        "| linear/cpu-gaussian | test | 200 | `bb` |",
    ]
