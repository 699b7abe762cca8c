"""The autoencoder, its training and its chain: closed forms and reproducibility."""

import io
import tarfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from photographs import photo
from PIL import Image
from tiny import FIELDS
from torch.distributions import Normal, kl_divergence

from collapse_utils import sections
from collapse_utils.chain import Chain, run_chain
from collapse_utils.data import Pool
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.durable.reading import read_curve
from collapse_utils.durable.signals import Interrupted
from collapse_utils.images import section as images_section
from collapse_utils.images.config import PRESETS, ImagesConfig
from collapse_utils.images.model import build, losses, pixel_noise, to_bytes, to_float
from collapse_utils.images.section import ImagesSection, save_grid

SMALL = FIELDS["images"] | {"iterations": 3, "images": 64, "sample_batch": 256}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def section(cache):
    return ImagesSection(ImagesConfig(**SMALL), "orl", cache)


def run(folder, cache, regime="replace", seed=0, data="orl", **fields):
    config = ImagesConfig(**{**SMALL, **fields})
    return run_chain(
        ImagesSection(config, data, cache),
        Chain("images", regime, seed, config, source="orl"),
        folder,
    )


def model_of(levels=2, channels=1, seed=3):
    config = ImagesConfig(size=16, width=4, levels=levels, latent=5)
    return build(config, channels=channels, seed=seed)


# The model


def test_the_paper_preset_is_the_hypothesised_network():
    """Convolutions of 32 to 512 channels counted by hand, without biases before a BatchNorm."""
    config = PRESETS["paper"]
    model = build(config, channels=3, seed=0)
    widths = [32, 64, 128, 256, 512]
    down = sum(9 * a * b + 2 * b for a, b in zip([3, *widths], widths))  # noqa: B905
    up = sum(9 * a * b + 2 * b for a, b in [(512, 256), (256, 128), (128, 64), (64, 32), (32, 32)])
    linear = 2 * (2048 * 128 + 128) + 128 * 2048 + 2048
    assert sum(p.numel() for p in model.parameters()) == down + up + linear + (9 * 32 * 3 + 3)
    assert (config.learning_rate, config.decay, config.epochs, config.batch_size) == (
        0.005,
        0.95,
        100,
        64,
    )
    assert (config.kl_weight, config.iterations) == (0.00025, 10)
    assert model.decode(torch.zeros(2, 128)).shape == (2, 3, 64, 64)


def test_the_loss_against_torchs_own_parts():
    model = model_of().eval()
    x, noise = torch.rand(7, 1, 16, 16), torch.randn(7, 5)
    error, kl, reconstruction = losses(model, x, noise)
    mean, log_variance = model.encode(x)
    std = torch.exp(log_variance / 2)
    assert torch.allclose(error.mean(), F.mse_loss(model.decode(mean + std * noise), x))
    assert torch.allclose(kl, kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum(1), atol=1e-5)
    assert reconstruction.min() >= 0 and reconstruction.max() <= 1


def test_a_model_depends_on_its_seed_alone_and_leaves_the_random_state_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = model_of()
    assert torch.equal(before, torch.get_rng_state())
    torch.randn(10)
    two, other = model_of(), model_of(seed=4)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.to_mean.weight, other.to_mean.weight)


def test_bytes_survive_the_way_to_floats_and_back():
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(to_bytes(to_float(images, torch.device("cpu"))), images)
    assert to_bytes(torch.tensor([[[[-0.2, 1.7, 0.5]]]])).tolist() == [[[[0, 255, 128]]]]


# Training


def test_the_learning_rate_falls_once_an_epoch_and_keeps_its_shape_with_a_fixed_number_of_steps(
    section, cache
):
    plan = section.plan(64)
    assert (
        plan.steps == 8
        and [plan.rate(step) for step in range(8)] == [0.005] * 4 + [0.005 * 0.9] * 4
    )
    config = ImagesConfig(**SMALL, protocol="steps")
    fixed, grown = ImagesSection(config, "orl", cache).plan(640), section.plan(640)
    assert (fixed, grown.steps) == (plan, 80) and grown.rate(39) == 0.005 > grown.rate(40)


def test_training_grows_with_the_data_or_does_not(cache, tmp_path):
    seen = {}
    for protocol in ("epochs", "steps"):
        run(tmp_path / protocol, cache, "accumulate", protocol=protocol)
        seen[protocol] = [
            read_curve(tmp_path / protocol / f"iteration-{t:02d}")[-1]["items"] for t in (1, 2, 3)
        ]
    assert seen == {"epochs": [128, 256, 384], "steps": [128, 128, 128]}


def test_a_pool_of_generations_trains_like_the_same_images_in_one_array(section, tmp_path):
    train, _ = section.real_data()
    more = section.sample(model_of_section(section), 64, 1)
    one = section.fit(np.concatenate([train, more]), 7, Checkpoint(tmp_path / "one"))
    two = section.fit(Pool([train, more]), 7, Checkpoint(tmp_path / "two"))
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def model_of_section(section):
    return build(section.config, channels=1, seed=1)


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_same_seed_same_bits(cache, tmp_path, regime):
    assert run(tmp_path / "a" / "run", cache, regime) == run(tmp_path / "b" / "run", cache, regime)
    assert run(tmp_path / "c" / "run", cache, regime, seed=1) != run(
        tmp_path / "a" / "run", cache, regime
    )


@pytest.mark.parametrize("at", [1, 3, 7])
def test_a_fit_stopped_inside_goes_on_to_the_same_bits(section, tmp_path, monkeypatch, at):
    """Weights, BatchNorm's statistics, Adam's moments and the random state come back."""
    train, test = section.real_data()
    whole = section.fit(train, 7, Checkpoint(tmp_path / "whole"))
    original, calls = losses, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) > at:
            raise Interrupted(15)
        return original(*arguments)

    monkeypatch.setattr(images_section, "losses", stopping)
    with pytest.raises(Interrupted):
        section.fit(train, 7, Checkpoint(tmp_path / "parts", every_s=0))
    monkeypatch.setattr(images_section, "losses", original)
    resumed = section.fit(train, 7, Checkpoint(tmp_path / "parts", every_s=0))
    # read back from its finished state
    again = section.fit(train, 7, Checkpoint(tmp_path / "whole"))
    names = whole.state_dict().keys()
    assert any("running_mean" in name for name in names)
    for other in (resumed, again):
        assert all(
            torch.equal(whole.state_dict()[name], other.state_dict()[name]) for name in names
        )
    expected = section.evaluate(whole, test)
    assert section.evaluate(resumed, test) == expected == section.evaluate(again, test)


# Measuring and sampling


def test_samples_are_images_like_the_real_ones_and_depend_on_the_seed(section):
    train, _ = section.real_data()
    model = model_of_section(section).eval()
    one = section.sample(model, 30, 5)
    assert one.dtype == train.dtype and one.shape == (30, *train.shape[1:])
    assert np.array_equal(one, section.sample(model, 30, 5)) and not np.array_equal(
        one, section.sample(model, 30, 6)
    )


def test_noisy_samples_add_the_noise_for_which_the_loss_is_a_bound(section, cache):
    """On a decoder whose mean is 1/2 everywhere, against the bound's own formula."""
    assert pixel_noise(2 * 0.1**2 / 256, 256) == pytest.approx(0.1)
    config = ImagesConfig(**SMALL, sample_noise=True, kl_weight=2 * 0.1**2 / 256)
    noisy, model = ImagesSection(config, "orl", cache), model_of_section(section)
    for layer in (model.decoder[-1].weight, model.decoder[-1].bias):
        torch.nn.init.zeros_(layer)
    pixels = noisy.sample(model, 100, 5) / 255
    count = pixels.size
    assert abs(pixels.mean() - 128 / 255) < 5 * 0.1 / count**0.5 + 1 / 510
    # five standard errors, and rounding to bytes
    assert abs(pixels.std() - 0.1) < 5 * 0.1 / (2 * count) ** 0.5 + 0.001
    assert np.array_equal(noisy.sample(model, 100, 5) / 255, pixels)
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    likelihood = [-Normal(centre, 0.1).log_prob(x).sum().item() for centre in (0.3, 0.6)]
    errors = [(x - centre).square().mean().item() for centre in (0.3, 0.6)]
    assert (errors[1] - errors[0]) / config.kl_weight == pytest.approx(
        likelihood[1] - likelihood[0], rel=1e-4
    )


def test_the_test_loss_is_its_two_terms_whatever_the_batch(cache):
    values = []
    for sample_batch in (3, 256):
        section = ImagesSection(
            ImagesConfig(**SMALL | {"sample_batch": sample_batch}), "orl", cache
        )
        values.append(section.evaluate(model_of_section(section), section.real_data()[1]))
    for result in values:
        assert result["test_loss"] == result["reconstruction_error"] + 0.00025 * result["kl"]
    assert values[0]["test_loss"] == pytest.approx(values[1]["test_loss"], rel=1e-6)


# What is written


def test_previews_are_small_opaque_grids_and_reconstructions_only_where_they_may_be_shown(
    cache, tmp_path
):
    run(tmp_path / "orl", cache)
    for t in (1, 2, 3):
        preview = tmp_path / "orl" / f"iteration-{t:02d}" / "preview"
        for name, size in (
            ("samples.png", (8 * 17 - 1, 2 * 17 - 1)),
            ("reconstructions.png", (8 * 17 - 1, 2 * 17 - 1)),
        ):
            with Image.open(preview / name) as image:
                assert image.mode == "L" and image.size == size
            assert (preview / name).stat().st_size < 10_000
    photos = tmp_path / "celeba_x.tar"
    with tarfile.open(photos, "w") as archive:
        for i in range(80):
            member = tarfile.TarInfo(f"celeba/{i}.jpg")
            content = photo(i)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    run(tmp_path / "celeba", cache, data=photos)
    written = {
        path.name
        for path in (tmp_path / "celeba").rglob("*")
        if path.suffix in (".png", ".jpg", ".npy")
    }
    assert written == {"samples.png", "items.npy"}  # samples of a model, and no photograph
    assert all("generation" in str(path) for path in (tmp_path / "celeba").rglob("items.npy"))


def test_a_grid_is_laid_out_row_by_row_on_white(tmp_path):
    images = np.zeros((3, 3, 4, 4), np.uint8)
    images[1, 0] = 200
    save_grid(images, 2, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as image:
        pixels = np.asarray(image)
    assert (
        pixels.shape == (9, 9, 3) and (pixels[:, 4] == 255).all() and (pixels[5:, 5:] == 255).all()
    )
    assert pixels[0, 5].tolist() == [200, 0, 0] and not pixels[5:, :4].any()


def test_the_provenance_tells_of_the_data(cache, tmp_path):
    from collapse_utils.durable import files

    run(tmp_path / "run", cache, iterations=1)
    notes = files.read_json(tmp_path / "run" / "DONE")["notes"]
    assert (
        notes["damaged"] == 0
        and notes["people"]["test"] == 1
        and 0.5 < notes["explained_variance_of_features"] <= 1
    )


def test_the_registry_knows_the_section(cache):
    section, chain = sections.make("images", preset="smoke", regime="replace", seed=0, cache=cache)
    assert (
        isinstance(section, ImagesSection)
        and chain.source == "orl"
        and chain.config == PRESETS["smoke"]
    )
    assert sections.module("images").HEADLINE == "test_loss"
