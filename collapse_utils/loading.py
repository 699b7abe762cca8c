"""A reader's own model: loaded by name, constructed, and adapted to the chain's kinds of data.

On the command line an own model replaces the name of a section, as ``path/to/file.py:Class`` or
``package.module:Class``.  Its data may be NumPy arrays, torch tensors, Hugging Face data sets or
lists of texts.  The chain stores arrays and data sets; the model always gets its own kind of data.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import InputError, named_values
from .presets import Config, setting

if TYPE_CHECKING:
    from .data import Data

_FROM_FILES: set[str] = set()  # names of the modules that were loaded from path/to/file.py
PRESET = "own"  # the preset and the data source of an own model, as they appear in the results


@dataclass(frozen=True)
class OwnConfig(Config):
    """The configuration of an own model; ``model`` changes whenever the model's code does."""

    model: str = setting(
        "", "the section's class, with a digest of its source and its plain attributes"
    )


def is_own(name: str) -> bool:
    """Whether ``name`` is an own model, ``file.py:Class`` or ``package.module:Class``."""
    return ":" in name


@functools.cache
def model_class(spec: str) -> type:
    """The class that ``spec`` names; InputError names the part that was not found."""
    location, _, name = spec.rpartition(":")
    from_file = location.endswith(".py")
    module = _file_module(Path(location)) if from_file else _package_module(spec, location)
    attribute = getattr(module, name, None)
    if not inspect.isclass(attribute):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise InputError(
            "model", spec, f"a class of {location}: {', '.join(classes) or 'it defines none'}"
        )
    return attribute


def _file_module(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise InputError("model", str(path), "a Python file that exists, as path/to/file.py:Class")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # so that it can import its neighbours
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # so that inspect and pickle find its classes
    _FROM_FILES.add(path.stem)
    specification.loader.exec_module(module)
    return module


def _package_module(spec: str, name: str) -> ModuleType:
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise InputError("model", spec, "path/to/file.py:Class or package.module:Class")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise InputError("model", spec, f"a module that can be imported ({missing})") from None


def section_name(spec: str) -> str:
    """The name of an own model in results: its attribute ``NAME``, or its class in snake case."""
    model = model_class(spec)
    return getattr(model, "NAME", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower())


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """``["bandwidth=0.3", "kernel=gaussian"]`` as keyword arguments.

    A value that is a Python literal is evaluated; any other value is a text.
    """
    arguments: dict[str, Any] = named_values("--arg", texts)
    for name, value in arguments.items():
        if not name.isidentifier():
            raise InputError("--arg", name, "the name of an argument, as in NAME=VALUE")
        with contextlib.suppress(ValueError, SyntaxError):
            arguments[name] = ast.literal_eval(value)
    return arguments


def construct(spec: str, arguments: Iterable[str] = ()) -> Any:
    """An object of the class; InputError if its constructor does not take the ``arguments``."""
    model, keywords = model_class(spec), parse_arguments(arguments)
    try:
        inspect.signature(model).bind(**keywords)
    except TypeError as problem:
        raise InputError(
            "--arg", ", ".join(keywords) or "nothing", f"{model.__name__}(...): {problem}"
        ) from None
    return model(**keywords)


def identity(section: object) -> str:
    """The name of a section's class with a digest of its source code and its plain attributes.

    Plain attributes are numbers, texts and tuples.  The source of a class that was loaded from a
    file is the whole file, because its network and helper functions are part of the model.
    """
    model = type(section)
    module = sys.modules[model.__module__] if model.__module__ in _FROM_FILES else None
    try:
        source = inspect.getsource(module or model)
    except (OSError, TypeError):  # a class that was typed at a prompt has no source
        source = model.__qualname__
    plain = {
        name: value
        for name, value in vars(section).items()
        if isinstance(value, (int, float, str, bool, tuple))
    }
    digest = hashlib.sha256(f"{source}{sorted(plain.items())}".encode()).hexdigest()
    return f"{model.__name__}-{digest[:12]}"


Convert = Callable[[Any], Any]
KINDS = "a NumPy array, a torch tensor, a Hugging Face data set, or a list of texts (not empty)"


def _unchanged(items: Any) -> Any:
    return items


def _stored_tensor(tensor: Any) -> Data:
    try:
        return tensor.detach().cpu().numpy()
    except TypeError:
        raise InputError(
            "data", f"a tensor of {tensor.dtype}", "a type that NumPy has, such as float32"
        ) from None


def _tensor(items: Any) -> Any:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(items))  # a copy, because the mapped file is read-only


def _stored_texts(texts: list[str]) -> Any:
    from .data import arrow

    return arrow().Dataset.from_dict({"text": list(texts)})


def _texts(items: Any) -> list[str]:
    return list(items["text"])


def conversion(items: object, where: str) -> tuple[Convert, Convert]:
    """Two functions: from the kind of ``items`` to the chain's kind of data, and back.

    InputError, with the field ``where``, for a kind that the chain cannot store.
    """
    import numpy as np

    if isinstance(items, np.ndarray) or hasattr(items, "features"):
        return _unchanged, _unchanged
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(items, torch.Tensor):
        return _stored_tensor, _tensor
    if isinstance(items, (list, tuple)) and items and all(isinstance(text, str) for text in items):
        return _stored_texts, _texts
    raise InputError(where, type(items).__name__, KINDS)


class Adapted:
    """An own model as a section of the chain, whose data are arrays or Hugging Face data sets."""

    def __init__(self, section: Any):
        self.section = section
        self._back: Convert = _unchanged

    def __getattr__(self, name: str) -> Any:  # preview, notes and other optional attributes
        return getattr(self.section, name)

    def real_data(self) -> tuple[Data, Data]:
        pair = self.section.real_data()
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError("real_data", type(pair).__name__, "two data sets: (train, test)")
        for name, part in zip(("train", "test"), pair, strict=True):
            if not hasattr(part, "__len__"):
                allowed = f"{KINDS}; turn a generator or other iterator into one of them"
                raise InputError(f"real_data, {name}", type(part).__name__, allowed)
            if len(part) == 0:
                raise InputError(f"real_data, {name}", "no item", "at least one item")
        store, self._back = conversion(pair[0], "real_data")
        return tuple(store(part) for part in pair)

    def fit(self, training_data: Any, seed: int, checkpoint: Any) -> Any:
        return self.section.fit(self._back(training_data), seed, checkpoint)

    def sample(self, model: Any, size: int, seed: int, *kept: Any) -> Data:
        items = self.section.sample(model, size, seed, *kept)
        store, _ = conversion(items, "sample")
        return store(items)

    def evaluate(self, model: Any, real_test: Data) -> dict[str, float]:
        return self.section.evaluate(model, self._back(real_test))
