"""The repository's address, which is in _config.yml, and the files that repeat it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from collapse_utils.durable.files import write_text
from collapse_utils.errors import InputError

from .contents import notebooks

ADDRESS = re.compile(
    r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]*[A-Za-z0-9_-])"
)


def address(root: Path) -> str:
    """The repository's address in _config.yml."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def spellings(url: str) -> tuple[str, str, str]:
    """The forms of an address in the files: the address itself, Colab links, GitHub Pages."""
    match = ADDRESS.fullmatch(url)
    if not match:
        raise InputError("repository", url, "https://github.com/OWNER/NAME")
    owner, name = match.groups()
    return (
        url,
        f"colab.research.google.com/github/{owner}/{name}",
        f"https://{owner.lower()}.github.io/{name}",
    )


def files(root: Path) -> list[Path]:
    """The files that may repeat the repository's address."""
    names = (
        "_config.yml",
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE-prose",
        "pyproject.toml",
        ".zenodo.json",
        "codemeta.json",
    )
    pages = sorted((root / "book").rglob("*.md"))
    paths = [*(root / name for name in names), *pages, *notebooks(root)]
    return [path for path in paths if path.is_file()]


def move(root: Path, url: str) -> list[Path]:
    """Replace the address by ``url`` everywhere; returns the changed files."""
    url = url.rstrip("/").removesuffix(".git")
    pairs = list(zip(spellings(address(root)), spellings(url), strict=True))
    changed = []
    for path in files(root):
        text = before = path.read_text(encoding="utf-8")
        for old, new in pairs:
            text = re.sub(re.escape(old) + r"(?![\w-])", lambda _, new=new: new, text)
        if text != before:
            write_text(path, text)
            changed.append(path)
    return changed
