"""What the project installs: the bounds, the lock, the conda environment, the build of PyTorch."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED_EXTRAS = ("book", "test", "browser")  # `make cluster` adds Ray to them
ASKED_FOR = {  # the packages that the book is built with
    "jupyter-book",
    "papermill",
    "pytorch",
    "transformers",
    "datasets",
    "matplotlib",
    "seaborn",
    "nbval",
}
# PyTorch's build with CUDA pins its own libraries
OF_TORCH = re.compile(r"nvidia-.*|cuda-.*|triton")
LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
PYTHONS = [
    name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)
]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def lock() -> dict[str, str]:
    """The lock's versions by canonical name."""
    lines = [line for line in read("requirements.lock").splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def requirements() -> list[Requirement]:
    """What the package and the extras of the lock require."""
    texts = [*PROJECT["dependencies"], *(need for extra in LOCKED_EXTRAS for need in EXTRAS[extra])]
    return [Requirement(text) for text in texts]


def required(python: str) -> set[str]:
    """The canonical names of all that this Python needs on Linux, by installed metadata."""
    place = {**LINUX, "python_version": python, "python_full_version": f"{python}.0"}
    names: set[str] = set()
    seen: set[tuple[str, frozenset]] = set()
    queue = [(need, frozenset()) for need in requirements()]
    while queue:
        need, extras = queue.pop()
        asked = [{**place, "extra": extra} for extra in (extras or {""})]
        if need.marker and not any(map(need.marker.evaluate, asked)):
            continue
        key = (canonicalize_name(need.name), frozenset(need.extras))
        if key in seen or OF_TORCH.fullmatch(key[0]):
            continue
        seen.add(key)
        names.add(key[0])
        try:
            texts = metadata.requires(need.name) or []
        except metadata.PackageNotFoundError:
            continue  # then it is named as missing in the lock, or another line of the lock is
        queue += [(Requirement(text), key[1]) for text in texts]
    return names


@pytest.fixture(scope="module")
def needed():
    """The same for every supported Python, where the lock's versions are the installed ones."""
    for name, version in lock().items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "nothing"
        if installed.partition("+")[0] != version:
            pytest.skip(
                f"not an environment of the lock: it pins {name} {version}, not {installed}"
            )
    return set().union(*map(required, PYTHONS))


def test_every_line_of_the_lock_is_needed_by_an_extra(needed):
    assert not set(lock()) - needed


def test_every_dependency_of_every_extra_is_in_the_lock(needed):
    assert not needed - set(lock())


def test_the_lock_satisfies_every_bound():
    pins = lock()
    for need in requirements():
        assert need.specifier.contains(pins[canonicalize_name(need.name)]), need


def test_colabs_versions_satisfy_every_bound_of_the_package():
    first, *lines = read("constraints-colab.txt").splitlines()
    assert re.search(r"in (\w+) 20\d\d", first), "the date of the versions"
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pins["torch"] = re.search(r"^COLAB_TORCH \?= torch==(.*)$", read("Makefile"), re.M)[1]
    needs = {
        canonicalize_name(need.name): need for need in map(Requirement, PROJECT["dependencies"])
    }
    known = needs.keys() & {canonicalize_name(name) for name in pins}
    assert len(known) >= 11
    for name in known:
        assert needs[name].specifier.contains(pins[name]), needs[name]


def test_the_lock_is_sorted_pins_releases_and_says_nothing_twice():
    lines = [line for line in read("requirements.lock").splitlines() if not line.startswith("#")]
    names = [line.split("==")[0].lower() for line in lines]
    assert names == sorted(names) and len(lock()) == len(names)
    assert "+" not in "".join(lines), "a local build cannot be had elsewhere"
    assert "collapse-utils" not in lock()


def test_the_makefile_and_the_workflows_install_the_locked_torch():
    pin = f"torch=={lock()['torch']}"
    assert f"TORCH ?= {pin}" in read("Makefile")
    assert f"--editable '.[{','.join(LOCKED_EXTRAS)}]'" in read("Makefile")
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        pins = re.findall(r"torch==[\d.]+\d", path.read_text(encoding="utf-8"))
        assert set(pins) <= {pin}, path


def test_every_dependency_has_a_lower_bound_and_the_package_no_upper_one():
    """`make lowest` installs the lower bounds; only pythonbible has an upper one."""
    for need in [*requirements(), *map(Requirement, EXTRAS["cluster"])]:
        assert ">=" in str(need.specifier), need
    signs = {
        n.name: {s.operator for s in n.specifier} for n in map(Requirement, PROJECT["dependencies"])
    }
    assert {name for name, used in signs.items() if used != {">="}} == {"pythonbible"}


def test_the_conda_environment_has_the_bounds_of_pyproject():
    *conda, pip = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert pip == {"pip": [f"--editable .[{','.join(LOCKED_EXTRAS)}]"]}
    bounds = {canonicalize_name(need.name): need.specifier for need in requirements()}
    bounds["python"] = Requirement(f"python{PROJECT['requires-python']}").specifier
    named = {need.partition(" ")[0] for need in conda}
    assert named >= ASKED_FOR
    assert named - {"make", "pip", "jupyterlab"} <= {*bounds, "pytorch"}
    for need in conda:
        name, _, bound = need.replace("pytorch", "torch").partition(" ")
        if name in bounds:
            assert Requirement(name + bound).specifier == bounds[name], need


def test_where_packages_come_from_is_left_to_pip():
    """The address of pip's default index is written nowhere, so that a mirror is used."""
    address = "pypi" + ".org"
    folders = ("book", "notebooks", "collapse_utils", "tests", "benchmarks", ".github", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    texts = {".py", ".md", ".yml", ".toml", ".lock", ".ipynb", ".sbatch", ".cff", ".json", ""}
    named = [p for p in files if p.suffix in texts and address in p.read_text("utf-8", "ignore")]
    assert not named
