"""Small language models with uneven weights, and every story that one of four tokens can tell."""

import numpy as np
import torch

from collapse_utils.language.model import build

ARCHITECTURES = ["gpt2", "llama"]
BOS, EOS = 0, 1


def make(
    architecture,
    *,
    layers=2,
    hidden=32,
    heads=2,
    ffn=48,
    vocabulary=100,
    max_length=80,
    spread=3.0,
    seed=0,
):
    """A model with uneven weights, norms and offsets: at first many are exactly 0 or 1."""
    shape = {"layers": layers, "hidden": hidden, "heads": heads, "ffn": ffn}
    model = build(
        architecture, **shape, vocabulary=vocabulary, max_length=max_length, seed=seed
    ).eval()
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(spread).add_(0.1 * torch.randn(weight.shape, generator=noise))
    return model


def enumerate_stories(model, max_length, temperature):
    """Every story that a small model can tell, with its probability."""
    done, open_ = {}, {(BOS,): 1.0}
    while open_:
        stories = torch.tensor(list(open_))
        with torch.no_grad():
            following = torch.softmax(model(stories).logits[:, -1].double() / temperature, -1)
        step = {}
        for (story, probability), row in zip(open_.items(), following.tolist(), strict=True):
            for token, share in enumerate(row):
                longer = (*story, token)
                ended = token == EOS or len(longer) == max_length
                (done if ended else step)[longer] = probability * share
        open_ = step
    return done


def chi_square_z(stories, expected):
    """How far observed stories are from their probabilities: z of Wilson and Hilferty."""
    count = len(stories)
    assert abs(sum(expected.values()) - 1) < 1e-9
    observed = dict.fromkeys(expected, 0)
    for story in stories:
        observed[tuple(story)] += 1  # a story that the model cannot tell is a KeyError
    common = [story for story, share in expected.items() if count * share >= 5]
    pairs = [(observed[story], count * expected[story]) for story in common]
    pairs.append((count - sum(o for o, _ in pairs), count - sum(e for _, e in pairs)))
    assert len(pairs) > 20 and len({len(story) for story in common}) >= 4
    chi2, freedom = sum((o - e) ** 2 / e for o, e in pairs), len(pairs) - 1
    return ((chi2 / freedom) ** (1 / 3) - 1 + 2 / (9 * freedom)) / np.sqrt(2 / (9 * freedom))
