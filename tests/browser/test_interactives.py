"""The interactives in a browser: their numbers are those of Python, the keyboard works them, and nothing is in the way."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from chromium import serve

from book._tools.interactive import INTERACTIVES, markup
from collapse_utils.linear import theory

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
PAGE = """
# A page with every interactive

{figures}
"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
ERRORS = ("serious", "critical")


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A built page in the book's theme that holds every interactive."""
    source, pages = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("lab")
    (source / "conf.py").write_text(
        f"import sys\nsys.path[:0] = [{str(ROOT / 'book' / '_ext')!r}, {str(ROOT)!r}]\n"
        "extensions = ['myst_parser', 'interactive']\nhtml_theme = 'sphinx_book_theme'\nhtml_css_files = ['book.css']\n"
        "html_context = {'default_mode': 'auto'}\n"
        f"html_static_path = [{str(ROOT / 'book' / '_static')!r}]\n"
        f"html_favicon = {str(ROOT / 'book' / '_static' / 'favicon.svg')!r}\n",
        encoding="utf-8",
    )
    figures = "\n\n".join(f"```{{interactive}} {name}\n:name: the-{name}\nA caption.\n```" for name in INTERACTIVES)
    (source / "index.md").write_text(PAGE.format(figures=figures), encoding="utf-8")
    (source / "results").symlink_to(RESULTS, target_is_directory=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(source), str(pages)]
    subprocess.run(command, cwd=ROOT, check=True)
    return pages


@pytest.fixture(scope="module")
def address(lab):
    with serve(lab) as home:
        yield f"{home}/index.html"


@pytest.fixture
def page(address, visit):
    """The page, and at the end of the test: no error, and no request to another host."""
    page, log = visit(address, settled=False)
    yield page
    assert log.complaints(address.rpartition("/")[0]) == []


def part(page, name: str):
    return page.locator(f"[data-interactive={name}]")


def choice(interactive, name: str):
    return interactive.get_by_role("combobox", name=name, exact=True)


def cells(table) -> dict[str, list[str]]:
    """The rows of a table of values: name -> cells."""
    return {
        row.locator("th").inner_text().strip(): [cell.strip() for cell in row.locator("td").all_inner_texts()]
        for row in table.locator("tbody tr").all()
    }


def number(text: str) -> float:
    """A number as the page writes it, such as 1.20 or 1.2 × 10⁻⁵."""
    if text == "∞":
        return math.inf
    mantissa, _, power = text.partition(" × 10")
    return float(mantissa) * 10 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)


# The theorem explorer


@pytest.mark.parametrize(("d", "T"), [(1, 3), (2, 10), (32, 34), (32, 52), (32, 100), (32, 1000), (100, 2000)])
def test_the_formulas_are_those_of_the_package(page, d, T):
    n = np.arange(1, 101)
    for regime in ("replace", "accumulate", "accumulate_subsample", "replace_multiple"):
        shown = page.evaluate(
            "([regime, d, T]) => Interactive.theory.growth[regime](100, d, T).map((v) => isFinite(v) ? v : 'inf')",
            [regime, d, T],
        )
        expected = theory.test_error(regime, n, d, T, 0.7)
        base = page.evaluate("([d, T]) => Interactive.theory.base(d, T, 0.7)", [d, T])
        assert base * np.array([float(v) for v in shown]) == pytest.approx(expected, rel=1e-9)


def test_the_explorer_is_worked_by_keyboard_and_reads_out_the_formulas(page):
    theorem = part(page, "theorem")
    sliders = theorem.locator("input[type=range]")
    d, T, sigma2, n = (sliders.nth(i) for i in range(4))
    d.focus()
    page.keyboard.press("End")  # d = 100, and T moves to its least value
    assert d.get_attribute("aria-valuetext") == "100"
    assert T.get_attribute("aria-valuetext") == "102"
    d.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    sigma2.focus()
    page.keyboard.press("End")
    n.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):  # n = 4
        page.keyboard.press(key)
    at = [float(slider.get_attribute("aria-valuetext")) for slider in (d, T, sigma2, n)]
    assert at == [3, 102, 100, 4]
    chart = theorem.locator("svg[role=slider]")
    chart.focus()
    for fit in (4, 3, 2):
        read = cells(theorem.locator(".scroll"))
        for regime, label in (
            ("replace", "replace"),
            ("accumulate", "accumulate"),
            ("accumulate_subsample", "accumulate at equal size"),
                              ("replace_multiple", "replace, t times the data")):  # fmt: skip
            expected = float(theory.test_error(regime, fit, 3, 102, 100.0))
            assert number(read[label][1]) == pytest.approx(expected, rel=1e-3)
            assert number(read[label][2]) == pytest.approx(expected / theory.base(3, 102, 100.0), rel=1e-3)
        assert chart.get_attribute("aria-valuenow") == str(fit)
        assert f"fit {fit}: replace {read['replace'][1]}" in chart.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("End")
    assert chart.get_attribute("aria-valuenow") == "4"


def test_an_undetermined_subsample_is_infinite_and_not_drawn(page):
    theorem = part(page, "theorem")
    T = theorem.locator("input[type=range]").nth(1)
    T.focus()
    page.keyboard.press("Home")  # T = 34, d = 32: a subsample holds fewer different rows than features
    assert T.get_attribute("aria-valuetext") == "34"
    assert cells(theorem.locator(".scroll"))["accumulate at equal size"][1:3] == ["∞", "∞"]
    assert "NaN" not in theorem.locator("svg[role=slider]").inner_html()


# Run your own collapse

CHAIN = """([model, regime, n, seed, fits]) => {
  const { Chain, gaussian, mixture } = Interactive.chains;
  const chain = new Chain({ gaussian, mixture }[model], regime, n, seed);
  chain.upTo(fits);
  return chain.rows.map(({ fit, left, loss, real, synthetic }) =>
    ({ sd: fit.sd, mean: fit.mean, left, loss, real: real.length, synthetic: synthetic.length }));
}"""
MASK = 0xFFFFFFFF


class Mulberry:
    """The generator of the page: mulberry32, and normal numbers by Box and Muller."""

    def __init__(self, *parts: int):
        self.state = 0
        for part, factor in zip(parts, (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35), strict=True):
            self.state ^= part * factor & MASK

    def uniform(self) -> float:
        self.state = (self.state + 0x6D2B79F5) & MASK
        t = (self.state ^ self.state >> 15) * (1 | self.state) & MASK
        t = ((t + ((t ^ t >> 7) * (61 | t) & MASK)) & MASK) ^ t
        return ((t ^ t >> 14) + 0.5) / 2**32

    def normal(self) -> float:
        return math.sqrt(-2 * math.log(self.uniform())) * math.cos(2 * math.pi * self.uniform())


def gaussian_chain(regime: str, n: int, seed: int, fits: int) -> list[tuple[float, float]]:
    """(mean, standard deviation) of every fit, as the page computes it."""
    rng = Mulberry(seed, 0, 1)
    blocks, found = [[rng.normal() for _ in range(n)]], []
    for t in range(1, fits + 1):
        items = blocks[-1] if regime == "replace" else [x for block in blocks for x in block]
        if regime == "accumulate_subsample":
            rng = Mulberry(seed, t, 2)
            for i in range(n):
                j = i + math.floor(rng.uniform() * (len(items) - i))
                items[i], items[j] = items[j], items[i]
            items = items[:n]
        mean, sd = float(np.mean(items)), float(np.std(items))
        rng = Mulberry(seed, t, 1)
        blocks.append([mean + sd * rng.normal() for _ in range(n)])
        found.append((mean, sd))
    return found


@pytest.mark.parametrize("regime", ["replace", "accumulate", "accumulate_subsample"])
def test_the_gaussian_chain_is_that_of_the_definition(page, regime):
    rows = page.evaluate(CHAIN, ["gaussian", regime, 12, 3, 15])
    expected = gaussian_chain(regime, 12, 3, 15)
    for row, (mean, sd) in zip(rows, expected, strict=True):
        assert (row["mean"], row["sd"]) == pytest.approx((mean, sd), rel=1e-9)
        divergence = math.log(sd) + (1 + mean**2) / (2 * sd**2) - 0.5
        assert row["loss"] == pytest.approx(divergence, rel=1e-9)
    sizes = {
        "replace": [12] * 15,
        "accumulate": [12 * t for t in range(1, 16)],
        "accumulate_subsample": [12] * 15,
    }
    assert [row["real"] + row["synthetic"] for row in rows] == sizes[regime]
    assert [row["real"] for row in rows] == ([12] + [0] * 14 if regime == "replace" else [row["real"] for row in rows])


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_the_expected_variance_is_the_closed_form(page, regime):
    """Within four standard errors at each of ten fits: by chance missed in about one run of 1,600."""
    n, seeds = 10, 1500
    one = f"({CHAIN})(['gaussian', ...args, seed + 1, 10]).map((row) => row.sd)"
    run = f"(args) => Array.from({{ length: {seeds} }}, (_, seed) => {one})"
    variances = np.square(page.evaluate(run, [regime, n]))
    t = np.arange(1, 11)
    expected = (1 - 1 / n) ** t if regime == "replace" else np.cumprod(1 - 1 / (n * t**2))
    errors = variances.std(0, ddof=1) / math.sqrt(seeds)
    assert np.all(np.abs(variances.mean(0) - expected) < 4 * errors)


def test_the_mixture_loses_clusters_under_replace_and_keeps_them_under_accumulate(page):
    for seed in (1, 2, 3):
        ends = {regime: page.evaluate(CHAIN, ["mixture", regime, 60, seed, 20]) for regime in ("replace", "accumulate")}
        assert ends["replace"][0] == ends["accumulate"][0]  # one first fit, on the real data
        assert 0 < ends["replace"][0]["loss"] < 1
        assert ends["accumulate"][-1]["left"] == 6
        assert ends["replace"][-1]["left"] < 6
        assert ends["accumulate"][-1]["loss"] < 1 < 5 < ends["replace"][-1]["loss"]


def test_the_collapse_is_worked_by_keyboard(page):
    collapse = part(page, "collapse")
    status = collapse.locator("[role=status]")
    assert status.inner_text().startswith("Fit 40.")  # the contrast is there before anything is pressed
    share = [float(value) for value in re.findall(r"([\d.]+)%", status.inner_text())]
    assert share[0] < 20 < 60 < share[1]

    def press(name: str, key: str = "Enter") -> None:
        collapse.get_by_role("button", name=name).focus()
        page.keyboard.press(key)

    press("Reset")
    press("Next generation")
    press("Next generation", "Space")
    assert status.inner_text().startswith("Fit 3.")
    rows = {regime: page.evaluate(CHAIN, ["gaussian", regime, 20, 1, 3])[-1] for regime in ("replace", "accumulate")}
    panels = collapse.locator(".panel")
    for place, regime in enumerate(rows):
        words = panels.nth(place).inner_text()
        assert float(re.search(r"([\d.]+)% of the real spread", words)[1]) == pytest.approx(
            100 * rows[regime]["sd"], rel=0.06
        )
    assert "trained on 20 synthetic items" in panels.nth(0).inner_text()
    assert "trained on 20 real + 40 synthetic items" in panels.nth(1).inner_text()

    press("accumulate at equal size")
    assert panels.count() == 2
    assert collapse.get_by_role("button", name="accumulate at equal size").get_attribute("aria-pressed") == "false"

    chart = collapse.locator("svg[role=slider]")
    chart.focus()
    page.keyboard.press("Home")
    assert status.inner_text().startswith("Fit 1.")
    before = panels.nth(0).inner_text()
    press("New random numbers")
    assert panels.nth(0).inner_text() != before


def test_play_runs_to_the_end_and_can_be_paused(address, visit, browser):
    page, _ = visit("about:blank")
    page.clock.install(time=0)
    page.goto(address)
    page.clock.pause_at(3600)  # from here on only run_for moves it
    collapse = part(page, "collapse")
    status = collapse.locator("[role=status]")
    collapse.get_by_role("button", name="Play").click()  # at the end, it begins again
    assert status.inner_text().startswith("Fit 1.")
    page.clock.run_for(220 * 4)
    assert status.inner_text().startswith("Fit 5.")
    collapse.get_by_role("button", name="Pause").click()
    page.clock.run_for(220 * 4)
    assert status.inner_text().startswith("Fit 5.")
    collapse.get_by_role("button", name="Play").click()
    page.clock.run_for(220 * 60)
    assert status.inner_text().startswith("Fit 40.")
    assert collapse.get_by_role("button", name="Play").count() == 1


# The generation slider


def test_faces_move_with_the_slider(page):
    faces = part(page, "faces")
    left = faces.locator("[role=img]").first
    assert left.get_attribute("aria-label") == "16 faces sampled by fit 10 under replace"
    box = left.locator("span").first.bounding_box()
    assert (box["width"], box["height"]) == (64, 64)
    assert left.locator("span").first.evaluate("(face) => getComputedStyle(face).imageRendering") == "pixelated"
    last = left.locator("span").first.evaluate("(face) => face.style.backgroundPosition")
    faces.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    left = faces.locator("[role=img]").first
    assert left.get_attribute("aria-label") == "16 faces sampled by fit 1 under replace"
    assert left.locator("span").first.evaluate("(face) => face.style.backgroundPosition") != last
    choice(faces, "Right").select_option("accumulate_subsample")
    assert (
        faces.locator("[role=img]").nth(1).get_attribute("aria-label")
        == "16 faces sampled by fit 1 under accumulate at equal size"
    )


def test_stories_are_those_of_the_samples(page):
    stories = part(page, "stories")
    choice(stories, "Setting").select_option(label="Llama, τ = 1")
    slider = stories.locator("input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    file = RESULTS / "language" / "cpu-tinystories" / "samples" / "base" / "accumulate" / "iteration-02" / "stories.json"
    text = json.loads(file.read_text(encoding="utf-8"))[0]
    shown = stories.locator(".panel").nth(1).locator("blockquote").first.evaluate("(quote) => quote.textContent")
    assert shown.removesuffix(" …") == text[: len(shown.removesuffix(" …"))] and len(shown) > 50


def test_molecules_turn_with_keys_and_mouse(page):
    molecules = part(page, "molecules")
    canvases = molecules.locator("canvas")
    assert canvases.count() == 3

    def pictures() -> list[str]:
        return [canvases.nth(i).evaluate("(canvas) => canvas.toDataURL()") for i in range(3)]

    seen = [pictures()]
    canvases.nth(1).focus()
    page.keyboard.press("ArrowRight")
    seen.append(pictures())
    box = canvases.nth(0).bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 60, steps=4)
    page.mouse.up()
    seen.append(pictures())
    choice(molecules, "Molecule").select_option("1")
    seen.append(pictures())
    for before, after in itertools.pairwise(seen):  # all three turn together
        assert all(one != other for one, other in zip(before, after, strict=True))
    assert "the arrow keys turn it" in canvases.nth(2).get_attribute("aria-label")


# The results explorer


def test_the_explorer_reads_out_and_saves_what_the_build_computed(page):
    data = json.loads(re.search(r"<script[^>]*>(.*?)</script>", markup("results", RESULTS))[1])
    explorer = part(page, "results")
    choice(explorer, "Experiment").select_option(label="faces")
    choice(explorer, "Data").select_option(label="ORL faces")
    choice(explorer, "Metric").select_option("recall")
    explorer.get_by_label("relative to the first fit").uncheck()
    faces = next(one for one in data["experiments"] if one["title"] == "faces")
    orl = next(one for one in faces["data"] if one["title"] == "ORL faces")
    curves = orl["settings"][0]["curves"]["recall"]
    read = cells(explorer.locator(".scroll"))
    assert read["replace"][0] == "10" and read["replace"][3] == str(curves["seeds"]["replace"])
    t, mean, low, high = curves["absolute"]["replace"][-1]
    assert number(read["replace"][1]) == pytest.approx(mean, rel=0.01)
    assert read["replace"][2] == page.evaluate(
        "([a, b]) => `[${Interactive.format(a)}, ${Interactive.format(b)}]`", [low, high]
    )

    with page.expect_download() as download:
        explorer.get_by_role("button", name="Download data").press("Enter")
    assert download.value.suggested_filename.endswith("recall-absolute.csv")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == sum(map(len, curves["absolute"].values()))
    last = [row for row in rows if row["regime"] == "replace"][-1]
    assert [float(last[name]) for name in ("iteration", "mean", "low", "high")] == [
        t,
        mean,
        low,
        high,
    ]
    assert last["seeds"] == str(curves["seeds"]["replace"])

    with page.expect_download() as download:
        explorer.get_by_role("button", name="Download picture").press("Enter")
    picture = ET.parse(download.value.path()).getroot()
    text = ET.tostring(picture, encoding="unicode")
    assert (
        picture.find("{http://www.w3.org/2000/svg}title").text == "faces, ORL faces, equal number of epochs, recall (share)"
    )
    assert "accumulate at equal size" in text and "class=" not in text and "var(" not in text
    assert re.search(r'stroke="rgb\(194, 78, 0\)"', text)  # the colour of replace


def test_every_choice_of_the_explorer_draws_a_chart(page):
    explorer = part(page, "results")
    drawn = 0
    for experiment in range(choice(explorer, "Experiment").locator("option").count()):
        choice(explorer, "Experiment").select_option(index=experiment)
        values = explorer.locator("select").nth(3).locator("option").evaluate_all("(options) => options.map((o) => o.value)")
        for value in values:
            explorer.locator("select").nth(3).select_option(value, force=True)
            for box in ("relative to the first fit", "logarithmic axis"):
                explorer.get_by_label(box).set_checked(drawn % 2 == 0)
            svg = explorer.locator("svg[role=slider]")
            assert "NaN" not in svg.inner_html() and svg.locator("polyline").count() >= 2
            assert all(
                point for point in svg.locator("polyline").evaluate_all("(all) => all.map((p) => p.getAttribute('points'))")
            )
            drawn += 1
    assert drawn >= 20


def test_the_explorer_follows_keys_and_pointer(page):
    explorer = part(page, "results")
    svg = explorer.locator("svg[role=slider]")
    svg.focus()
    page.keyboard.press("Home")
    assert [row[0] for row in cells(explorer.locator(".scroll")).values()] == ["1"] * 4
    page.keyboard.press("ArrowRight")
    assert svg.get_attribute("aria-valuenow") == "2"
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
    assert svg.get_attribute("aria-valuenow") == "50"


# All of them


@pytest.mark.parametrize(("width", "mode"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")])
def test_nothing_is_in_the_way(address, visit, width, mode):
    from axe_playwright_python.sync_playwright import Axe

    page, log = visit(address, width, mode)
    assert page.locator(".interactive.ready").count() == len(INTERACTIVES)
    assert page.evaluate(SIDEWAYS) <= 0
    found = Axe().run(page, context=".interactive", options={"resultTypes": ["violations"], "preload": False})
    assert [(rule["id"], node["target"]) for rule in found.response["violations"] for node in rule["nodes"]] == []
    assert log.complaints(address.rpartition("/")[0]) == []


def test_focus_is_seen_and_reaches_every_control(page):
    for name in INTERACTIVES:
        controls = part(page, name).locator("button:visible, select:visible, input:visible, [tabindex='0']:visible")
        controls.first.focus()
        for i in range(controls.count()):
            assert controls.nth(i).evaluate("(control) => control === document.activeElement"), (
                name,
                i,
            )
            style = controls.nth(i).evaluate(
                "(control) => getComputedStyle(control).outlineStyle + getComputedStyle(control).outlineWidth"
            )
            assert style == "solid3px", (name, i)
            page.keyboard.press("Tab")


def test_without_scripts_there_is_a_static_version(address, browser):
    context = browser.browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(address)
        for name in INTERACTIVES:
            static = part(page, name).locator(".static")
            assert static.is_visible() and len(static.inner_text()) > 40
    finally:
        context.close()


def test_print_shows_the_picture_without_its_controls(page):
    page.emulate_media(media="print")
    for name in INTERACTIVES:
        body = part(page, name).locator(".live")
        assert body.locator("svg.swatch, [role=slider], canvas").first.is_visible()
        assert body.locator(".controls, .buttons").evaluate_all("(all) => all.every((e) => !e.getClientRects().length)")


def test_a_page_opened_as_a_file_works(lab, visit):
    page, log = visit((lab / "index.html").as_uri())
    assert page.locator(".interactive.ready").count() == len(INTERACTIVES)
    assert all(request.startswith(("file:", "data:")) for request in log.requests)


def test_the_single_file_holds_the_interactives(one_file, visit):
    page, log = visit(one_file.as_uri())
    assert page.locator("[data-interactive]").count() == page.locator(".interactive.ready").count() > 0
    collapse = part(page, "collapse").first
    collapse.get_by_role("button", name="Next generation").click()
    assert collapse.locator("[role=status]").inner_text().startswith("Fit 41.")
    assert log.complaints(one_file.as_uri()) == []
