"""The two stores of a chain: memory and a run directory give the same bits."""

import pytest
import toy

from collapse_utils import regimes
from collapse_utils.chain import iterate, run_chain
from collapse_utils.durable.store import InMemory


@pytest.mark.parametrize("section_type", [toy.Gaussian, toy.Neural])
@pytest.mark.parametrize("regime", regimes.REGIMES)
def test_memory_and_the_run_directory_give_equal_bits(tmp_path, regime, section_type):
    chain = toy.chain(regime)
    rows = run_chain(section_type(chain.config), chain, tmp_path / "run")
    section, store = section_type(chain.config), InMemory(chain.config)
    iterate(section, chain, *section.real_data(), store)
    on_disk = {}
    for row in rows:
        on_disk.setdefault(row["iteration"], {})[row["metric"]] = row["value"]
    assert store.results == on_disk
    assert section.fits == chain.config.iterations  # each model is made once


def test_a_divergence_is_recorded_in_memory_as_on_the_disk(tmp_path):
    chain = toy.chain(diverged="record")
    section, store = toy.Gaussian(chain.config), InMemory(chain.config)
    iterate(section, chain, *section.real_data(), store)
    assert {t: result["diverged"] for t, result in store.results.items()} == {
        1: 0.0,
        2: 0.0,
        3: 0.0,
        4: 0.0,
    }
