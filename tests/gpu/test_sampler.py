"""The sampler on a GPU: logits, graphs against eager steps, the distribution of stories."""

import itertools

import numpy as np
import pytest
import torch
from stories import ARCHITECTURES, BOS, EOS, chi_square_z, enumerate_stories, make

from collapse_utils.language.sampler import gpu
from collapse_utils.language.sampler.caches import PaddedCache
from collapse_utils.language.sampler.decoder import Decoder
from collapse_utils.language.sampler.request import Collector, Request
from collapse_utils.language.sampler.weights import weights_of

pytestmark = pytest.mark.gpu


def stories(model, count, *, temperature=1.0, max_length=80, slots=16):
    request = Request(count, temperature, max_length, BOS, EOS, seed=3, first=0)
    collector = Collector(count, model.config.vocab_size)
    with torch.inference_mode():
        gpu.run(model, request, slots, collector)
    values, offsets = collector.result()
    return [values[a:b].tolist() for a, b in itertools.pairwise(offsets)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-5), (torch.bfloat16, 5e-2), (torch.float16, 1e-2)],
    ids=["float32", "bfloat16", "float16"],
)
@torch.inference_mode()
def test_logits_equal_the_models_in_float32(architecture, dtype, tolerance):
    """Relative to the largest logit; float32 is without TF32, as torch has it by default."""
    model, length = make(architecture, spread=1.0).cuda(), 40
    weights = weights_of(model, length, dtype)
    sizes = (len(weights.layers), 4, weights.heads, weights.features, length)
    cache = PaddedCache(*sizes, dtype, model.device)
    decoder = Decoder(weights, cache, 4)
    tokens = torch.randint(100, (4, length), generator=torch.Generator().manual_seed(1)).cuda()
    reference = model(tokens).logits
    cache.plan(4, length)
    for step in range(length):
        at = torch.full((4,), step, device=model.device)
        cache.begin(at)
        error = (decoder.step(tokens[:, step], at).float() - reference[:, step]).abs().max()
        assert error <= tolerance * reference.abs().max(), step


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_graphs_tell_the_same_stories_as_eager_steps(architecture, monkeypatch):
    monkeypatch.setattr(gpu, "BUCKET", 32)
    model = make(architecture).cuda()
    replayed = stories(model, 60)
    with monkeypatch.context() as patch:
        patch.setattr(gpu._State, "_replayed", lambda state, length: None)
        eager = stories(model, 60)
    assert replayed == eager
    assert len({len(story) for story in replayed}) > 10


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stories_have_the_models_distribution(architecture):
    """In float32, so that the model itself and not its rounding is tested."""
    model = make(
        architecture, layers=1, hidden=8, heads=2, ffn=8, vocabulary=4, max_length=6, spread=4.0
    )
    expected = enumerate_stories(model, 6, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "precision", lambda device: torch.float32)
        output = stories(model.cuda(), 6000, max_length=6, slots=64)
    assert -3.5 < chi_square_z(output, expected) < 3.5


def test_stories_in_half_precision_are_near_those_of_float32():
    """Few tokens fall so near to an edge of the distribution that half precision moves them."""
    model = make("llama", spread=1.0).cuda()
    half = stories(model, 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "precision", lambda device: torch.float32)
        full = stories(model, 200)
    first = [a[1] == b[1] for a, b in zip(half, full, strict=True)]
    assert np.mean(first) > 0.9
