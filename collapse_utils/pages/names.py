"""Titles of data and results for readers; their names in the code are short."""

from __future__ import annotations

from ..evidence.claims import Page

DATA = {  # data sources
    "bible": "Bible in Basic English",
    "tinystories": "TinyStories",
    "orl": "ORL faces",
    "celeba": "CelebA faces",
    "celeba_89x109": "CelebA faces",
    "rdkit": "EGFR and CDK2 inhibitors",
    "conformers": "drug-like molecules",
    "simulation": "simulation",
    "geom_drugs": "GEOM-Drugs",
}
PROTOCOLS = {"trained": "trained out", "cpu": "one epoch"}  # presets of the language models
# results of the smallest networks: long chains, or chains with a share of real faces
SMALL = ("smoke-orl", "smoke-rdkit", "smoke-tinystories")


def results_name(page: Page, name: str) -> str:
    """The title of results such as ``cpu-tinystories``: their data, and the protocol if needed."""
    preset, _, source = name.partition("-")
    if page.section == "own_model":
        return DATA["orl"]
    if name in SMALL:
        return f"{DATA[source]}, {6 if page.section == 'mixing' else 50} fits"
    if not source:
        return "the paper's grid"
    same = [other for other in page.results if other.partition("-")[2] == source]
    several = len([other for other in same if other not in SMALL]) > 1
    return DATA.get(source, source) + (f", {PROTOCOLS.get(preset, preset)}" if several else "")
