"""Two own models to copy, one in NumPy and one in torch; ``collapse new FILE.py`` writes one."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, one_of

KINDS = ("numpy", "torch")


def source(kind: str) -> str:
    """The text of a template; InputError lists the kinds."""
    one_of("--template", kind, KINDS)
    return Path(__file__).with_name(f"{kind}_model.py").read_text(encoding="utf-8")


def write(path: Path, kind: str = KINDS[0]) -> None:
    """Write a template to ``path``; InputError if it exists or cannot be the name of a module."""
    text = source(kind)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise InputError("FILE", str(path), "a name such as my_model.py")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError("FILE", str(path), "a new file; this one exists") from None
    except OSError as problem:
        raise InputError(
            "FILE", str(path), f"a file that can be written ({problem.strerror})"
        ) from None
