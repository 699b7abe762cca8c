"""The sampler draws from the model's own distribution, whatever the batch."""

import itertools
import multiprocessing
import sys
import threading

import numpy as np
import pytest
import torch
from stories import ARCHITECTURES, BOS, EOS, chi_square_z, enumerate_stories, make

from collapse_utils.errors import InputError, RunError
from collapse_utils.language.sampler import gpu
from collapse_utils.language.sampler.caches import CHUNK, PaddedCache, RaggedCache
from collapse_utils.language.sampler.decoder import Decoder
from collapse_utils.language.sampler.draw import draw, uniforms
from collapse_utils.language.sampler.request import Collector, Request
from collapse_utils.language.sampler.sample import sample_stories
from collapse_utils.language.sampler.weights import weights_of
from collapse_utils.training.allocator import keep_memory


def sample(model, count, **changes):
    options = {"max_length": 80, "bos": BOS, "eos": EOS, "seed": 3, **changes}
    return sample_stories(model, count, **options)


def split(values, offsets):
    return [values[a:b].tolist() for a, b in itertools.pairwise(offsets)]


def same(first, second):
    return all(
        np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(first, second, strict=True)
    )


def exact(logits, reference):
    """Equal up to float32: the error against the largest logit."""
    return (logits - reference).abs().max() <= 1e-5 * reference.abs().max()


# --- one step


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.inference_mode()
def test_logits_equal_the_models_step_by_step_also_in_refilled_slots(architecture):
    """Five slots with stories of different ages: every logit is that of the whole story."""
    length, slots, steps = 70, 5, 150
    assert length > 2 * CHUNK
    model = make(architecture)
    weights = weights_of(model, length)
    cache = RaggedCache(len(weights.layers), slots, weights.heads, weights.features, length)
    decoder = Decoder(weights, cache, slots)
    stories = torch.randint(100, (slots, 3, length), generator=torch.Generator().manual_seed(1))
    reference = model(stories.view(-1, length)).logits.view(slots, 3, length, 100)
    position, story = np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.int64)
    end = np.array([[length, 33, 50], [5, 60, length], [31, 32, 64], [63, 2, 70], [1, 68, length]])
    for step in range(steps):
        if step % 8 == 0:
            # Not all slots, and not in order: the shrunken batch at the end of a data set.
            active = np.arange(slots) if step < 60 else np.array([4, 0, 2])
            cache.plan(active, np.minimum(position[active] + 7, length - 1))
        at = position[active]
        cache.begin(at)
        logits = decoder.step(stories[active, story[active], at], torch.from_numpy(at))
        assert exact(logits, reference[active, story[active], at]), step
        position[active] += 1
        ended = active[position[active] == end[active, story[active]]]
        position[ended], story[ended] = 0, (story[ended] + 1) % 3
    assert story.any()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.inference_mode()
def test_logits_of_the_padded_cache_equal_the_models(architecture):
    model = make(architecture)
    weights = weights_of(model, 40)
    cache = PaddedCache(len(weights.layers), 4, weights.heads, weights.features, 40)
    decoder = Decoder(weights, cache, 4)
    tokens = torch.randint(100, (4, 40), generator=torch.Generator().manual_seed(1))
    reference = model(tokens).logits
    # two start later, over what the slot held before
    kept, position = torch.arange(4), torch.tensor([0, -3, -7, 0])
    for step in range(40):
        if step == 20:
            kept, position = kept[[3, 1]], position[[3, 1]]
            cache.keep(torch.tensor([3, 1]))
        cache.plan(len(kept), 24 if step < 24 else 40)
        at = position.clamp(min=0)
        cache.begin(at)
        logits = decoder.step(tokens[kept, at], at)
        assert exact(logits[position >= 0], reference[kept, at][position >= 0]), step
        position += 1


def test_weights_leave_the_model_as_it_is_and_refuse_variants():
    for architecture in ARCHITECTURES:
        model = make(architecture)
        before = {name: weight.clone() for name, weight in model.named_parameters()}
        weights_of(model, 10)
        assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters())
        model.config.hidden_act = model.config.activation_function = "relu"
        with pytest.raises(ValueError, match="activation"):
            weights_of(model, 10)


# --- one draw


@pytest.mark.parametrize("vocabulary", [1, 7, 64, 65, 1000])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_draw_inverts_the_distribution(vocabulary, temperature):
    """At N evenly spaced uniforms a token of probability p is drawn N p times, within one."""
    n = 20_000
    logits = 3 * torch.randn(1, vocabulary, generator=torch.Generator().manual_seed(vocabulary))
    logits[0, vocabulary // 2 + 1 :: 5] = -torch.inf
    uniform = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    tokens = torch.cat(
        [draw(logits.expand(2000, -1), part, temperature) for part in uniform.split(2000)]
    )
    counts = torch.bincount(tokens, minlength=vocabulary)
    expected = n * torch.softmax(logits[0].double() / temperature, 0)
    assert counts.shape == expected.shape
    assert (counts - expected).abs().max() < 1.05
    assert not counts[expected == 0].any()


def test_draw_never_takes_an_impossible_token_nor_leaves_the_vocabulary():
    logits = torch.full((4, 130), -torch.inf)
    logits[0, 3] = logits[1, 129] = logits[2, 64] = 0.0
    logits[3, [70, 71]] = torch.tensor([0.0, 80.0])
    for uniform in (0.0, 0.5, 1 - 2**-53):
        for temperature in (1e-30, 0.3, 1.0):
            tokens = draw(
                logits, torch.full((4,), uniform, dtype=torch.float64), temperature
            ).tolist()
            assert tokens[:3] == [3, 129, 64]
            assert tokens[3] == 71 or (uniform == 0.0 and tokens[3] == 70 and temperature == 1.0)


def test_uniforms_are_a_stream_for_each_story():
    assert np.array_equal(uniforms(5, 9, 10), uniforms(5, 9, 30)[:10])
    many = np.stack(
        [uniforms(seed, story, 100) for seed in (0, 1, 2**62) for story in (0, 1, 2, 10**9)]
    )
    assert len(np.unique(many)) == many.size and many.min() >= 0 and many.max() < 1
    assert abs(np.corrcoef(many)[~np.eye(len(many), dtype=bool)]).max() < 0.5


# --- whole stories


@pytest.mark.parametrize(
    ("architecture", "temperature"), [("gpt2", 1.0), ("gpt2", 0.5), ("llama", 1.0), ("llama", 2.0)]
)
def test_stories_have_the_models_distribution(architecture, temperature):
    """Chi-square over all stories of a model with 4 tokens: no length is favoured."""
    model = make(
        architecture, layers=1, hidden=8, heads=2, ffn=8, vocabulary=4, max_length=6, spread=4.0
    )
    count = 6000
    stories = split(*sample(model, count, temperature=temperature, max_length=6, batch=40))
    expected = enumerate_stories(model, 6, temperature)
    assert -3.5 < chi_square_z(stories, expected) < 3.5
    lengths = np.array([len(story) for story in stories])
    mean = sum(len(story) * share for story, share in expected.items())
    assert abs(lengths.mean() - mean) < 4 * lengths.std() / np.sqrt(count)
    # Should stories that end early come first, the first quarter would be short.
    assert abs(lengths[: count // 4].mean() - mean) < 4 * lengths.std() / np.sqrt(count / 4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_story_depends_on_seed_and_number_alone(architecture):
    model = make(architecture)
    whole = sample(model, 40, batch=7)
    assert same(whole, sample(model, 40, batch=7))
    assert same(whole, sample(model, 40, batch=1))
    assert same(whole, sample(model, 40, batch=64))
    stories = split(*whole)
    assert split(*sample(model, 12, batch=5)) == stories[:12]
    assert split(*sample(model, 15, batch=5, first=20)) == stories[20:35]
    assert split(*sample(model, 40, batch=7, seed=4)) != stories
    lengths = {len(story) for story in stories}
    assert len(lengths) > 10 and max(lengths) > 2 * CHUNK > min(lengths)


def on_each_story(monkeypatch, act):
    """Call ``act`` in the sampling process whenever a story has been collected."""
    finish = Collector.finish

    def finish_and_act(self, story, tokens):
        finish(self, story, tokens)
        act()

    monkeypatch.setattr(Collector, "finish", finish_and_act)


def test_workers_sample_the_same_stories(monkeypatch):
    model = make("llama")
    one = sample(model, 12, batch=4)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert same(one, sample(model, 12, batch=4))
        assert same(one, sample(model, 12, batch=1))
        assert torch.get_num_threads() == 2
        on_each_story(monkeypatch, lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            sample(model, 12, batch=4)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are processes on Linux alone")
def test_a_killed_worker_is_reported_and_no_process_is_left(monkeypatch):
    model = make("llama")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)

    def kill() -> None:
        for child in multiprocessing.active_children():
            child.kill()

    def interrupt() -> None:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    try:
        with (
            monkeypatch.context() as patch,
            pytest.raises(RunError, match="a process of the sampler was killed"),
        ):
            on_each_story(patch, kill)
            sample(model, 400, batch=4)
        assert not multiprocessing.active_children()
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            on_each_story(patch, interrupt)
            sample(model, 400, batch=4)
        assert not multiprocessing.active_children()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loop_for_gpus_tells_the_same_stories(architecture, monkeypatch):
    """In float32 without graphs, on the CPU: bursts, halved batches, buckets of positions."""
    monkeypatch.setattr(gpu, "BUCKET", 32)
    model = make(architecture)
    expected = sample(model, 30, temperature=0.8)
    request = Request(count=30, temperature=0.8, max_length=80, bos=BOS, eos=EOS, seed=3, first=0)
    for slots in (1, 9):
        collector = Collector(30, 100)
        with torch.inference_mode():
            gpu.run(model, request, slots, collector)
        assert same(expected, collector.result())


def test_a_step_that_cannot_be_captured_is_taken_eagerly_with_one_line(monkeypatch, capsys):
    model = make("llama")
    expected = sample(model, 20)
    prepare, tries = gpu._State.__init__, []

    def on_a_gpu(state, *arguments):
        prepare(state, *arguments)
        state.graphs = True

    def refuse(state):
        state._step()  # as far as a capture gets
        tries.append(1)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(gpu._State, "__init__", on_a_gpu)
    monkeypatch.setattr(gpu._State, "_capture", refuse)
    collector = Collector(20, 100)
    with torch.inference_mode():
        gpu.run(model, Request(20, 1.0, 80, BOS, EOS, seed=3, first=0), 7, collector)
    assert same(collector.result(), expected) and len(tries) == 1
    output = capsys.readouterr().err.splitlines()
    assert len(output) == 1 and "without CUDA graphs" in output[0] and "not permitted" in output[0]


def test_marks_and_lengths():
    model = make("gpt2", vocabulary=30)
    values, offsets = sample(model, 200, max_length=24, batch=32)
    assert values.dtype == np.uint16 and offsets.dtype == np.int64 and offsets[-1] == len(values)
    stories = split(values, offsets)
    assert len(stories) == 200
    for story in stories:
        assert story[0] == BOS and 2 <= len(story) <= 24
        assert EOS not in story[1:-1]
        assert story[-1] == EOS or len(story) == 24
    assert any(story[-1] == EOS for story in stories) and any(story[-1] != EOS for story in stories)
    # One token may mark both ends.
    both = split(*sample(model, 50, max_length=24, bos=EOS))
    assert all(story[0] == EOS and EOS not in story[1:-1] for story in both)
    assert all(len(story) == 2 for story in split(*sample(model, 5, max_length=2)))


def test_large_vocabulary_gets_wider_tokens():
    model = make("gpt2", layers=1, hidden=8, ffn=8, vocabulary=70_000, max_length=8)
    values, _ = sample(model, 20, max_length=8)
    assert values.dtype == np.uint32 and values.max() > 65_535


def test_sampling_leaves_the_model_and_the_random_state_as_they_are():
    model = make("llama").train()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    sample(model, 25, batch=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training and all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 0),
        ("count", 2.0),
        ("count", True),
        ("first", -1),
        ("batch", 0),
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("max_length", 81),
        ("max_length", 1),
        ("eos", 100),
        ("eos", -1),
        ("bos", 100),
    ],
)
def test_bad_input_is_refused_by_field(field, value):
    with pytest.raises(InputError) as error:
        sample(make("gpt2", layers=1), **{"count": 3, field: value})
    assert error.value.field == field and "\n" not in str(error.value)


def test_keep_memory_may_be_called_often():
    assert keep_memory() == keep_memory()
