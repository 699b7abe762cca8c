"""The numbers in the prose are made from committed files, and are up to date."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book._tools import front, includes, schematic, scorecard
from book._tools.__main__ import main
from book._tools.headline import REGIMES, first_of_each, panels
from book._tools.pictures import digest_of, opening
from collapse_utils import regimes
from collapse_utils.pages.figures import COLOURS, LABELS
from collapse_utils.sweeps.execute import write_notebook

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    return includes.texts(ROOT, panels(ROOT / "results"))


def test_the_committed_includes_are_up_to_date(generated, monkeypatch):
    monkeypatch.setattr(includes, "texts", lambda root, shown: generated)
    stale = includes.update(ROOT, write=False)
    assert not stale, f"run `make includes`: {[str(path.relative_to(ROOT)) for path in stale]}"


def test_every_include_that_a_page_asks_for_is_generated(generated):
    expected = {path.name for path in generated}
    for page in (ROOT / "book").glob("*.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            if "_generated/" in line:
                assert line.partition("_generated/")[2].rstrip("` }") in expected, page


def small_book(root: Path) -> Path:
    """Language results of two seeds at two presets, and a notebook."""
    (root / "_config.yml").write_text("title: Small\n", encoding="utf-8")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: notebooks/02_language\n", encoding="utf-8"
    )
    (root / "README.md").write_text(
        f"before\n{includes.MARKS[0].format('results')}\nold\n{includes.MARKS[1].format('results')}\nafter\n",
        encoding="utf-8",
    )
    add_language_results(root, "smoke", "tinystories", 100.0)
    add_language_results(root, "cpu", "tinystories", 0.0)
    cells = [new_markdown_cell("# Stories\n\ntext"), new_code_cell("1")]
    (root / "notebooks").mkdir()
    write_notebook(root / "notebooks" / "02_language.ipynb", new_notebook(cells=cells))
    return root


def add_language_results(root: Path, preset: str, data: str, shift: float) -> None:
    """Two seeds: replace rises by 1 a fit, accumulate stays; a variant must not be shown."""
    rows = [
        (
            "language",
            preset,
            data,
            variant,
            regime,
            seed,
            t,
            metric,
            scale * (shift + value + 0.1 * seed),
        )
        for metric, scale in (("cross_entropy", 1.0), ("bits_per_character", 0.5))
        for variant, offset in (("", 0.0), ("temperature=0.3", 50.0))
        for regime, step in (("replace", 1.0), ("accumulate", 0.0))
        for seed in (0, 1)
        for t in (1, 2, 3)
        for value in (2 + offset + step * (t - 1),)
    ]
    folder = root / "results" / "language" / f"{preset}-{data}"
    folder.mkdir(parents=True)
    columns = [
        "section",
        "preset",
        "data",
        "variant",
        "regime",
        "seed",
        "iteration",
        "metric",
        "value",
    ]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "metrics.csv", index=False)


def test_the_tables_are_made_from_results(tmp_path, capsys):
    root = small_book(tmp_path)
    assert main(["--root", str(root), "includes", "--check"]) == 1
    assert main(["--root", str(root), "includes"]) == 0
    assert main(["--root", str(root), "includes", "--check"]) == 0
    headline = (root / "book/_generated/headline.md").read_text(encoding="utf-8")
    # The largest preset of the fetched data, without the variant.
    (panel,) = panels(root / "results")
    assert (panel.data, panel.about, panel.fits) == ("TinyStories", "preset cpu, 2 seeds", 3)
    result = panels(root / "results")
    assert digest_of(root / "book/_generated/headline.png") == opening(result, 2).digest
    assert digest_of(root / "book/_generated/headline-phone.png") == opening(result, 1).digest
    front = (root / "book/_generated/front.md").read_text(encoding="utf-8")
    # Geometric means of 4 / 2 and 4.1 / 2.1, and of 1; the control of equal size was not run.
    assert "worse: the final loss is 1.98 (language models) times the first." in front
    assert (
        "prevents most of it: 1.00 (language models) times." in front and "equal size" not in front
    )
    # its text for those who do not see it
    assert "at fit 3 it is 4.05 under replace and 2.05 under accumulate" in headline
    scores = (root / "book/_generated/scorecard.md").read_text(encoding="utf-8")
    # Two seeds decide: half a bit a fit, the same in both; another source was not collected.
    assert (
        "Under replace, the cross-entropy rises from fit to fit at τ = 1](#language-curves)"
        in scores
    )
    rise = (
        "reproduced, at reduced scale<br>0.5000 [0.5000,\u00a00.5000]<br>(1.000 nats per token per "
        "fit)"
    )
    assert f"| TinyStories, one epoch: {rise}<br>exploratory; 4 of 4 steps rise; Llama |" in scores
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n") and readme.endswith("after\n") and "old" not in readme
    assert "the final loss is 1.98 (language models)" in readme


def test_a_changed_result_makes_them_stale(tmp_path):
    root = small_book(tmp_path)
    includes.update(root, write=True)
    path = root / "results/language/cpu-tinystories/metrics.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("4.1", "5.3"), encoding="utf-8")
    assert [stale.name for stale in includes.update(root, write=False)] == [
        "headline.png",
        "headline-phone.png",
        "headline.svg",
        "front.md",
        "headline.md",
        "scorecard.md",
        "claim_details.md",
        "claims.json",
        "README.md",
    ]
    (root / "book/_generated/regimes.png").unlink()
    assert "regimes.png" in [stale.name for stale in includes.update(root, write=True)]
    assert includes.update(root, write=False) == []


def test_fetched_data_come_first_and_the_embedded_default_stays_beside_them(tmp_path):
    root = small_book(tmp_path)
    add_language_results(root, "smoke", "bible", 10.0)
    result = panels(root / "results")
    assert [(panel.data, panel.offline) for panel in result] == [
        ("TinyStories", False),
        ("Bible in Basic English", True),
    ]
    # the figure shows one of the two
    assert [panel.data for panel in first_of_each(result)] == ["TinyStories"]
    assert [panel.about for panel in result] == ["preset cpu, 2 seeds", "preset smoke, 2 seeds"]
    assert result[1].fit("replace", 0).text(1).startswith("12.1 [")
    assert "10" not in front.bullets(first_of_each(result), {})[0]


def test_the_answer_says_what_is_left_at_equal_training_and_counts_the_papers_claims():
    result, judged = first_of_each(panels(ROOT / "results")), scorecard.judged(ROOT)
    lines = front.bullets(result, judged)
    assert (
        len(lines) == 4
        and "Part of that is more training data" in lines[2]
        and "(linear regression)" in lines[2]
        and lines[2].endswith("for faces it changes little.")
    )
    outcomes = front.papers_claims(judged)
    counts = Counter(outcome.verdict.outcome for outcome in outcomes)
    assert f"{len(outcomes)} tests of the paper's claims: {counts['reproduced']} reproduced" in (
        front.count(outcomes)
    )
    assert front.squares(outcomes).count("](#") == len(outcomes)
    assert "0.8 million parameters and read 250 stories" in front.smallness(ROOT)


def test_a_preset_under_way_is_not_shown(tmp_path):
    root = small_book(tmp_path)
    path = root / "results/language/cpu-tinystories/metrics.csv"
    frame = pd.read_csv(path)
    frame[frame["regime"] == "replace"].to_csv(path, index=False)
    assert [panel.about for panel in panels(root / "results")] == ["preset smoke, 2 seeds"]


@pytest.mark.parametrize("columns", [1, 2])
def test_the_opening_figure_shows_relative_losses_beside_the_papers_in_the_colours_of_the_regimes(
    columns,
):
    result = first_of_each(panels(ROOT / "results"))
    assert [panel.section for panel in result] == ["linear", "language", "images", "molecules"]
    figure = opening(result, columns).draw()
    drawings, shown = figure.axes[: len(REGIMES)], figure.axes[len(REGIMES) :]
    for regime, ax in zip(REGIMES, drawings, strict=True):
        assert LABELS[regime] in [text.get_text() for text in ax.texts]
    assert [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()] == [
        LABELS[regime] for regime in REGIMES
    ]
    for letter, panel, ax in zip("bcde", result, shown, strict=True):
        assert panel.measure in ax.get_ylabel() and ax.get_yscale() == "log"
        words = [text.get_text() for text in ax.texts]
        assert f"({letter}) {panel.name.capitalize()}" in words
        assert any(panel.data in word for word in words)
        assert list(panel.curves) == [regime for regime in REGIMES if regime in panel.curves]
        for regime in panel.curves:
            ours, paper = (line for line in ax.lines if line.get_color() == COLOURS[regime])
            assert list(ours.get_ydata()) == list(panel.ratios[regime]["mean"])
            assert list(paper.get_ydata()) == list(
                panel.paper[panel.paper["regime"] == regime]["value"]
            )
        assert len(ax.collections) == len(panel.curves) >= 2  # an interval around each line


@pytest.mark.parametrize("columns", [1, 2])
def test_the_drawing_of_the_regimes_shows_what_the_chains_train_on(columns):
    figure = schematic.draw(columns)
    for regime, ax in zip(regimes.REGIMES, figure.axes, strict=True):
        assert LABELS[regime] in [text.get_text() for text in ax.texts]
        for t in range(1, schematic.ITERATIONS + 1):
            boxes = [
                box
                for box in ax.patches
                if box.get_x() < t < box.get_x() + box.get_width() and box.get_height() > 0
            ]
            fills = [schematic.FILLS.index(to_hex(box.get_facecolor())) for box in boxes]
            assert fills == [block.generation for block in regimes.trains_on(regime, t)]
            assert sum(box.get_height() for box in boxes) == pytest.approx(
                regimes.training_size(regime, t)
            )
            names = [text.get_text() for text in ax.texts if text.xy[0] == t][: len(fills)]
            assert names == ["real" if generation == 0 else str(generation) for generation in fills]
    heights = {
        round(ax.get_position().height / (ax.get_ylim()[1] - ax.get_ylim()[0]), 3)
        for ax in figure.axes
    }
    figure.canvas.draw()
    assert len(heights) == 1, "one scale for all regimes"


def test_a_regime_that_changes_makes_its_drawing_stale(monkeypatch):
    before = schematic.picture(2).digest
    monkeypatch.setattr(regimes, "training_size", lambda regime, t: 2)
    assert schematic.picture(2).digest != before
