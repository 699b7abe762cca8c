"""Sphinx extension: the bibliography is labelled by author and year, as in the text.

sphinxcontrib-bibtex cites as "[Dey and Donoho, 2024]" with ``bibtex_reference_style: author_year``,
while every bibliography style of pybtex labels the same entry "[DD24]".  ``bibtex_default_style:
author_year`` labels it "[Dey and Donoho, 2024]" as well, and sorts the list by these labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle


def last_names(entry: Entry) -> list[str]:
    """The last names of the authors, with their particles and without TeX markup."""
    people = entry.persons["author"]
    return [" ".join(map(str, [*one.rich_prelast_names, *one.rich_last_names])) for one in people]


def label(entry: Entry) -> str:
    """For example "Dey and Donoho, 2024"; three or more authors are shortened to "et al."."""
    first, *others = last_names(entry)
    authors = f"{first} et al." if len(others) > 1 else " and ".join([first, *others])
    return f"{authors}, {entry.fields['year']}"


class AuthorYearLabels(BaseLabelStyle):
    """Labels for the entries of a bibliography; a label that two entries share is an error.

    The text has no letters after the year, so a reader could not tell the two apart.
    """

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        used: dict[str, str] = {}
        for entry in sorted_entries:
            name = label(entry)
            if name in used:
                raise ValueError(f"{used[name]} and {entry.key} are both cited as {name!r}")
            used[name] = entry.key
            yield name


class AuthorYearStyle(Style):
    """pybtex's plain style with these labels, in the order of authors, year and title."""

    default_label_style = AuthorYearLabels
    default_sorting_style = "author_year_title"


def setup(app):
    register_plugin("pybtex.style.formatting", "author_year", AuthorYearStyle)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
