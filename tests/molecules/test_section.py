"""The section in a chain: the same bits however it ran, honest counts, and its sampling."""

import dataclasses

import numpy as np
import pytest
import torch
from molecule_toys import molecules, tiny, write_sdf

from collapse_utils.chain import Chain, run_chain
from collapse_utils.durable import files
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import RunError
from collapse_utils.molecules import config, measures, sampling, section
from collapse_utils.molecules.data import with_positions
from collapse_utils.regimes import REGIMES

METRICS = {
    "local_loss",
    "global_loss",
    "total_loss",
    "coverage",
    "matching",
    "bond_error",
    "angle_error",
    "strain",
    "broken_share",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("molecules")
    write_sdf(folder / "toys.sdf")
    return folder


def make(source, **fields):
    return section.make(tiny(**fields), data=source / "toys.sdf", seed=0, cache=source / "cache")


def run(source, folder, regime="accumulate", seed=0, **fields):
    made = make(source, **fields)
    return run_chain(made, Chain("molecules", regime, seed, made.config), folder)


@pytest.mark.parametrize("regime", REGIMES)
def test_a_chain_gives_the_same_bits_twice_in_every_regime(source, tmp_path, regime, monkeypatch):
    # drawing takes longer than all the rest
    monkeypatch.delattr(section.MoleculesSection, "preview")
    first = run(source, tmp_path / "a" / "run", regime, steps=6)
    second = run(source, tmp_path / "b" / "run", regime, steps=6)
    assert first == second
    assert {row["metric"] for row in first} == METRICS and len(first) == 3 * len(METRICS)
    by_name = {(row["iteration"], row["metric"]): row["value"] for row in first}
    assert by_name[2, "total_loss"] == by_name[2, "local_loss"] + by_name[2, "global_loss"]


def test_another_seed_gives_another_chain_and_previews_are_written(source, tmp_path):
    chains = [
        run(source, tmp_path / f"seed-{seed}", seed=seed, iterations=1, steps=2) for seed in (0, 1)
    ]
    assert chains[0] != chains[1]
    preview = tmp_path / "seed-0" / "iteration-01" / "preview"
    assert (preview / "molecules.png").stat().st_size > 1000
    assert (preview / "molecules.sdf").read_text().count("$$$$") == 6


def test_a_fit_that_was_stopped_ends_with_the_same_bits(source, tmp_path, monkeypatch):
    made = make(source)
    train, _ = made.real_data()
    through = made.fit(train, 5, Checkpoint(tmp_path / "through"))
    steps = iter(range(100))
    plain = section.losses

    def stopping(*arguments):
        if next(steps) == 7:
            raise Interrupted(15)
        return plain(*arguments)

    monkeypatch.setattr(section, "losses", stopping)
    with pytest.raises(Interrupted):
        made.fit(train, 5, Checkpoint(tmp_path / "stopped", every_s=0.0))
    monkeypatch.setattr(section, "losses", plain)
    resumed = make(source).fit(train, 5, Checkpoint(tmp_path / "stopped"))
    # read back, nothing trained
    again = make(source).fit(train, 5, Checkpoint(tmp_path / "stopped"))
    for name, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]) and torch.equal(
            value, again.state_dict()[name]
        ), name
    assert np.array_equal(made.sample(through, 9, 3), made.sample(again, 9, 3))


def test_samples_are_of_the_molecules_of_the_training_items(source):
    made = make(source)
    train, _ = made.real_data()
    model = made.fit(train, 0, Checkpoint(source / "unused"))
    items = made.sample(model, len(train), 1)
    assert items.dtype == train.dtype and np.array_equal(items["molecule"], train["molecule"])
    assert np.isfinite(items["positions"]).all()
    counts = made.real.graphs.atoms[items["molecule"]]
    padding = np.arange(items["positions"].shape[1]) >= counts[:, None]
    assert not items["positions"][padding].any()
    assert np.abs(items["positions"].sum(axis=1) / counts[:, None]).max() < 1e-4
    more = made.sample(model, len(train) + 3, 1)
    assert np.array_equal(more["molecule"][len(train) :], train["molecule"][:3])
    other = made.sample(model, len(train), 2)
    assert np.abs(other["positions"] - items["positions"]).max() > 0.05


@pytest.mark.parametrize("sampler", ["deterministic", "langevin"])
def test_a_trained_model_samples_sensible_geometry_and_an_untrained_langevin_does_not(
    source, sampler
):
    made = make(
        source,
        steps=150,
        hidden=16,
        learning_rate=0.01,
        sampling_steps=10,
        rough_rounds=60,
        fitting_rounds=20,
    )
    train, test = made.real_data()
    model = made.fit(train, 0, Checkpoint(source / "sensible"))
    if sampler == "langevin":
        made.config = dataclasses.replace(made.config, sampler="langevin", sampling_steps=1000)
    result = made.evaluate(model, test)
    assert result["broken_share"] < 0.5 and result["bond_error"] < (
        0.1 if sampler == "deterministic" else 0.4
    )
    random = np.random.default_rng(0).normal(size=(len(test), *test["positions"].shape[1:])) * 2
    number = test["molecule"][0]
    atoms = made.real.graphs.atoms[number]
    noise = measures.measure_samples(
        [made.real.molecules[number]],
        [test["positions"][:2, :atoms].astype(float)],
        [random[:2, :atoms]],
        [0.0],
    )
    assert noise["bond_error"] > 3 * result["bond_error"]


def test_the_rough_geometry_alone_depends_on_the_statistics_and_not_on_the_network(source):
    made = make(source, sampler="geometry")
    train, _ = made.real_data()
    model = made.fit(train, 0, Checkpoint(source / "geometry"))
    items = made.sample(model, len(train), 1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    assert np.array_equal(made.sample(model, len(train), 1)["positions"], items["positions"])
    model.mean += 0.5
    assert not np.array_equal(made.sample(model, len(train), 1)["positions"], items["positions"])


def test_langevin_follows_geodiffs_update(source):
    """One step by hand: step_size (sigma / 0.01)^2 along the force over sigma, and its noise."""
    made = make(source, sampler="langevin", sampling_steps=1)
    model = made.fit(made.real_data()[0], 0, Checkpoint(source / "langevin"))
    batch = made.real.graphs.batch(np.array([0, 1]))
    first, second = torch.randn(batch.atoms, 3), torch.randn(batch.atoms, 3)
    draws = iter([first, second])
    result = sampling.langevin(model, batch, made.config, lambda *_: next(draws))
    sigma = model.sigma[-1]
    start = sampling.centred(sigma * first, batch)
    pairs = sampling.pairs_within(batch, start, model.cutoff)
    s = model(batch, pairs, sigma.expand(2)).detach()
    near = slice(0, pairs.local)
    # sigma = 9.5 is above global_start_sigma
    force = sampling.forces(s[near], pairs, near, batch.atoms)
    step = 1e-6 * (sigma / 0.01) ** 2
    assert torch.allclose(
        result,
        sampling.centred(start + step * force / sigma + (2 * step).sqrt() * second, batch),
        atol=1e-4,
    )


def test_broken_samples_are_counted_and_never_left_out(source):
    made = make(source)
    _, test = made.real_data()
    number = test["molecule"][0]
    molecule, atoms = made.real.molecules[number], made.real.graphs.atoms[number]
    real = test["positions"][test["molecule"] == number][:, :atoms].astype(float)
    lost, fused, torn = np.full_like(real[:1], np.nan), real[:1].copy(), real[:1].copy()
    fused[0, 1] = fused[0, 0] + 0.1
    torn[0, 0] += 40
    samples = np.concatenate([real, lost, fused, torn])
    bonds, _ = measures.bonds_and_angles(molecule)
    assert measures.broken(samples, bonds).tolist() == [False, False, True, True, True]
    low = made.real.info["lowest_energy"][list(np.unique(test["molecule"])).index(number)]
    good = measures.measure_samples([molecule], [real], [real], [low])
    result = measures.measure_samples([molecule], [real], [samples], [low])
    assert result["broken_share"] == 0.6 and good["broken_share"] == 0
    assert (
        good["coverage"] == 1
        and good["matching"] < 1e-3
        and good["bond_error"] < 0.01
        and good["strain"] < 2
    )
    assert result["strain"] > 100  # the median of five, of which three are broken
    hopeless = measures.measure_samples([molecule], [real], [np.repeat(lost, 4, axis=0)], [low])
    assert (
        hopeless["broken_share"] == 1
        and hopeless["coverage"] == 0
        and np.isfinite(list(hopeless.values())).all()
    )


def test_a_chain_whose_samples_are_all_lost_goes_on_only_when_asked(source, tmp_path, monkeypatch):
    """Nothing finite to train on stops the chain, or is the outcome of that iteration."""
    monkeypatch.delattr(section.MoleculesSection, "preview")

    def lost(made):
        original = made.sample

        def sample(model, size, seed, *kept):
            items = original(model, size, seed)
            items["positions"] = np.nan
            return items

        made.sample = sample
        return made

    stop, record = make(source, steps=4), make(source, steps=4, diverged="record")
    with pytest.raises(RunError, match="none of the 16 training conformations is finite"):
        run_chain(
            lost(stop), Chain("molecules", "replace", 0, stop.config), tmp_path / "stop" / "run"
        )
    rows = run_chain(
        lost(record), Chain("molecules", "replace", 0, record.config), tmp_path / "record" / "run"
    )
    assert [row["value"] for row in rows if row["metric"] == "diverged"] == [0.0, 1.0, 1.0]
    state = Checkpoint(tmp_path / "record/run/iteration-02").newest()
    assert "none of the 16" in files.read_json(state / "diverged.json")["problem"]


def test_training_data_that_are_not_finite_are_passed_over_or_refused(source):
    made = make(source)
    items = np.array(made.real_data()[0])
    items["positions"][:5] = np.nan
    assert section.finite_rows(items).tolist() == list(range(5, len(items)))
    model = made.fit(items, 0, Checkpoint(source / "some"))
    assert all(torch.isfinite(p).all() for p in model.parameters())
    # exploded, but finite: a chain goes on, and its samples are broken
    items["positions"][5:] *= 1e8
    exploded = made.fit(items, 0, Checkpoint(source / "exploded"))
    assert made.evaluate(exploded, made.real_data()[1])["broken_share"] > 0.5
    items["positions"] = np.nan
    with pytest.raises(RunError, match="none of the 16"):
        made.fit(items, 0, Checkpoint(source / "none"))


def test_coverage_and_matching_by_hand():
    molecule = molecules()[4]
    a, b = (molecule.GetConformer(k).GetPositions() for k in (0, 1))
    table = measures.rmsd_table(
        molecule, np.stack([a, b]), np.stack([b + 5, a @ np.diag([-1.0, -1.0, 1.0]), a * np.nan])
    )
    assert table[1, 0] < 1e-4 and table[0, 1] < 1e-4 and np.all(table[:, 2] == measures.WORST_RMSD)
    assert table[0, 0] == pytest.approx(table[1, 1], abs=1e-3)
    assert with_positions(molecule, [a]).GetNumConformers() == 1


def test_presets_are_the_papers_where_they_say_so():
    paper = config.PRESETS["paper"]
    assert (paper.hidden, paper.global_convs, paper.local_convs, paper.cutoff) == (128, 6, 4, 10.0)
    assert (paper.levels, paper.beta_start, paper.beta_end) == (1000, 1e-7, 9e-3)
    assert (paper.steps, paper.batch_size, paper.learning_rate, paper.beta_1, paper.clip) == (
        41_000,
        32,
        1e-3,
        0.95,
        30_000,
    )
    assert (
        paper.molecules * paper.conformers == 40_000
        and paper.test_molecules * paper.conformers == 5_000
    )
    assert (paper.iterations, paper.sampler, paper.weight_global, paper.global_start_sigma) == (
        8,
        "langevin",
        1.0,
        0.5,
    )
    assert not paper.preconditioned and set(config.PRESETS) == {"smoke", "cpu", "colab", "paper"}


def test_sampling_settings_do_not_change_the_first_fit():
    fields = {field.name for field in dataclasses.fields(config.MoleculesConfig)}
    assert set(config.MoleculesConfig.SAMPLING_FIELDS) <= fields


def test_the_section_has_what_the_registry_asks_for():
    assert config.DEFAULT_SOURCE in section.SOURCES and set(section.SOURCES) == {
        "rdkit",
        "sdf",
        "geom_drugs",
    }
    assert section.HEADLINE == "local_loss" and section.TITLE and callable(section.make)


def test_geodiff_as_the_authors_ran_it_goes_through_a_chain_even_when_its_samples_are_hopeless(
    source, tmp_path
):
    """Plain network, plateau schedule and Langevin sampling, after three steps of training."""
    rows = run(
        source,
        tmp_path / "run",
        "replace",
        preconditioned=False,
        schedule="plateau",
        sampler="langevin",
        sampling_steps=20,
        steps=3,
        beta_1=0.95,
    )
    broken = [row["value"] for row in rows if row["metric"] == "broken_share"]
    assert len(broken) == 3 and min(broken) > 0.5 and all(np.isfinite(row["value"]) for row in rows)
