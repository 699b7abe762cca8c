"""Sphinx extension: the pages ask no other host for anything.

Mathematics is typeset from files inside the built book.  The package sphinx-mathjax-offline brings
MathJax 3, all 24 MB of it.  A page needs the TeX-to-HTML bundle, its fonts and the TeX packages
that are loaded on demand: about 2 MB.  Those are copied to ``_static/mathjax`` after the build.

The theme loads its icons as a script of 1.5 MB on every page, and a second time as fonts.  The
fonts are enough.

Thebe (cells that run in the browser through a remote server) is not offered, so its scripts are
taken out of the pages; Jupyter Book adds them twice, which a browser reports as an error.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from book._tools.build import mathjax_folder

NEEDED = (
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2",
    "output/chtml/fonts/tex.js",
    "input/tex/extensions",
)

ICONS = re.compile(r"\s*<script[^>]*/fontawesome\.js[^>]*></script>")


def copy_mathjax(app, exception) -> None:
    """Copy what a page loads into the built site, unless the build failed or is not HTML."""
    if exception is not None or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for name in NEEDED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        elif (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)


def drop_unread(app, exception) -> None:
    """Remove what no page needs (7 MB): source maps, translations, icons as script and TrueType."""
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(ICONS.sub("", text), encoding="utf-8")
    for kind in ("*.map", "vendor/**/*.ttf", "scripts/fontawesome.js*"):
        for path in Path(app.outdir, "_static").rglob(kind):
            path.unlink()
    shutil.rmtree(Path(app.outdir, "_static", "locales"), ignore_errors=True)


def without_thebe(app, pagename, templatename, context, doctree) -> None:
    """Drop Thebe's scripts from a page."""
    context["script_files"] = [
        script
        for script in context.get("script_files", ())
        if "thebe"
        not in f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', '')}".lower()
    ]


def setup(app):
    mathjax_folder()  # fail at the start of a build, not at its end
    app.connect(
        "config-inited", lambda app, config: setattr(config, "mathjax_path", "mathjax/tex-chtml.js")
    )
    app.connect("html-page-context", without_thebe, priority=900)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", drop_unread, priority=900)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
