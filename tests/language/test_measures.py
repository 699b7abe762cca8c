"""Measures of stories beyond cross-entropy, on models whose answers are known."""

import dataclasses

import numpy as np
import pytest
import torch

from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.errors import InputError
from collapse_utils.language import data, fit, measures
from collapse_utils.language.config import LanguageConfig
from collapse_utils.language.section import LanguageSection, make

FULL = LanguageConfig(
    iterations=2,
    stories=40,
    validation_stories=12,
    test_stories=20,
    reference_stories=80,
    draw="by_seed",
    passage_words=15,
    vocabulary=300,
    max_length=32,
    layers=1,
    hidden=16,
    heads=2,
    ffn=16,
    epochs=2,
    evaluation_stories=8,
    measures="full",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def section(cache):
    return make(FULL, data="bible", seed=1, cache=cache)


def scaled(model, factor):
    """The model with every logit multiplied by ``factor``."""
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(factor)
    return model.eval()


def texts_of(section, split):
    return section.texts(split, len(split))


def test_seeds_train_on_disjoint_stories_and_share_everything_else(section, cache):
    others = [make(FULL, data="bible", seed=seed, cache=cache) for seed in (0, 2)]
    trained = [texts_of(each, each.stories.train) for each in (section, *others)]
    assert len({text for texts in trained for text in texts}) == 3 * FULL.stories
    held_out = {
        text
        for split in ("validation", "test", "reference")
        for text in texts_of(section, getattr(section.stories, split))
    }
    assert not held_out & {text for texts in trained for text in texts}
    for other in others:
        assert other.stories.tokenizer.to_str() == section.stories.tokenizer.to_str()
        for split in ("validation", "test", "reference"):
            assert texts_of(other, getattr(other.stories, split)) == texts_of(
                section, getattr(section.stories, split)
            )


def test_a_seed_without_stories_is_refused_with_what_the_source_allows():
    stories = [f"Story {i}" for i in range(200)]
    parts = data.split_texts(FULL, "fable", stories, 1)
    assert parts["train"] == stories[152:192]
    with pytest.raises(
        InputError,
        match=r"seed: got 2; allowed: below 2 with draw=by_seed and stories=40: fable has 200",
    ):
        data.split_texts(FULL, "fable", stories, 2)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("draw", {"draw": "by_seed", "stories": 0, "reference_stories": 10}),
        ("draw", {"draw": "by_seed"}),
        ("measures", {"measures": "full"}),
    ],
)
def test_fields_that_need_one_another_are_named(field, changes):
    with pytest.raises(InputError) as error:
        LanguageConfig(**changes)
    assert error.value.field == field


def test_the_tempered_loss_is_that_of_the_model_with_divided_logits(section):
    model = fit.new_model(FULL, seed=3)
    stories = section.stories.test
    there = measures.tempered(scaled(model, 30.0), stories, np.array([1.0, 2.5]))
    assert there[0] == pytest.approx(measures.cross_entropy(model, stories)[0], rel=1e-6)
    assert there[1] == pytest.approx(
        measures.cross_entropy(scaled(model, 1 / 2.5), stories)[0], rel=1e-5
    )


@pytest.mark.parametrize("factor", [0.6, 1.0, 3.0, 11.0])
def test_the_best_temperature_undoes_a_scale_of_the_logits(section, factor, tmp_path):
    """A fit sharpened by a factor is best at that factor times its own best temperature."""
    config = dataclasses.replace(FULL, epochs=12, learning_rate=1e-2)
    model = fit.fit(config, section.stories.train, 5, Checkpoint(tmp_path)).eval()
    stories = section.stories.validation
    own = measures.best_temperature(model, stories)
    sharpened = measures.best_temperature(scaled(model, factor), stories)
    assert sharpened / own == pytest.approx(factor, rel=0.05)
    around = sharpened * np.array([0.8, 1.0, 1.25])
    losses = measures.tempered(model, stories, around)
    assert losses[1] < losses[0] and losses[1] < losses[2]


def test_the_reference_is_one_model_for_all_seeds_and_architectures(section, cache):
    other = LanguageSection(dataclasses.replace(FULL, architecture="gpt2"), "bible", cache, seed=0)
    for ours, theirs in zip(
        section.reference.parameters(), other.reference.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert len(list((cache / "language").glob("reference-*"))) == 1
    trained = measures.cross_entropy(section.reference, section.stories.reference)[0]
    assert (
        trained
        < measures.cross_entropy(fit.new_model(FULL, seed=0).eval(), section.stories.reference)[0]
    )


def test_a_full_measurement_adds_to_the_basic_one_and_repeats_itself(section, tmp_path):
    model = section.fit(section.stories.train, 7, Checkpoint(tmp_path))
    result = section.evaluate(model, section.stories.test)
    assert result == section.evaluate(model, section.stories.test)
    basic = LanguageSection(
        dataclasses.replace(FULL, measures="basic"), "bible", section.cache, seed=1
    )
    assert basic.evaluate(model, basic.stories.test).items() <= result.items()
    assert result["cross_entropy_sampling_temperature"] == pytest.approx(
        result["cross_entropy"], rel=1e-6
    )
    tokens = section.stories.info["test_tokens"] - FULL.test_stories
    assert result["nats_per_story"] * FULL.test_stories == pytest.approx(
        result["cross_entropy"] * tokens
    )
    predicted = np.sum(section.stories.train["length"]) - FULL.stories
    assert result["trained_tokens"] == FULL.epochs * predicted  # 40 stories are five whole batches
    real = section.stories.test[: FULL.evaluation_stories]["tokens"]
    assert result["mean_length_real"] == np.mean([len(story) for story in real])
    assert result["share_ended_real"] == np.mean([story[-1] == data.END_ID for story in real])
    assert 0 < result["vocabulary_share_real"] < 1
