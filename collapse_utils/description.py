"""Which chain a run is: the choices that make it, and the description of them that its directory keeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from . import __version__, data, regimes, seeds
from .durable.run_dir import fingerprint
from .presets import Config


@dataclass(frozen=True)
class Chain:
    """Which chain to run: one section, regime and seed."""

    section: str  # name of the section, as it appears in the results
    regime: str  # one of regimes.REGIMES
    seed: int  # of the whole chain
    config: Config = field(default_factory=Config)  # the section's resolved preset
    preset: str = "own"  # name of the preset, as it appears in the results
    variant: str = ""  # overrides of the preset, "field=value,..."
    source: str = "own"  # name of the data source

    def __post_init__(self) -> None:
        regimes.check(self.regime)
        seeds.sequence(self.seed)


def describe_run(chain: Chain, real_train: data.Data, real_test: data.Data) -> dict:
    """What makes this run this run: the content of ``config.json``."""
    description = {
        "section": chain.section,
        "preset": chain.preset,
        "variant": chain.variant,
        "regime": chain.regime,
        "seed": chain.seed,
        "config": asdict(chain.config),
        "data": {
            "source": chain.source,
            "train_items": len(real_train),
            "test_items": len(real_test),
            "train": data.checksum(real_train),
            "test": data.checksum(real_test),
        },
        "package_version": __version__,
    }
    return {**description, "fingerprint": fingerprint(description)}
