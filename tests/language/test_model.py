"""The models have the paper's sizes, and are a function of shape and seed."""

import pytest
import torch

from collapse_utils.errors import InputError
from collapse_utils.language.model import PAPER_SIZES, build, parameters

SMALL = {"layers": 2, "hidden": 32, "heads": 2, "ffn": 48, "vocabulary": 40, "max_length": 16}
PAPER = {
    "gpt2-9m": 8_890_880,
    "llama-12m": 12_488_960,
    "llama-42m": 41_755_136,
    "llama-126m": 125_553_408,
}


@pytest.mark.parametrize("name", PAPER)
def test_paper_sizes_have_exactly_the_papers_parameters(name):
    size = PAPER_SIZES[name]
    with torch.device("meta"):
        model = build(size.architecture, **size.shape(), seed=0)
    assert parameters(model) == PAPER[name] == size.parameters


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_build_depends_on_its_arguments_alone(architecture):
    torch.manual_seed(5)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    first = build(architecture, **SMALL, seed=1).state_dict()
    assert torch.equal(torch.rand(3), untouched)
    again = build(architecture, **SMALL, seed=1).state_dict()
    other = build(architecture, **SMALL, seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_build_takes_every_part_of_the_shape(architecture):
    model = build(architecture, **SMALL, dropout=0.25, seed=0)
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, 32, 2)
    assert (config.vocab_size, config.max_position_embeddings) == (40, 16)
    assert (config.n_inner if architecture == "gpt2" else config.intermediate_size) == 48
    assert (config.resid_pdrop if architecture == "gpt2" else config.attention_dropout) == 0.25
    assert model.training and model.dtype == torch.float32
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert tied == (architecture == "gpt2")


@pytest.mark.parametrize(
    ("field", "architecture", "change"),
    [
        ("architecture", "rnn", {}),
        ("heads", "gpt2", {"heads": 3}),
        ("heads", "llama", {"hidden": 6, "heads": 2}),
    ],
)
def test_bad_shapes_are_refused_by_field(field, architecture, change):
    with pytest.raises(InputError) as error:
        build(architecture, **{**SMALL, **change}, seed=0)
    assert error.value.field == field
