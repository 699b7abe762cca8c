"""The interactives in a browser: their numbers are those of Python, and the keyboard works them."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bs4 import BeautifulSoup
from chromium import barriers, serve

from book._tools.interactive import INTERACTIVES
from collapse_utils.linear import theory
from collapse_utils.pages.figures import LABELS

ROOT = Path(__file__).resolve().parents[2]
CONF = """
import sys
sys.path[:0] = [{extensions!r}, {root!r}]
extensions = ["myst_parser", "interactive"]
html_theme = "sphinx_book_theme"
html_context = {{"default_mode": "auto"}}
html_static_path = [{static!r}]
html_css_files = ["book.css"]
html_favicon = {static!r} + "/favicon.svg"
"""
FIGURE = """
```{{interactive}} {name}
:name: the-{name}
A caption.
```
"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TEXTS = "(all) => all.map((quote) => quote.textContent)"
POINTS = "(all) => all.map((line) => line.points.length)"
PICTURES = "(all) => all.map((canvas) => canvas.toDataURL())"


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory) -> Path:  # the browser first: nothing is built without one
    """A built page in the book's theme that holds every interactive."""
    source, pages = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("lab")
    book = ROOT / "book"
    paths = {"extensions": book / "_ext", "root": ROOT, "static": book / "_static"}
    conf = CONF.format(**{name: str(path) for name, path in paths.items()})
    (source / "conf.py").write_text(conf, encoding="utf-8")
    text = "# Every interactive\n" + "".join(FIGURE.format(name=name) for name in INTERACTIVES)
    (source / "index.md").write_text(text, encoding="utf-8")
    (source / "results").symlink_to(ROOT / "results", target_is_directory=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(source), str(pages)]
    subprocess.run(command, cwd=ROOT, check=True)
    return pages


@pytest.fixture(scope="module")
def data(lab) -> dict[str, dict]:
    """What the build wrote for every interactive."""
    soup = BeautifulSoup((lab / "index.html").read_text(encoding="utf-8"), "html.parser")
    hosts = soup.select("[data-interactive]")
    return {host["data-interactive"]: json.loads(host.script.string) for host in hosts}


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


def cells(interactive) -> dict[str, list[str]]:
    """The table of values of an interactive: name of a row -> its cells."""
    read = {}
    for row in interactive.locator(".scroll tbody tr").all():
        name = row.locator("th").inner_text().strip()
        read[name] = [cell.strip() for cell in row.locator("td").all_inner_texts()]
    return read


def number(text: str) -> float:
    """A number as the page writes it, such as 1.20 or 1.2 × 10⁻⁵."""
    mantissa, _, power = text.partition(" × 10")
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(mantissa) * 10 ** int(power.translate(raised) or 0)


# The theorem explorer

GROWTH = """([regime, d, T]) => Interactive.theory.growth[regime](100, d, T)
    .map((value) => isFinite(value) ? value : 'inf')"""
SIZES = [(1, 3), (2, 10), (32, 34), (32, 52), (32, 100), (32, 1000), (100, 2000)]


@pytest.mark.parametrize(("d", "T"), SIZES)
def test_the_formulas_are_those_of_the_package(page, d, T):
    base = page.evaluate("([d, T]) => Interactive.theory.base(d, T, 0.7)", [d, T])
    for regime in LABELS:
        growth = np.array([float(value) for value in page.evaluate(GROWTH, [regime, d, T])])
        expected = theory.test_error(regime, np.arange(1, 101), d, T, 0.7)
        assert base * growth == pytest.approx(expected, rel=1e-9)


def test_the_explorer_is_worked_by_keyboard_and_reads_out_the_formulas(page):
    theorem = part(page, "theorem")
    sliders = theorem.locator("input[type=range]")
    d, T, sigma2, n = (sliders.nth(i) for i in range(4))

    def press(slider, *keys: str) -> None:
        slider.focus()
        for key in keys:
            page.keyboard.press(key)

    press(d, "End")  # d = 100, and T moves to its least value
    assert d.get_attribute("aria-valuetext") == "100"
    assert T.get_attribute("aria-valuetext") == "102"
    press(d, "Home", "ArrowRight", "ArrowRight")
    press(sigma2, "End")
    press(n, "Home", "ArrowRight", "ArrowRight")
    at = [float(slider.get_attribute("aria-valuetext")) for slider in (d, T, sigma2, n)]
    assert at == [3, 102, 100, 4]
    chart = theorem.locator("svg[role=slider]")
    chart.focus()
    first = theory.base(3, 102, 100.0)
    for fit in (4, 3, 2):
        read = cells(theorem)
        for regime, label in LABELS.items():
            expected = float(theory.test_error(regime, fit, 3, 102, 100.0))
            _, error, ratio, _ = read[label]
            assert number(error) == pytest.approx(expected, rel=1e-3)
            assert number(ratio) == pytest.approx(expected / first, rel=1e-3)
        assert chart.get_attribute("aria-valuenow") == str(fit)
        spoken = chart.get_attribute("aria-valuetext")
        assert spoken.startswith(f"fit {fit}: replace {read['replace'][1]}")
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("End")
    assert chart.get_attribute("aria-valuenow") == "4"


def test_an_undetermined_subsample_is_infinite_and_not_drawn(page):
    theorem = part(page, "theorem")
    T = theorem.locator("input[type=range]").nth(1)
    T.focus()
    page.keyboard.press("Home")  # a subsample of 34 rows holds fewer than 32 different ones
    assert T.get_attribute("aria-valuetext") == "34"
    assert cells(theorem)["accumulate at equal size"][1:3] == ["∞", "∞"]
    assert "NaN" not in theorem.locator("svg[role=slider]").inner_html()


# Run your own collapse

CHAIN = """([model, regime, n, seed, fits]) => {
  const { Chain, gaussian, mixture } = Interactive.chains;
  const chain = new Chain({ gaussian, mixture }[model], regime, n, seed);
  chain.upTo(fits);
  return chain.rows.map(({ fit, left, loss, real, synthetic }) =>
    ({ sd: fit.sd, mean: fit.mean, left, loss, real: real.length, synthetic: synthetic.length }));
}"""
VARIANCES = f"""([regime, n, seeds]) => Array.from({{ length: seeds }}, (_, seed) =>
    ({CHAIN})(['gaussian', regime, n, seed + 1, 10]).map((row) => row.sd ** 2))"""
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
    """(mean, standard deviation) of every fit, by the definition of the regime."""
    rng = Mulberry(seed, 0, 1)
    blocks, result = [[rng.normal() for _ in range(n)]], []
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
        result.append((mean, sd))
    return result


@pytest.mark.parametrize("regime", ["replace", "accumulate", "accumulate_subsample"])
def test_the_gaussian_chain_is_that_of_the_definition(page, regime):
    rows = page.evaluate(CHAIN, ["gaussian", regime, 12, 3, 15])
    for row, (mean, sd) in zip(rows, gaussian_chain(regime, 12, 3, 15), strict=True):
        assert (row["mean"], row["sd"]) == pytest.approx((mean, sd), rel=1e-9)
        divergence = math.log(sd) + (1 + mean**2) / (2 * sd**2) - 0.5
        assert row["loss"] == pytest.approx(divergence, rel=1e-9)
    sizes = [row["real"] + row["synthetic"] for row in rows]
    assert sizes == [12 * t if regime == "accumulate" else 12 for t in range(1, 16)]
    if regime != "accumulate_subsample":
        real = [row["real"] for row in rows]
        assert real == [12 if t == 1 or regime == "accumulate" else 0 for t in range(1, 16)]


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_the_expected_variance_is_the_closed_form(page, regime):
    """Within four standard errors at each of ten fits: chance alone fails 1 run in 1,600."""
    n, seeds, t = 10, 1500, np.arange(1, 11)
    variances = np.array(page.evaluate(VARIANCES, [regime, n, seeds]))
    products = np.cumprod(1 - 1 / (n * t**2))
    expected = (1 - 1 / n) ** t if regime == "replace" else products
    errors = variances.std(0, ddof=1) / math.sqrt(seeds)
    assert np.all(np.abs(variances.mean(0) - expected) < 4 * errors)


def test_the_mixture_loses_clusters_under_replace_and_keeps_them_under_accumulate(page):
    for seed in (1, 2, 3):
        replace = page.evaluate(CHAIN, ["mixture", "replace", 60, seed, 20])
        accumulate = page.evaluate(CHAIN, ["mixture", "accumulate", 60, seed, 20])
        assert replace[0] == accumulate[0]  # one first fit, on the real data
        assert 0 < replace[0]["loss"] < 1
        assert replace[-1]["left"] < accumulate[-1]["left"] == 6
        assert accumulate[-1]["loss"] < 1 < 5 < replace[-1]["loss"]


def test_the_collapse_is_worked_by_keyboard(page):
    collapse = part(page, "collapse")
    status, panels = collapse.locator("[role=status]"), collapse.locator(".panel")
    assert status.inner_text().startswith("Fit 40.")  # the contrast is there at once
    left = [float(value) for value in re.findall(r"([\d.]+)%", status.inner_text())]
    assert left[0] < 20 < 60 < left[1]

    def press(name: str, key: str = "Enter"):
        button = collapse.get_by_role("button", name=name)
        button.focus()
        page.keyboard.press(key)
        return button

    press("Reset")
    press("Next generation")
    press("Next generation", "Space")
    assert status.inner_text().startswith("Fit 3.")
    for place, regime in enumerate(("replace", "accumulate")):
        row = page.evaluate(CHAIN, ["gaussian", regime, 20, 1, 3])[-1]
        share = re.search(r"([\d.]+)% of the real spread", panels.nth(place).inner_text())[1]
        assert float(share) == pytest.approx(100 * row["sd"], rel=0.06)
    assert "trained on 20 synthetic items" in panels.nth(0).inner_text()
    assert "trained on 20 real + 40 synthetic items" in panels.nth(1).inner_text()

    toggle = press("accumulate at equal size")
    assert panels.count() == 2
    assert toggle.get_attribute("aria-pressed") == "false"

    collapse.locator("svg[role=slider]").focus()
    page.keyboard.press("Home")
    assert status.inner_text().startswith("Fit 1.")
    before = panels.nth(0).inner_text()
    press("New random numbers")
    assert panels.nth(0).inner_text() != before


@pytest.fixture
def alone(browser):
    """A page in a context of its own: Playwright's clock holds for every page of a context."""
    context = browser.browser.new_context()
    yield context.new_page()
    context.close()


def test_play_runs_to_the_end_and_can_be_paused(address, alone):
    page = alone
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


def test_faces_move_with_the_slider(page, data):
    faces = part(page, "faces")
    setting = data["faces"]["data"][0]["settings"][0]
    last = max(map(int, setting["regimes"]["replace"]))

    def label(place: int) -> str:
        return faces.locator("[role=img]").nth(place).get_attribute("aria-label")

    def face():
        return faces.locator("[role=img]").first.locator("span").first

    assert label(0) == f"{setting['columns']} faces sampled by fit {last} under replace"
    box = face().bounding_box()
    assert (box["width"], box["height"]) == (64, 64)
    assert face().evaluate("(face) => getComputedStyle(face).imageRendering") == "pixelated"
    position = "(face) => face.style.backgroundPosition"
    before = face().evaluate(position)
    faces.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    assert label(0).endswith("fit 1 under replace")
    assert face().evaluate(position) != before
    other = next(regime for regime in setting["regimes"] if regime not in ("replace", "accumulate"))
    choice(faces, "Right").select_option(other)
    assert label(1).endswith(f"fit 1 under {LABELS[other]}")


def test_stories_show_the_chosen_setting_and_fit(page, data):
    stories = part(page, "stories")
    setting = data["stories"]["data"][0]["settings"][1]
    choice(stories, "Setting").select_option(label=setting["title"])
    stories.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    panel = stories.locator(".panel").nth(1)
    sample = setting["regimes"]["accumulate"]["2"]
    assert panel.locator("blockquote").evaluate_all(TEXTS) == sample["texts"]
    words = panel.inner_text()
    assert f"{sample['distinct']} of {sample['all']} sentences are different" in words
    loss = words.split(f"{data['stories']['loss']}: ")[1].split()[0]
    assert number(loss) == pytest.approx(setting["losses"]["accumulate"]["2"], rel=0.01)


def test_molecules_turn_with_keys_and_mouse(page):
    molecules = part(page, "molecules")
    canvases = molecules.locator("canvas")
    assert canvases.count() == 3
    canvases.nth(0).scroll_into_view_if_needed()
    seen = [canvases.evaluate_all(PICTURES)]
    canvases.nth(1).focus()
    page.keyboard.press("ArrowRight")
    seen.append(canvases.evaluate_all(PICTURES))
    box = canvases.nth(0).bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 60, steps=4)
    page.mouse.up()
    seen.append(canvases.evaluate_all(PICTURES))
    choice(molecules, "Molecule").select_option("1")
    seen.append(canvases.evaluate_all(PICTURES))
    for before, after in itertools.pairwise(seen):  # all three change together
        assert all(one != other for one, other in zip(before, after, strict=True))
    assert "the arrow keys turn it" in canvases.nth(2).get_attribute("aria-label")


# The results explorer


def test_the_explorer_reads_out_and_saves_what_the_build_computed(page, data):
    explorer = part(page, "results")
    experiment = data["results"]["experiments"][-2]
    source = experiment["data"][-1]
    setting = source["settings"][0]
    metric = list(setting["curves"])[1]
    curves = setting["curves"][metric]
    choice(explorer, "Experiment").select_option(label=experiment["title"])
    choice(explorer, "Data").select_option(label=source["title"])
    choice(explorer, "Metric").select_option(metric)
    explorer.get_by_label("relative to the first fit").uncheck()
    t, mean, low, high = curves["absolute"]["replace"][-1]
    fit, shown, interval, seeds = cells(explorer)["replace"]
    assert (int(fit), int(seeds)) == (t, curves["seeds"]["replace"])
    assert number(shown) == pytest.approx(mean, rel=0.01)
    between = "([a, b]) => `[${Interactive.format(a)}, ${Interactive.format(b)}]`"
    assert interval == page.evaluate(between, [low, high])

    with page.expect_download() as download:
        explorer.get_by_role("button", name="Download data").press("Enter")
    assert download.value.suggested_filename.endswith(f"{metric.replace('_', '-')}-absolute.csv")
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == sum(map(len, curves["absolute"].values()))
    last = [row for row in rows if row["regime"] == "replace"][-1]
    numbers = [float(last[name]) for name in ("iteration", "mean", "low", "high", "seeds")]
    assert numbers == [t, mean, low, high, curves["seeds"]["replace"]]

    with page.expect_download() as download:
        explorer.get_by_role("button", name="Download picture").press("Enter")
    picture = ElementTree.parse(download.value.path()).getroot()
    title = picture.find("{http://www.w3.org/2000/svg}title").text
    assert title.startswith(f"{experiment['title']}, {source['title']}, {setting['title']}, ")
    text = ElementTree.tostring(picture, encoding="unicode")
    assert all(LABELS[regime] in text for regime in curves["absolute"])
    assert "class=" not in text and "var(" not in text
    assert 'stroke="rgb(194, 78, 0)"' in text  # the colour of replace


def test_every_choice_of_the_explorer_draws_a_chart(page, data):
    explorer = part(page, "results")
    svg, drawn = explorer.locator("svg[role=slider]"), 0
    for experiment in data["results"]["experiments"]:
        choice(explorer, "Experiment").select_option(label=experiment["title"])
        for metric in experiment["data"][0]["settings"][0]["curves"]:
            if choice(explorer, "Metric").count():  # one metric alone is no choice
                choice(explorer, "Metric").select_option(metric)
            for box in ("relative to the first fit", "logarithmic axis"):
                explorer.get_by_label(box).set_checked(drawn % 2 == 0)
            assert "NaN" not in svg.inner_html(), metric
            points = svg.locator("polyline").evaluate_all(POINTS)
            assert len(points) >= 2 and all(points), metric
            drawn += 1
    assert drawn >= 20


def test_the_explorer_follows_keys_and_pointer(page):
    explorer = part(page, "results")
    svg = explorer.locator("svg[role=slider]")
    svg.focus()
    last = svg.get_attribute("aria-valuemax")
    page.keyboard.press("Home")
    assert {row[0] for row in cells(explorer).values()} == {"1"}
    page.keyboard.press("ArrowRight")
    assert svg.get_attribute("aria-valuenow") == "2"
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
    assert svg.get_attribute("aria-valuenow") == last


# All of them

VIEWS = [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]
CONTROLS = "button:visible, select:visible, input:visible, [tabindex='0']:visible"
OUTLINE = """(control) => document.activeElement === control
    && getComputedStyle(control).outlineStyle + ' ' + getComputedStyle(control).outlineWidth"""
HIDDEN = "(all) => all.every((one) => !one.getClientRects().length)"


@pytest.mark.parametrize(("width", "mode"), VIEWS)
def test_nothing_is_in_the_way(address, visit, width, mode):
    page, log = visit(address, width, mode)
    assert page.locator(".interactive.ready").count() == len(INTERACTIVES)
    assert page.evaluate(SIDEWAYS) <= 0
    assert barriers(page, ".interactive") == []
    assert log.complaints(address.rpartition("/")[0]) == []


def test_focus_is_seen_and_reaches_every_control(page):
    for name in INTERACTIVES:
        controls = part(page, name).locator(CONTROLS)
        controls.first.focus()
        for i in range(controls.count()):
            assert controls.nth(i).evaluate(OUTLINE) == "solid 3px", (name, i)
            page.keyboard.press("Tab")


def test_without_scripts_there_is_a_static_version(address, browser):
    context = browser.browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(address)
        for name in INTERACTIVES:
            static = part(page, name).locator(".static")
            assert static.is_visible() and len(static.inner_text()) > 40, name
    finally:
        context.close()


def test_print_shows_the_picture_without_its_controls(page):
    page.emulate_media(media="print")
    for name in INTERACTIVES:
        live = part(page, name).locator(".live")
        assert live.locator("svg, canvas").first.is_visible(), name
        assert live.locator(".controls, .buttons").evaluate_all(HIDDEN), name


def test_a_page_opened_as_a_file_works(lab, visit):
    page, log = visit((lab / "index.html").as_uri())
    assert page.locator(".interactive.ready").count() == len(INTERACTIVES)
    assert all(request.startswith(("file:", "data:")) for request in log.requests)


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_the_interactives_of_the_single_file_work(one_file, visit, width):
    page, log = visit(one_file.as_uri(), width)
    hosts = page.locator("[data-interactive]")
    names = hosts.evaluate_all("(all) => all.map((host) => host.dataset.interactive)")
    assert {"collapse", "results"} <= set(names) <= set(INTERACTIVES)
    assert page.locator(".interactive.ready").count() == len(names)
    for host in hosts.all():
        host.locator(CONTROLS).first.focus()
        assert host.locator(CONTROLS).first.evaluate(OUTLINE) == "solid 3px"

    collapse = part(page, "collapse").first
    collapse.get_by_role("button", name="Next generation").press("Enter")
    assert collapse.locator("[role=status]").inner_text().startswith("Fit 41.")

    explorer = part(page, "results").first
    held = json.loads(explorer.locator("script").first.text_content())
    first = held["experiments"][0]
    curves = first["data"][0]["settings"][0]["curves"][first["headline"]]
    explorer.locator("svg[role=slider]").focus()
    page.keyboard.press("Home")
    for regime, (start, *_) in (curves.get("relative") or curves["absolute"]).items():
        fit, shown, *_ = cells(explorer)[LABELS[regime]]
        assert int(fit) == start[0]
        assert number(shown) == pytest.approx(start[1], rel=0.01)

    assert barriers(page, ".interactive") == []
    assert log.complaints(one_file.as_uri()) == []
