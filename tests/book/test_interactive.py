"""The data of the interactives are those in results/, and a page that holds one loads what it needs."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from book._tools import explorer, samples
from book._tools.interactive import INTERACTIVES, LABELS, as_json, markup, scripts
from collapse_utils import regimes, sections
from collapse_utils.durable.files import read_json
from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import by_seed, estimate
from collapse_utils.linear import theory

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
    assert explorer.largest(tmp_path, "linear") == []  # smoke is not shown
    write(tmp_path, "cpu-gaussian", *both)
    write(tmp_path, "colab-gaussian", *both)
    write(tmp_path, "paper-gaussian", "replace")  # under way
    write(tmp_path, "cpu-other", *both)
    assert [path.name for path in explorer.largest(tmp_path, "linear")] == [
        "cpu-other",
        "colab-gaussian",
    ]


def test_the_explorer_shows_means_and_intervals_over_seeds(shown):
    checked = 0
    for experiment in shown["experiments"]:
        for data in experiment["data"]:
            if "folder" not in data:  # the linear grid, below
                continue
            frame = results.read_csv(RESULTS / data["folder"] / "metrics.csv")
            records = explorer.settings(RESULTS / data["folder"])
            variants = {explorer.setting(record): variant for variant, record in records.items()}
            for setting in data["settings"]:
                curves = setting["curves"][experiment["headline"]]
                for regime, rows in curves["absolute"].items():
                    table = by_seed(
                        frame,
                        experiment["headline"],
                        regime=regime,
                        variant=variants[setting["title"]],
                    )
                    expected = estimate(table.iloc[:, -1])
                    t, *values = rows[-1]
                    assert (t, curves["seeds"][regime]) == (table.columns[-1], expected.n)
                    expected_values = (
                        [expected.mean, expected.low, expected.high] if expected.n > 1 else [expected.mean, None, None]
                    )
                    assert values == pytest.approx(expected_values, rel=1e-4)
                    ratio = estimate(table.iloc[:, -1] / table.iloc[:, 0])
                    assert curves["relative"][regime][-1][1] == pytest.approx(ratio.mean, rel=1e-4)
                    checked += 1
    assert checked > 20


def test_the_explorer_names_every_experiment_and_metric(shown):
    titles = [experiment["title"] for experiment in shown["experiments"]]
    assert titles == list(explorer.EXPERIMENTS.values())
    for section, experiment in zip(explorer.EXPERIMENTS, shown["experiments"], strict=True):
        if section in sections.NAMES:
            assert experiment["headline"] == sections.module(section).HEADLINE
        for data, setting in ((one, s) for one in experiment["data"] for s in one["settings"]):
            assert set(setting["curves"]) <= set(shown["metrics"]), data["title"]
        names = [[setting["title"] for setting in one["settings"]] for one in experiment["data"]]
        assert all(len(set(titles)) == len(titles) for titles in names)


def test_the_linear_grid_is_relative_to_the_exact_first_fit(shown):
    (grid,) = shown["experiments"][0]["data"]
    for setting in grid["settings"]:
        d, T = (int(re.search(rf"{name} = (\d+)", setting["title"])[1]) for name in "dT")
        curves = setting["curves"]["test_error"]
        for regime, rows in curves["absolute"].items():
            relative = np.array(curves["relative"][regime])
            assert relative[:, 1:] * theory.base(d, T, 1.0) == pytest.approx(np.array(rows)[:, 1:], rel=1e-3)


def test_the_papers_points_are_relative_to_its_first_fit(shown):
    images = next(one for one in shown["experiments"] if one["title"] == "faces")
    (paper,) = [
        one for one in images["data"][0]["settings"][0]["curves"]["test_loss"]["paper"] if one["regime"] == "replace"
    ]
    rows = results.read_csv(RESULTS / "reported" / "images.csv")
    values = rows[rows["regime"] == "replace"].sort_values("iteration")["value"].astype(float).to_numpy()
    assert [y for _, y in paper["points"]] == pytest.approx(values / values[0], rel=1e-4)


def test_every_face_is_the_one_in_the_samples():
    shown = samples.faces(RESULTS)
    for data in shown["data"]:
        setting = data["settings"][0]
        assert setting["columns"] == 16
        for regime, places in setting["regimes"].items():
            sheet = base64.b64decode(setting["sheets"][regime].partition(",")[2])
            pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB")).astype(float)
            side = pixels.shape[0] // setting["rows"]
            for fit, row in ((min(places), 0), (max(places), len(places) - 1)):
                assert places[fit] == row
                name = f"iteration-{fit:02d}/samples.png"
                file = RESULTS / data["folder"] / "samples" / "base" / regime / name
                original = np.asarray(Image.open(file).convert("RGB")).astype(float)
                for i in (0, 7, 8, 15):
                    y, x = (i // 8) * (side + 1), (i % 8) * (side + 1)
                    face = pixels[row * side : (row + 1) * side, i * side : (i + 1) * side]
                    assert np.abs(face - original[y : y + side, x : x + side]).mean() < 6  # of 255


def test_stories_count_their_different_sentences():
    data = samples.stories(RESULTS)["data"][0]
    setting = data["settings"][0]
    assert "0.3" in setting["title"]
    for regime in ("replace", "accumulate"):
        fit = max(setting["regimes"][regime])
        (file,) = RESULTS.glob(f"{data['folder']}/samples/temperature=0.3/{regime}/iteration-{fit:02d}/stories.json")
        texts = read_json(file)
        found = [part.strip() for text in texts for part in re.findall(r"[^.!?]+[.!?]*", text) if part.strip()]
        shown = setting["regimes"][regime][fit]
        assert (shown["distinct"], shown["all"]) == (len(set(found)), len(found))
        assert shown["texts"][0].removesuffix(" …") == texts[0][: len(shown["texts"][0].removesuffix(" …"))]


def test_a_turned_molecule_keeps_its_shape_and_its_handedness():
    rng = np.random.default_rng(0)
    still = rng.normal(size=(12, 3))
    for _ in range(5):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        rotation *= np.linalg.det(rotation)
        turned = samples.turned(still @ rotation + 5, still)
        assert turned == pytest.approx(still - still.mean(0))
    mirrored = samples.turned(still * [1, 1, -1], still)
    distances = np.linalg.norm(mirrored[:, None] - mirrored, axis=-1)
    assert distances == pytest.approx(np.linalg.norm(still[:, None] - still, axis=-1))
    assert np.linalg.norm(mirrored - (still - still.mean(0))) > 1  # a rotation does not undo a mirror
    axes = samples.flat(still)
    assert axes @ axes.T == pytest.approx(np.eye(3))
    assert np.linalg.det(axes) == pytest.approx(1)


def test_molecules_hold_the_bonds_and_the_positions_of_the_samples():
    from rdkit import Chem

    for data in samples.molecules(RESULTS)["data"]:
        file = RESULTS / data["folder"] / "samples" / "base" / "replace" / "iteration-02" / "molecules.sdf"
        read = list(Chem.SDMolSupplier(str(file), removeHs=False, sanitize=False))
        for number, molecule in enumerate(data["settings"][0]["molecules"]):
            real, sampled = (m.GetConformer().GetPositions() for m in read[2 * number : 2 * number + 2])
            shown = data["settings"][0]["regimes"]["replace"][2][number]
            for positions, written in ((real, molecule["real"]), (sampled, shown["at"])):
                written = np.array(written).reshape(-1, 3) / 100
                for a, b in molecule["bonds"]:
                    length = np.linalg.norm(positions[a] - positions[b])
                    assert np.linalg.norm(written[a] - written[b]) == pytest.approx(length, abs=0.02)
            both = [[np.linalg.norm(p[a] - p[b]) for a, b in molecule["bonds"]] for p in (real, sampled)]
            assert shown["bond"] == pytest.approx(np.abs(np.subtract(*both)).mean(), abs=0.001)


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
    rows = {row.th.text: [float(cell.text) for cell in row.select("td")] for row in soup.select("tbody tr")}
    assert list(rows) == list(LABELS.values())
    assert rows["accumulate"] == pytest.approx(theory.growth("accumulate", (1, 2, 5, 10, 20, 50)), abs=0.001)
    equal_size = theory.subsample_growth((1, 2, 5, 10, 20, 50), 32, 100)
    assert rows["accumulate at equal size"] == pytest.approx(equal_size, abs=0.001)


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
    names = {name for one in INTERACTIVES.values() for name in scripts([one_name(one)])}
    assert names == {path.name for path in STATIC.glob("*.js")}
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 250, path.name
        assert set(re.findall(r"https?://[^\"'\s)]+", text)) <= {"http://www.w3.org/2000/svg"}, path.name


def one_name(wanted) -> str:
    return next(name for name, one in INTERACTIVES.items() if one is wanted)


@pytest.fixture
def sphinx(tmp_path):
    """Build pages of reStructuredText with the extension: returns what Sphinx said, and the folder of the pages."""
    source, pages = tmp_path / "source", tmp_path / "html"
    source.mkdir()
    (source / "conf.py").write_text(
        f"import sys\nsys.path[:0] = [{str(ROOT / 'book' / '_ext')!r}, {str(ROOT)!r}]\n"
        f"extensions = ['interactive']\nhtml_static_path = [{str(ROOT / 'book' / '_static')!r}]\nnumfig = True\n",
        encoding="utf-8",
    )
    shutil.copytree(RESULTS / "linear", source / "results" / "linear")

    def build(**texts: str) -> tuple[str, Path]:
        for name, text in texts.items():
            (source / f"{name}.rst").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(pages)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stderr, pages

    return build


def test_a_page_loads_the_scripts_of_its_interactives_and_no_others(sphinx):
    said, pages = sphinx(
        index="Index\n=====\n\n.. toctree::\n\n   plain\n\n"
        ".. interactive:: theorem\n   :name: explorer\n\n   What :math:`n` does.\n\n:numref:`explorer` is a figure.\n",
        plain="Plain\n=====\n\nNothing here.\n",
    )
    assert said == ""
    index, plain = (
        BeautifulSoup((pages / f"{name}.html").read_text(encoding="utf-8"), "html.parser") for name in ("index", "plain")
    )
    loaded = [Path(tag["src"].partition("?")[0]).name for tag in index.select("script[src*='/interactive/']")]
    assert loaded == ["interactive.js", "chart.js", "theorem.js"]
    assert index.select("link[href*='interactive.css']") and all(
        tag.has_attr("defer") for tag in index.select("script[src*='/interactive/']")
    )
    figure = index.select_one("figure#explorer")
    assert figure.select_one("[data-interactive=theorem]") and "What" in figure.figcaption.text
    assert index.select_one("p a.reference[href='#explorer']").text == "Fig. 1"
    assert not plain.select("[src*='interactive'], [href*='interactive.css']")


def test_a_mistake_on_a_page_is_named(sphinx):
    said, _ = sphinx(index="Index\n=====\n\n.. interactive:: theorm\n\n   Caption.\n\n.. interactive:: theorem\n")
    assert "got 'theorm'; allowed: one of collapse, theorem" in said
    assert "theorem has no caption" in said
