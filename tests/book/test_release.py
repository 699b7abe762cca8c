"""What a release attaches can be checked by the one who downloads it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from book._tools import release
from collapse_utils.errors import InputError


@pytest.fixture
def built(tmp_path) -> tuple[Path, Path, Path]:
    """A site, a single file and a folder with a wheel."""
    site, single, folder = tmp_path / "html", tmp_path / "book.html", tmp_path / "dist"
    (site / "book").mkdir(parents=True)
    folder.mkdir()
    for path in (
        site / "index.html",
        site / "book" / "intro.html",
        single,
        folder / "package-1.whl",
    ):
        path.write_text(path.name)
    return site, single, folder


def test_the_folder_has_wheel_site_single_file_and_their_checksums(built):
    written = release.release(*built)
    _, single, folder = built
    lines = dict(reversed(line.split("  ")) for line in written.read_text().splitlines())
    assert set(lines) == {
        "package-1.whl",
        "model-collapse-book.html",
        "model-collapse-book-site.zip",
    }
    assert {path.name for path in folder.iterdir()} == {*lines, "SHA256SUMS"}
    for name, checksum in lines.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
    assert (folder / "model-collapse-book.html").read_bytes() == single.read_bytes()
    with zipfile.ZipFile(folder / "model-collapse-book-site.zip") as archive:
        assert {"index.html", "book/intro.html"} <= set(archive.namelist())


def test_the_checksums_of_a_second_release_do_not_include_the_first_ones(built):
    first = release.release(*built).read_text().splitlines()
    assert [line.split("  ")[1] for line in first] == [
        line.split("  ")[1] for line in release.release(*built).read_text().splitlines()
    ]


def test_a_missing_part_is_named(built):
    site, single, folder = built
    (folder / "package-1.whl").unlink()
    with pytest.raises(InputError, match="wheel"):
        release.release(site, single, folder)
    single.unlink()
    with pytest.raises(InputError, match="single file"):
        release.release(site, single, folder)
