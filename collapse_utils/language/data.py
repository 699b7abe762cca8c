"""Stories: where they come from, how they are split, and their tokens on disk.

A source yields plain texts.  Exact duplicates are dropped, and the rest is put into an order that
depends on its content alone and split into test, validation, reference (if any) and training
stories.  A byte-level BPE is trained on the reference stories, or on the training stories if there
are none.  The result is a folder in the cache: Arrow data sets of token lists and
``tokenizer.json``.  Every later chain of the same data maps it into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import selection
from ..data import arrow
from ..durable.files import cached_folder, read_json, write_json
from ..durable.run_dir import fingerprint
from ..errors import InputError, data_error
from ..sources import content_key
from .config import LanguageConfig
from .sources import locate

if TYPE_CHECKING:
    from datasets import Dataset
    from tokenizers import Tokenizer

END = "<|story|>"  # before and after every story; token 0
END_ID = 0
SPLITS = ("train", "validation", "test", "reference")


@dataclass(frozen=True)
class Stories:
    """Tokenised real stories: Datasets of ``tokens`` (uint16 lists) and ``length`` (int32)."""

    train: Dataset
    validation: Dataset
    test: Dataset
    reference: Dataset | None  # no chain trains on these
    tokenizer: Tokenizer
    # stories read, duplicates, tokens and share of tokens cut, characters of the test split
    info: dict


def unique(texts: Iterable[str]) -> tuple[list[str], int]:
    """The different non-empty texts, ordered by their content alone, and how many were read."""
    seen: dict[bytes, str] = {}
    count = 0
    for text in texts:
        count += 1
        story = text.strip()
        if story:
            seen.setdefault(content_key(" ".join(story.split()).encode()), story)
    return [seen[key] for key in sorted(seen)], count


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE of exactly ``vocabulary`` tokens; InputError if the text has too few pairs."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),  # no text is unknown
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocabulary:
        raise InputError(
            "vocabulary", vocabulary, f"at most {tokenizer.get_vocab_size()} with this text"
        )
    return tokenizer


def as_dataset(values: np.ndarray, offsets: np.ndarray) -> Dataset:
    """Token lists as a Dataset: story i is ``values[offsets[i]:offsets[i + 1]]``."""
    import pyarrow as pa

    datasets = arrow()
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.uint16()))
    features = datasets.Features(
        {"tokens": datasets.Sequence(datasets.Value("uint16")), "length": datasets.Value("int32")}
    )
    return datasets.Dataset.from_dict(
        {"tokens": lists, "length": pa.array(np.diff(offsets), pa.int32())}, features=features
    )


def token_lists(dataset: Dataset, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
    """(values, offsets) of some rows of a Dataset; the inverse of :func:`as_dataset`."""
    column = dataset.with_format("arrow")[rows]["tokens"].combine_chunks()
    offsets = column.offsets.to_numpy()
    return column.flatten().to_numpy(), offsets - offsets[0]


def _tokenise(tokenizer: Tokenizer, texts: list[str], max_length: int) -> tuple[Dataset, int]:
    """The stories between two end marks, cut at ``max_length`` tokens, and how many are cut off."""
    lengths, pieces, cut = [], [], 0
    for start in range(0, len(texts), 4096):
        for encoding in tokenizer.encode_batch(texts[start : start + 4096]):
            tokens = [END_ID, *encoding.ids, END_ID]
            cut += max(len(tokens) - max_length, 0)
            tokens = tokens[:max_length]
            lengths.append(len(tokens))
            pieces.append(np.array(tokens, np.uint16))
    return as_dataset(np.concatenate(pieces), np.concatenate([[0], np.cumsum(lengths)])), cut


def decode(tokenizer: Tokenizer, tokens: Iterable[int]) -> str:
    """The text of one story, without its end marks."""
    return tokenizer.decode([int(token) for token in tokens if token != END_ID])


def prepare(
    config: LanguageConfig, data: str | Path, cache: Path, seed: int = 0
) -> tuple[str, Stories]:
    """The source's name and its tokenised splits, memory-mapped from ``cache``.

    ``seed`` chooses the training stories where ``config.draw`` is ``by_seed``.  Raises InputError
    for a source that is not there, text that is not text, and too little of it.
    """
    from tokenizers import Tokenizer

    name, content, texts = locate(data, config.passage_words)
    fields = (
        "stories",
        "validation_stories",
        "test_stories",
        "reference_stories",
        "passage_words",
        "vocabulary",
        "max_length",
    )
    part = seed if config.draw == "by_seed" else 0
    given = {field: getattr(config, field) for field in fields}
    key = {"content": content, "layout": 2, "part": part, **given}
    folder = cache / "language" / f"{name}-{fingerprint(key)}"
    cached_folder(folder, lambda new: _prepare(config, name, texts, part, new))
    stored = {
        split: arrow().load_from_disk(str(folder / split)) if (folder / split).exists() else None
        for split in SPLITS
    }
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return name, Stories(**stored, tokenizer=tokenizer, info=read_json(folder / "info.json"))


def split_texts(
    config: LanguageConfig, name: str, stories: list[str], part: int
) -> dict[str, list[str]]:
    """The texts of each split that is not empty, with the ``part``-th training stories.

    Raises
    ------
    InputError : too few stories; names the source, ``stories``, or the seed that has no stories
        left.
    """
    if not stories:
        raise data_error(name, "a source with at least one story that is not empty")
    held_out = {
        "test": config.test_stories,
        "validation": config.validation_stories,
        "reference": config.reference_stories,
    }
    parts = selection.split(
        stories,
        held_out,
        size=config.stories,
        part=part,
        least=config.batch_size,
        field="stories",
        source=name,
        kind="different stories",
    )
    return {split: texts for split, texts in parts.items() if texts}


def _prepare(config: LanguageConfig, name: str, texts: Iterator[str], part: int, new: Path) -> None:
    stories, read = unique(texts)
    parts = split_texts(config, name, stories, part)
    tokenizer = train_tokenizer(parts.get("reference", parts["train"]), config.vocabulary)
    info = {"source": name, "read": read, "different": len(stories), "stories": len(parts["train"])}
    for split in SPLITS:
        if split not in parts:
            continue
        dataset, cut = _tokenise(tokenizer, parts[split], config.max_length)
        dataset.save_to_disk(str(new / split))
        total = sum(dataset["length"])
        info |= {f"{split}_tokens": total, f"{split}_cut_share": cut / (total + cut)}
        if split == "test":
            values, offsets = token_lists(dataset, slice(None))
            info["test_characters"] = sum(
                len(decode(tokenizer, values[a:b])) for a, b in pairwise(offsets)
            )
    tokenizer.save(str(new / "tokenizer.json"))
    write_json(new / "info.json", info)
