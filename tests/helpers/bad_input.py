"""Command lines that a person can get wrong: whatever the value, the answer is one line and 2."""

from __future__ import annotations

import re

# (words, option): the option's value is the bad one; nothing here may begin to work
NUMBERS = (
    (["run", "linear", "--run-dir", "{tmp}/run"], "--seed"),
    (["run", "linear", "--run-dir", "{tmp}/run"], "--checkpoint-s"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--jobs"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--seeds"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--shard"),
    (["estimate", "linear"], "--items"),
    (["grid", "--out", "{tmp}/grid"], "--seed"),
    (["grid", "--out", "{tmp}/grid"], "--repeats"),
    (["convert", "{tmp}", "{tmp}/x.sdf.gz"], "--conformers"),
)
TEXTS = (
    (["run", "linear", "--run-dir", "{tmp}/run"], "--preset"),
    (["run", "linear", "--run-dir", "{tmp}/run"], "--regime"),
    (["run", "linear", "--run-dir", "{tmp}/run"], "--set"),
    (["run", "linear", "--run-dir", "{tmp}/run"], "--arg"),
    (["run", "language", "--run-dir", "{tmp}/run"], "--data"),
    (["run", "images", "--run-dir", "{tmp}/run"], "--data"),
    (["run", "molecules", "--run-dir", "{tmp}/run"], "--data"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--regimes"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--vary"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--engine"),
    (["sweep", "linear", "--out", "{tmp}/out", "--list"], "--notebook"),
    (["sweep", "--out", "{tmp}/out", "--list"], "--plan"),
    (["compare", "{tmp}"], "--results"),
    (["nothing"], "--x"),
)
PATHS = (["status"], ["collect", "--into", "{tmp}/results"], ["compare"])
HOSTILE = (
    "",
    " ",
    "²",
    "１",
    "-1",
    "1e3",
    "1_0",
    "0x10",
    "1-",
    "0-3000000000",
    "3-1",
    "9" * 5000,
    "nan",
    "inf",
    "1.5",
    "\x1b[2J",
    "a\nb",
    "\udc80",
    "x" * 300,
    "../../x",
    "=",
    "=1",
    "iterations",
    "iterations=",
    "iterations=٣",
    "iterations=1_0",
    "iterations=9" + "9" * 30,
    "d=1e400",
    "iterations=nan",
)
FINE = re.compile(
    r"[0-9]{1,19}|[0-9]{1,18}-[0-9]{1,18}|[0-9,\- ]*|[0-9]+/[0-9]+|smoke|cpu|colab|paper|replace|"
    r"accumulate|accumulate_subsample|replace_multiple|all|local|ray|linear|.*[./].*",
    re.DOTALL,
)


def commands(tmp: str, value: str, numbers: bool):
    """Every command line with ``value`` in the place of an option's own."""
    for words, option in NUMBERS if numbers else TEXTS:
        if value or option not in ("--results", "--notebook"):  # whose empty value has a meaning
            yield [*(word.replace("{tmp}", tmp) for word in words), f"{option}={value}"]
