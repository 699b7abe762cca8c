"""The numbers in the prose are made from committed files, and are up to date."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from collapse_utils.book import includes
from collapse_utils.book.__main__ import main
from collapse_utils.book.notebooks import write_notebook
from collapse_utils.book.panels import digest_of, panels

ROOT = Path(__file__).resolve().parents[1]


def test_the_committed_includes_are_up_to_date():
    stale = includes.update(ROOT, write=False)
    assert not stale, f"run `make includes`: {[str(path.relative_to(ROOT)) for path in stale]}"


def test_every_include_that_a_page_asks_for_is_generated():
    wanted = {path.name for path in includes.texts(ROOT, panels(ROOT / "results"))}
    for page in (ROOT / "book").glob("*.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            if "_generated/" in line:
                assert line.partition("_generated/")[2].rstrip("` }") in wanted, page


def small_book(root: Path) -> Path:
    """Language results of two seeds at two presets, and a notebook."""
    (root / "_config.yml").write_text("title: Small\n", encoding="utf-8")
    (root / "_toc.yml").write_text("format: jb-book\nroot: notebooks/02_language\n", encoding="utf-8")
    (root / "README.md").write_text(
        f"before\n{includes.MARKS[0].format('results')}\nold\n{includes.MARKS[1].format('results')}\nafter\n",
        encoding="utf-8",
    )
    for preset, shift in (("smoke", 100.0), ("cpu", 0.0)):
        rows = [
            ("language", preset, "tinystories", variant, regime, seed, t, "cross_entropy", shift + value + 0.1 * seed)
            for variant, offset in (("", 0.0), ("temperature=0.3", 50.0))
            for regime, step in (("replace", 1.0), ("accumulate", 0.0))
            for seed in (0, 1)
            for t in (1, 2, 3)
            for value in (2 + offset + step * (t - 1),)
        ]
        folder = root / "results" / "language" / f"{preset}-tinystories"
        folder.mkdir(parents=True)
        columns = ["section", "preset", "data", "variant", "regime", "seed", "iteration", "metric", "value"]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "metrics.csv", index=False)
    cells = [new_markdown_cell("# Stories\n\ntext"), new_code_cell("1")]
    (root / "notebooks").mkdir()
    write_notebook(root / "notebooks" / "02_language.ipynb", new_notebook(cells=cells))
    return root


def test_the_tables_are_made_from_results(tmp_path, capsys):
    root = small_book(tmp_path)
    assert main(["--root", str(root), "includes", "--check"]) == 1
    assert main(["--root", str(root), "includes"]) == 0
    assert main(["--root", str(root), "includes", "--check"]) == 0
    headline = (root / "book/_generated/headline.md").read_text(encoding="utf-8")
    assert "tinystories, preset cpu, 2 seeds" in headline and "smoke" not in headline
    # Means over the two seeds of the largest preset, without the variant: 2.05 first, 4.05 and 2.05 last.
    assert headline.count("2.05 [") == 2 and headline.count("4.05 [") == 1
    assert "(../notebooks/02_language.ipynb)" in headline
    picture = root / "book/_generated/headline-language.png"
    assert digest_of(picture) == panels(root / "results")[0].digest()
    assert "at fit 3 it is 4.05 under replace and 2.05 under accumulate" in headline  # its text for those who do not see it
    scores = (root / "book/_generated/scorecard.md").read_text(encoding="utf-8")
    # Two seeds decide: 2 nats between the regimes at the end, the same in both; another source was not collected.
    assert "Llama: replace ends above accumulate](#language-curves)" in scores
    assert "| reproduced<br>2.000 [2.000,\u00a02.000] | not run |" in scores
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n") and readme.endswith("after\n") and "old" not in readme
    assert "(notebooks/02_language.ipynb)" in readme


def test_a_changed_result_makes_them_stale(tmp_path):
    root = small_book(tmp_path)
    includes.update(root, write=True)
    path = root / "results/language/cpu-tinystories/metrics.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("4.1", "4.3"), encoding="utf-8")
    assert [stale.name for stale in includes.update(root, write=False)] == [
        "headline-language.png",
        "headline.md",
        "scorecard.md",
        "README.md",
    ]
