"""What a language chain is made of, and its presets (paper section 2.1).

The paper does not report its learning rate, schedule, optimiser or sequence length: those below
are our choice.  At the sizes of ``smoke`` and ``cpu`` one epoch, the paper's protocol, ends far
from convergence.  ``trained`` trains every fit for as many epochs as early stopping chose for the
first fit (``benchmarks/epochs.py``), and each seed on its own stories.  ``scale`` is the same for a
smaller model; its variants differ in the size of the model and in the number of stories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..errors import InputError
from ..presets import Config, draw_setting, precision_setting, setting

DEFAULT_SOURCE = "bible"


@dataclass(frozen=True)
class LanguageConfig(Config):
    """A GPT-2 or Llama-2 model trained on stories, and how its stories are sampled and measured."""

    SAMPLING_FIELDS: ClassVar[tuple[str, ...]] = (
        "temperature",
        "sample_batch",
        "evaluation_stories",
        "measures",
    )

    # Data
    stories: int = setting(1000, "real training stories; 0 takes all the source has", at_least=0)
    validation_stories: int = setting(64, "real stories for the learning curves", at_least=1)
    test_stories: int = setting(
        200, "real held-out stories that every iteration is measured on", at_least=2
    )
    draw: str = draw_setting("stories")
    reference_stories: int = setting(
        0,
        "real stories that no chain trains on, for the tokeniser and the reference model; 0: the "
        "tokeniser is trained on the training stories, and there is no reference model",
        at_least=0,
    )
    passage_words: int = setting(
        150, "words of one story where the source is one long text", at_least=10
    )
    vocabulary: int = setting(
        1024, "tokens of the byte-level BPE (see reference_stories)", at_least=258
    )
    max_length: int = setting(
        256, "tokens of a story with its two end marks; longer ones are cut", at_least=8
    )
    # Model
    architecture: str = setting(
        "llama", "llama: Llama-2, untied; gpt2: GPT-2, tied", choices=("llama", "gpt2")
    )
    layers: int = setting(2, "transformer layers", at_least=1)
    hidden: int = setting(128, "width of the residual stream", at_least=8)
    heads: int = setting(4, "attention heads", at_least=1)
    ffn: int = setting(512, "width of the feed-forward layers", at_least=8)
    positions: int = setting(
        0, "learned positions of gpt2; 0: max_length (the paper has 2048)", at_least=0
    )
    dropout: float = setting(
        0.0, "dropout probability (GPT-2 only; Llama has none)", at_least=0, below=1
    )
    # Training
    epochs: int = setting(1, "passes over the training set", at_least=1)
    batch_size: int = setting(8, "stories a step", at_least=1)
    learning_rate: float = setting(3e-3, "peak of AdamW's learning rate", above=0)
    warmup: float = setting(
        0.05, "share of the steps in which the learning rate rises", at_least=0, at_most=1
    )
    final_rate: float = setting(
        0.1, "learning rate at the end of the cosine, as a share of the peak", at_least=0
    )
    weight_decay: float = setting(0.1, "of the matrices", at_least=0)
    clip: float = setting(1.0, "largest gradient norm", above=0)
    precision: str = precision_setting()
    reference_epochs: int = setting(1, "passes of the reference model over its stories", at_least=1)
    # Sampling
    temperature: float = setting(1.0, "divides the logits when stories are sampled", above=0)
    sample_batch: int = setting(64, "stories sampled side by side", at_least=1)
    evaluation_stories: int = setting(256, "stories sampled to measure diversity", at_least=2)
    measures: str = setting(
        "basic",
        "of a fit: basic, or full, which adds temperatures, a reference model, real values and "
        "tokens",
        choices=("basic", "full"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden % (2 * self.heads):
            raise InputError("hidden", self.hidden, f"a multiple of 2 x heads = {2 * self.heads}")
        if 0 < self.positions < self.max_length:
            raise InputError(
                "positions", self.positions, f"0, or an integer >= max_length = {self.max_length}"
            )
        if self.vocabulary > 65536:
            raise InputError(
                "vocabulary", self.vocabulary, "an integer <= 65536 (tokens are kept in 16 bits)"
            )
        if self.architecture == "llama" and self.dropout:
            raise InputError(
                "dropout", self.dropout, "0 with architecture=llama, which has no dropout"
            )
        if 0 < self.stories < self.batch_size:
            raise InputError(
                "stories", self.stories, f"0, or at least one batch of {self.batch_size}"
            )
        if self.draw == "by_seed" and not (self.stories and self.reference_stories):
            raise InputError(
                "draw", self.draw, "common, unless stories and reference_stories are >= 1"
            )
        if self.measures == "full" and not self.reference_stories:
            raise InputError("measures", self.measures, "basic, unless reference_stories is >= 1")


# 384 tokens cut 5% of the tokens of TinyStories at this vocabulary; 256 cut 13%.
TRAINED = LanguageConfig(
    iterations=4,
    stories=250,
    test_stories=200,
    draw="by_seed",
    reference_stories=2000,
    vocabulary=1024,
    max_length=384,
    layers=2,
    hidden=128,
    heads=4,
    ffn=512,
    epochs=6,
    reference_epochs=4,
    evaluation_stories=128,
    measures="full",
)

# 2.1: the 9M and 12M shapes, vocabulary 8,000, batches of 32 stories, one epoch over all of
# TinyStories.
PAPER = LanguageConfig(
    iterations=5,
    stories=0,
    validation_stories=1000,
    test_stories=20_000,
    vocabulary=8000,
    max_length=512,
    layers=8,
    hidden=256,
    heads=4,
    ffn=1024,
    positions=2048,
    batch_size=32,
    learning_rate=1e-3,
    warmup=0.01,
    sample_batch=512,
    evaluation_stories=1000,
)

PRESETS: dict[str, LanguageConfig] = {
    "smoke": LanguageConfig(
        iterations=4, stories=1000, vocabulary=512, max_length=128, passage_words=35
    ),
    "cpu": LanguageConfig(
        iterations=5,
        stories=1000,
        test_stories=300,
        vocabulary=1024,
        max_length=256,
        layers=2,
        hidden=128,
        heads=4,
        ffn=512,
    ),
    "trained": TRAINED,
    "scale": replace(TRAINED, hidden=64, ffn=256, reference_epochs=1, measures="basic"),
    # The shapes of the paper on a part of the data, for one T4.
    "colab": replace(PAPER, stories=20_000, validation_stories=500, test_stories=2000, warmup=0.05),
    "paper": PAPER,
}
