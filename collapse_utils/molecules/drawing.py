"""Small pictures of conformations: atoms as shaded discs, closer ones in front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from rdkit import Chem

# by atomic number: Corey, Pauling and Koltun's colours as in common viewers
COLOURS = {
    1: "#ffffff",
    6: "#404040",
    7: "#3050f8",
    8: "#ff0d0d",
    9: "#90e050",
    15: "#ff8000",
    16: "#e6c800",
    17: "#1ff01f",
    35: "#a62929",
    53: "#940094",
}
OTHER_COLOUR = "#ff80c0"
RADII = {1: 0.28, 6: 0.42, 7: 0.42, 8: 0.42}  # of the discs, in angstrom
OTHER_RADIUS = 0.52


def flattest(positions: np.ndarray) -> np.ndarray:
    """Positions rotated so that the picture shows the widest axis across and the next one up."""
    centred = positions - positions.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes *= np.where(axes[np.arange(3), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    return centred @ axes.T


def aligned(positions: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Positions rotated to fit ``reference`` (Kabsch), and mirrored if that fits better."""
    a, b = positions - positions.mean(axis=0), reference - reference.mean(axis=0)
    u, _, v = np.linalg.svd(a.T @ b)
    return a @ (u @ v)


def half_size(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Half the width and half the height of a picture that holds all the positions, in angstrom."""
    return (
        np.max([np.abs(row[:, :2]).max(axis=0) for row in rows if np.isfinite(row).all()], axis=0)
        + 0.8
    )


def draw(ax: Axes, molecule: Chem.Mol, positions: np.ndarray, half: np.ndarray, title: str) -> None:
    """One conformation, positions (atoms, 3), in a picture of ``half`` (width, height)."""
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(title, loc="center", fontsize=10)
    if not np.isfinite(positions).all():
        ax.text(0.5, 0.5, "not finite", ha="center", va="center", transform=ax.transAxes)
        return
    depth = positions[:, 2]
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        style = {"color": "#8a8a8a", "linewidth": 1.6, "zorder": 1 + min(depth[i], depth[j])}
        ax.plot(*positions[[i, j], :2].T, **style)
    for atom, centre in zip(molecule.GetAtoms(), positions, strict=True):
        number = atom.GetAtomicNum()
        style = {
            "facecolor": COLOURS.get(number, OTHER_COLOUR),
            "edgecolor": "#202020",
            "linewidth": 0.6,
        }
        disc = Circle(centre[:2], RADII.get(number, OTHER_RADIUS), zorder=1.01 + centre[2], **style)
        ax.add_patch(disc)
    ax.set_xlim(-half[0], half[0])
    ax.set_ylim(-half[1], half[1])


def draw_row(
    axes: Sequence[Axes], molecule: Chem.Mol, rows: Sequence[np.ndarray], titles: Sequence[str]
) -> None:
    """Conformations of one molecule in a row, rotated to fit the first, at one scale."""
    first = flattest(rows[0])
    rotated = [first] + [aligned(row, first) if np.isfinite(row).all() else row for row in rows[1:]]
    # an exploded sample must not shrink the rest to a dot
    half = np.minimum(half_size(rotated), 2.5 * half_size([first]))
    for ax, coordinates, title in zip(axes, rotated, titles, strict=True):
        draw(ax, molecule, coordinates, half, title)
