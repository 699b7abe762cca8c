"""The interactives show what is in results/, and a page that holds one loads what it needs."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from book._tools import explorer, samples
from book._tools.interactive import INTERACTIVES, as_json, markup, scripts
from collapse_utils import regimes, sections
from collapse_utils.durable.files import read_json
from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import by_seed, estimate
from collapse_utils.linear import theory
from collapse_utils.pages.figures import LABELS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
STATIC = ROOT / "book" / "_static" / "interactive"
HEAD = "section,preset,data,variant,regime,seed,iteration,metric,value"


def write(folder: Path, name: str, *regimes_: str) -> None:
    """A table of results of two seeds and two fits."""
    preset, _, source = name.partition("-")
    rows = [
        f"linear,{preset},{source},,{regime},{seed},{t},test_error,{seed + t}"
        for regime, seed, t in itertools.product(regimes_, (0, 1), (1, 2))
    ]
    path = folder / "linear" / name / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def shown() -> explorer.Json:
    """What the results explorer shows."""
    return explorer.explorer(RESULTS)


def test_the_largest_finished_preset_of_every_source_is_shown(tmp_path):
    both = ("replace", "accumulate")
    write(tmp_path, "smoke-gaussian", *both)
    assert explorer.shown_folders(tmp_path, "linear") == []  # smoke is not shown
    write(tmp_path, "cpu-gaussian", *both)
    write(tmp_path, "colab-gaussian", *both)
    write(tmp_path, "paper-gaussian", "replace")  # under way
    write(tmp_path, "cpu-other", *both)
    write(tmp_path, "long-other", *both)  # a preset of another kind
    shown = [path.name for path in explorer.shown_folders(tmp_path, "linear")]
    assert shown == ["cpu-other", "long-other", "colab-gaussian"]
    assert explorer.describe(tmp_path / "linear" / "long-other")["title"] == "other, preset long"


def variants_of(data: explorer.Json) -> dict[str, str]:
    """Title of a setting -> variant, for one data source."""
    records = explorer.settings(RESULTS / data["folder"])
    return {explorer.setting(record): variant for variant, record in records.items()}


def test_the_explorer_shows_means_and_intervals_over_seeds(shown):
    checked = 0
    for experiment in shown["experiments"]:
        metric = experiment["headline"]
        for data in experiment["data"]:
            if "folder" not in data:  # the linear grid, below
                continue
            frame = results.read_csv(RESULTS / data["folder"] / "metrics.csv")
            variants = variants_of(data)
            for setting in data["settings"]:
                curves, variant = setting["curves"][metric], variants[setting["title"]]
                for regime, rows in curves["absolute"].items():
                    table = by_seed(frame, metric, regime=regime, variant=variant)
                    last = estimate(table.iloc[:, -1])
                    assert (rows[-1][0], curves["seeds"][regime]) == (table.columns[-1], last.n)
                    expected = [last.mean, last.low, last.high]
                    if last.n == 1:  # one seed has no interval
                        assert rows[-1][2:] == [None, None]
                        expected = expected[:1]
                    assert rows[-1][1 : 1 + len(expected)] == pytest.approx(expected, rel=1e-4)
                    ratio = estimate(table.iloc[:, -1] / table.iloc[:, 0])
                    assert curves["relative"][regime][-1][1] == pytest.approx(ratio.mean, rel=1e-4)
                    checked += 1
    assert checked > 20


def test_the_explorer_names_every_experiment(shown):
    titles = [experiment["title"] for experiment in shown["experiments"]]
    assert titles == list(explorer.EXPERIMENTS.values())
    for section, experiment in zip(explorer.EXPERIMENTS, shown["experiments"], strict=True):
        if section in sections.NAMES:
            assert experiment["headline"] == sections.module(section).HEADLINE
        assert experiment["headline"] in shown["metrics"]
        names = [data["title"] for data in experiment["data"]]
        assert len(set(names)) == len(names)
        for data in experiment["data"]:
            names = [setting["title"] for setting in data["settings"]]
            assert len(set(names)) == len(names)


def test_the_linear_grid_is_relative_to_the_exact_first_fit(shown):
    (grid,) = shown["experiments"][0]["data"]
    for setting in grid["settings"]:
        d, T = (int(re.search(rf"{name} = (\d+)", setting["title"])[1]) for name in "dT")
        curves = setting["curves"]["test_error"]
        for regime, rows in curves["absolute"].items():
            relative, absolute = np.array(curves["relative"][regime]), np.array(rows)
            expected = absolute[:, 1:] / theory.base(d, T, 1.0)
            assert relative[:, 1:] == pytest.approx(expected, rel=1e-3)


def test_the_papers_points_are_relative_to_its_first_fit(shown):
    faces = next(one for one in shown["experiments"] if one["title"] == "faces")
    papers = faces["data"][0]["settings"][0]["curves"]["test_loss"]["paper"]
    reported = results.read_csv(RESULTS / "reported" / "images.csv")
    assert {one["regime"] for one in papers} == {"replace", "accumulate"}
    for paper in papers:
        rows = reported[reported["regime"] == paper["regime"]].sort_values("iteration")
        values = rows["value"].astype(float).to_numpy()
        assert [y for _, y in paper["points"]] == pytest.approx(values / values[0], rel=1e-4)


def test_every_face_is_the_one_in_the_samples():
    for data in samples.faces(RESULTS)["data"]:
        setting = data["settings"][0]
        columns = setting["columns"]
        for regime, places in setting["regimes"].items():
            sheet = base64.b64decode(setting["sheets"][regime].partition(",")[2])
            pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB")).astype(float)
            side = pixels.shape[1] // columns
            assert list(places.values()) == list(range(len(places)))
            for fit in (min(places), max(places)):
                home = RESULTS / data["folder"] / "samples" / "base" / regime
                with Image.open(home / f"iteration-{fit:02d}" / "samples.png") as image:
                    original = np.asarray(image.convert("RGB")).astype(float)
                across = (original.shape[1] + 1) // (side + 1)
                top = places[fit] * side
                for i in (0, across - 1, across, columns - 1):
                    y, x = (i // across) * (side + 1), (i % across) * (side + 1)
                    face = pixels[top : top + side, i * side : (i + 1) * side]
                    # WebP loses a little: on average 10 of 255 steps at most.
                    assert np.abs(face - original[y : y + side, x : x + side]).mean() < 10


def test_stories_are_the_beginnings_of_the_samples():
    for data in samples.stories(RESULTS)["data"]:
        variants = variants_of(data)
        for setting in data["settings"]:
            home = RESULTS / data["folder"] / "samples" / (variants[setting["title"]] or "base")
            for regime in ("replace", "accumulate"):
                fit = max(setting["regimes"][regime])
                texts = read_json(home / regime / f"iteration-{fit:02d}" / "stories.json")
                shown = setting["regimes"][regime][fit]
                assert 0 < shown["distinct"] <= shown["all"]
                for story, text in zip(shown["texts"], texts, strict=False):
                    beginning = story.removesuffix(" …")
                    assert text.startswith(beginning) and len(beginning) <= samples.STORY


def test_a_repeated_sentence_counts_once(tmp_path):
    file = tmp_path / "stories.json"
    texts = ["Tim was happy. Tim was happy!  Tim was sad", "Tim was sad. \n Tim was happy."]
    file.write_text(json.dumps(texts), encoding="utf-8")
    counted = samples._stories(tmp_path, {"replace": {1: file}})["regimes"]["replace"][1]
    # "Tim was happy." twice; with "!" and without a full stop the sentences differ
    assert (counted["distinct"], counted["all"]) == (4, 5)


def test_a_turned_molecule_keeps_its_shape_and_its_handedness():
    rng = np.random.default_rng(0)
    still = rng.normal(size=(12, 3))
    for _ in range(5):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        rotation *= np.linalg.det(rotation)
        turned = samples.aligned(still @ rotation + 5, still)
        assert turned == pytest.approx(still - still.mean(0))
    mirrored = samples.aligned(still * [1, 1, -1], still)
    distances = np.linalg.norm(mirrored[:, None] - mirrored, axis=-1)
    assert distances == pytest.approx(np.linalg.norm(still[:, None] - still, axis=-1))
    assert np.linalg.norm(mirrored - (still - still.mean(0))) > 1  # a rotation undoes no mirror
    axes = samples.principal_axes(still)
    assert axes @ axes.T == pytest.approx(np.eye(3))
    assert np.linalg.det(axes) == pytest.approx(1)


def test_molecules_hold_the_bonds_and_the_positions_of_the_samples():
    from rdkit import Chem

    for data in samples.molecules(RESULTS)["data"]:
        fit = RESULTS / data["folder"] / "samples" / "base" / "replace" / "iteration-02"
        file = str(fit / "molecules.sdf")
        read = list(Chem.SDMolSupplier(file, removeHs=False, sanitize=False))
        for number, molecule in enumerate(data["settings"][0]["molecules"]):
            pair = read[2 * number : 2 * number + 2]
            real, sampled = (one.GetConformer().GetPositions() for one in pair)
            shown = data["settings"][0]["regimes"]["replace"][2][number]
            for positions, written in ((real, molecule["real"]), (sampled, shown["at"])):
                written = np.array(written).reshape(-1, 3) / 100
                a, b = np.array(molecule["bonds"]).T
                lengths = np.linalg.norm(positions[a] - positions[b], axis=1)
                shown_lengths = np.linalg.norm(written[a] - written[b], axis=1)
                assert shown_lengths == pytest.approx(lengths, abs=0.02)
            off = [np.linalg.norm(p[a] - p[b], axis=1) for p in (real, sampled)]
            assert shown["bond"] == pytest.approx(np.abs(np.subtract(*off)).mean(), abs=0.001)


def test_everything_fits_on_the_pages():
    parts = {name: markup(name, RESULTS) for name in INTERACTIVES}
    assert sum(len(part.encode()) for part in parts.values()) < 1e6
    for name, part in parts.items():
        soup = BeautifulSoup(part, "html.parser")
        assert isinstance(json.loads(soup.script.string), dict), name
        assert soup.select_one(".static").text.strip(), name
        assert all(image["alt"] for image in soup.select("img")), name


def test_without_scripts_the_theorem_is_a_table():
    soup = BeautifulSoup(markup("theorem", RESULTS), "html.parser")
    rows = {}
    for row in soup.select("tbody tr"):
        rows[row.th.text] = [float(cell.text) for cell in row.select("td")]
    fits = (1, 2, 5, 10, 20, 50)
    assert list(rows) == list(LABELS.values())
    for regime, label in LABELS.items():
        expected = theory.test_error(regime, fits, 32, 100, 1.0) / theory.base(32, 100, 1.0)
        assert rows[label] == pytest.approx(expected, abs=0.001)


def test_empty_results_leave_a_sentence(tmp_path):
    for name in ("faces", "stories", "molecules", "results"):
        assert "Nothing has been collected" in markup(name, tmp_path)


def test_data_cannot_end_their_script():
    text = as_json({"story": "</script><!--", "tau": "τ"})
    assert "<" not in text
    assert json.loads(text) == {"story": "</script><!--", "tau": "τ"}
    with pytest.raises(ValueError, match="JSON"):
        as_json({"loss": float("nan")})


def test_scripts_name_the_regimes_as_the_rest_of_the_book():
    text = (STATIC / "interactive.js").read_text(encoding="utf-8")
    assert dict(re.findall(r'^    (\w+): "([^"]+)",$', text, re.M)) == LABELS
    assert set(LABELS) == set(regimes.REGIMES)


def test_scripts_are_small_and_ask_no_other_host():
    assert set(scripts(list(INTERACTIVES))) == {path.name for path in STATIC.glob("*.js")}
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\"'\s)]+", text))
        assert len(text.splitlines()) <= 250, path.name
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


CONF = """
import sys
sys.path[:0] = [{extensions!r}, {root!r}]
extensions = ["interactive"]
html_static_path = [{static!r}]
numfig = True
"""
INDEX = """
Index
=====

.. toctree::

   plain

.. interactive:: theorem
   :name: explorer

   What :math:`n` does.

:numref:`explorer` is a figure.
"""
PLAIN = """
Plain
=====

Nothing here.
"""
MISTAKES = """
Index
=====

.. interactive:: theorm

   Caption.

.. interactive:: theorem
"""


@pytest.fixture
def sphinx(tmp_path):
    """Builds pages of reStructuredText with the extension: what Sphinx said, and their folder."""
    source, pages, book = tmp_path / "source", tmp_path / "html", ROOT / "book"
    paths = {"extensions": book / "_ext", "root": ROOT, "static": book / "_static"}
    source.mkdir()
    conf = CONF.format(**{name: str(path) for name, path in paths.items()})
    (source / "conf.py").write_text(conf, encoding="utf-8")
    (source / "results").mkdir()

    def build(**texts: str) -> tuple[str, Path]:
        for name, text in texts.items():
            (source / f"{name}.rst").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(pages)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stderr, pages

    return build


def read(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def test_a_page_loads_the_scripts_of_its_interactives_and_no_others(sphinx):
    said, pages = sphinx(index=INDEX, plain=PLAIN)
    assert said == ""
    index = read(pages / "index.html")
    loaded = index.select("script[src*='/interactive/']")
    names = [Path(tag["src"].partition("?")[0]).name for tag in loaded]
    assert names == ["interactive.js", "chart.js", "theorem.js"]
    assert all(tag.has_attr("defer") for tag in loaded)
    assert index.select("link[href*='interactive.css']")
    figure = index.select_one("figure#explorer")
    assert figure.select_one("[data-interactive=theorem]")
    assert "What" in figure.figcaption.text
    assert index.select_one("p a.reference[href='#explorer']").text == "Fig. 1"
    plain = read(pages / "plain.html")
    assert not plain.select("[src*='/interactive/'], [href*='interactive.css']")


def test_a_mistake_on_a_page_is_named(sphinx):
    said, _ = sphinx(index=MISTAKES)
    assert "got 'theorm'; allowed: one of collapse, theorem" in said
    assert "theorem has no caption" in said
