"""The data sets of the book: the description of each source, and checksums of the data read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collapse_utils import sections
from collapse_utils.durable.files import read_json
from collapse_utils.sources import Source

from .tables import captioned, markdown

CONFORMERS = Source(
    "Quantum-optimised conformers of drug-like molecules: a local SDF",
    "MIT",
    "Folmsbee and Hutchison, Int. J. Quantum Chem. e26381, 2020",
    "checksums below",
    "https://github.com/ghutchis/conformer-benchmark",
    entry="folmsbee2020",
)
SEVERAL = "several, in `provenance.json`"  # by seed, size or variant


def described() -> Iterator[tuple[str, str, Source]]:
    """(section, name, source) of every data set that has an address."""
    for section in sections.NAMES:
        for name, source in sections.module(section).SOURCES.items():
            if isinstance(source, Source) and source.address:
                yield section, name, source
        if section == "molecules":
            yield section, "conformers", CONFORMERS


def _address(source: Source) -> str:
    """A link to the data, by their DOI if they have one, and the version that is read."""
    host = source.address.removeprefix("https://").partition("/")[0]
    link = (
        f"[doi:{source.doi}](https://doi.org/{source.doi})"
        if source.doi
        else f"[{host}]({source.address})"
    )
    is_commit = len(source.revision) == 40
    return f"{link}, {f'`{source.revision[:12]}`' if is_commit else source.revision}"


def sources() -> str:
    """One row for each data set: name, content, address and version, licence, work to cite."""
    rows = []
    for section, name, source in described():
        shown = f"`{name}`" + (" (built-in)" if name == sections.default_source(section) else "")
        cite = f"{{cite:t}}`{source.entry}`" if source.entry else source.citation
        rows.append((shown, source.title, _address(source), source.licence, cite))
    table = markdown(("name", "data", "address and version", "licence", "cite"), rows)
    caption = (
        "The data sets that `--data` knows by name. A version of twelve letters and digits is the "
        "beginning of a commit."
    )
    return captioned(table, caption, "table-data-sets")


def _distinct(records: list[dict]) -> list[dict]:
    """The different data that the chains of one folder read; a simulation has none."""
    read = [record["data"] for record in records if "train" in record["data"]]
    return list({(data["train"], data["test"]): data for data in read}.values())


def checksums(root: Path) -> str:
    """Two rows for each folder of results: the checksums of both splits of its data."""
    rows = []
    for path in sorted((root / "results").glob("*/*/provenance.json")):
        folder = path.parent.relative_to(root / "results").as_posix()
        different = _distinct(read_json(path))
        if not different:
            continue
        for split in ("train", "test"):
            sums = sorted({data[split] for data in different})
            items = sorted({data[f"{split}_items"] for data in different})
            span = " to ".join(f"{count:,}" for count in dict.fromkeys((items[0], items[-1])))
            rows.append((folder, split, span, SEVERAL if len(sums) > 1 else f"`{sums[0]}`"))
    table = markdown(("results", "split", "items", "checksum"), rows, right=("items",))
    caption = (
        "Checksums of the data that our chains read. A folder is named after section, preset and "
        "data. Where seeds or variants have training data of their own, there are several."
    )
    return captioned(table, caption, "table-checksums")


def generated(root: Path) -> dict[str, str]:
    """File name in book/_generated -> text, for :mod:`book._tools.includes`."""
    return {"data_sources.md": sources(), "data_checksums.md": checksums(root)}
