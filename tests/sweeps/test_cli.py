"""The command line: what a person types, and what they are told."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tiny import settings

from collapse_utils.__main__ import main

TINY = {
    "stories": 40,
    "test_stories": 8,
    "validation_stories": 4,
    "vocabulary": 300,
    "max_length": 24,
    "passage_words": 12,
    "hidden": 16,
    "heads": 2,
    "ffn": 16,
    "evaluation_stories": 8,
}


def tiny(**changes):
    """The options of a tiny language chain."""
    return settings(**TINY | changes)


def story_file(tmp_path, lines):
    path = tmp_path / "stories.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)


BAD = [
    (["run", "languages"], "section", "one of linear, language"),
    (["run", "language", "--preset", "tiny"], "preset", "one of smoke, cpu, trained, scale"),
    (["run", "language", "--regime", "acumulate"], "regime", "one of replace, accumulate"),
    (["run", "language", "--seed", "1.5"], "--seed", "an integer >= 0"),
    (["run", "language", "--seed", "-1"], "--seed", "an integer >= 0"),
    (["run", "language", "--set", "temprature=1"], "--set", "a field of this section"),
    (["run", "language", "--set", "temperature"], "--set", "field=value"),
    (["run", "language", "--set", "temperature=0"], "temperature", "a number > 0"),
    (["run", "language", "--set", "temperature=-0.3"], "temperature", "a number > 0"),
    (["run", "language", "--set", "temperature=nan"], "temperature", "a number > 0"),
    (["run", "language", "--set", "temperature=__import__('os')"], "temperature", "a number > 0"),
    (["run", "language", "--set", "layers=2.5"], "layers", "an integer >= 1"),
    (["run", "language", "--set", "iterations=0"], "iterations", "an integer >= 1"),
    (["run", "language", "--set", "architecture=rnn"], "architecture", "one of llama, gpt2"),
    (["run", "language", "--set", "hidden=30"], "hidden", "a multiple of 2 x heads"),
    (["run", "language", "--set", "dropout=0.1"], "dropout", "0 with architecture=llama"),
    (["run", "language", "--set", "vocabulary=70000"], "vocabulary", "<= 65536"),
    (["run", "language", "--set", "vocabulary=60000"], "vocabulary", "at most"),
    (["run", "language", "--set", "stories=1000000"], "stories", "at most"),
    (["run", "language", "--set", "stories=2"], "stories", "at least one batch of 8"),
    (["run", "language", "--data", "shakespeare"], "--data", "one of bible, tinystories"),
    (["run", "language", "--data", "tinystories"], "--data", "COLLAPSE_DATA=DIR"),
    (["run", "language", "--checkpoint-s", "soon"], "--checkpoint-s", "an integer >= 0"),
    (["run", "linear", "--set", "T=17"], "T", "18"),
    (["run", "linear", "--set", "sigma2=0"], "sigma2", "a number > 0"),
    (["sweep", "language", "--seeds", "0-x"], "--seeds", "integers >= 0 and ranges"),
    (["sweep", "language", "--seeds", "4-1"], "--seeds", "integers >= 0 and ranges"),
    (["sweep", "language", "--regimes", "all,none"], "regime", "one of"),
    (["sweep", "language", "--vary", "temperature"], "--vary", "field=value"),
    (["sweep", "language", "--vary", "temperature=1,hot"], "temperature", "a number > 0"),
    (["sweep", "all", "--data", "bible"], "--data", "one section"),
    (["sweep", "language", "--jobs", "0"], "--jobs", "an integer >= 1"),
    (["estimate", "language", "--items", "0"], "--items", "an integer >= 1"),
    (["estimate", "language", "--regime", "none"], "regime", "one of"),
    (["status", "nowhere"], "DIR", "a run directory"),
    (["collect", "nowhere", "--into", "results"], "DIR", "a folder with runs"),
    (["train"], "command line", "--help"),
    (["run", "language", "--sed", "1"], "command line", "collapse_utils --help"),
]


@pytest.mark.parametrize("arguments, field, allowed", BAD, ids=[" ".join(case[0]) for case in BAD])
def test_bad_input_is_one_line_and_changes_nothing(
    tmp_path, monkeypatch, capsys, arguments, field, allowed
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLLAPSE_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if arguments[0] == "run":
        arguments = [*arguments, "--run-dir", "run"]
    if arguments[0] == "sweep":
        arguments = [*arguments, "--out", "runs"]
    assert main(arguments) == 2
    output = capsys.readouterr().err.strip()
    assert output.count("\n") == 0, output
    assert output.startswith(f"error: {field}: got ") and allowed in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "lines, output",
    [
        ([b'{"text": "\xff\xfe"}'], "stories.jsonl, line 1'; allowed: UTF-8 text"),
        ([b'{"text": "fine"}', b'{"txt": "?"}'], 'line 2\'; allowed: {"text": "..."}'),
        ([b'{"text": 3}'], 'line 1\'; allowed: {"text": "..."} with a string'),
        ([b"once upon a time"], 'line 1\'; allowed: {"text": "..."}'),
        ([b'{"text": "  "}', b""], "at least one story that is not empty"),
        ([b'{"text": "one story"}'] * 500, "different stories or more"),
    ],
)
def test_bad_stories_are_named_by_line(tmp_path, capsys, monkeypatch, lines, output):
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    data = story_file(tmp_path, lines)
    assert (
        main(["run", "language", *tiny(), "--data", data, "--run-dir", str(tmp_path / "run")]) == 2
    )
    assert output in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".arrow"] == []


def test_a_data_folder_without_the_expected_files(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    assert (
        main(
            [
                "run",
                "language",
                "--data",
                str(tmp_path / "data"),
                "--run-dir",
                str(tmp_path / "run"),
            ]
        )
        == 2
    )
    assert "tinystories.jsonl or data/train-*.parquet" in capsys.readouterr().err


def test_run_status_sweep_collect(tmp_path, capsys, monkeypatch):
    """The commands on a tiny language chain, from training to a committed table."""
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "runs"
    arguments = [
        "sweep",
        "language",
        *tiny(),
        "--set",
        "iterations=2",
        "--seeds",
        "0-1",
        "--regimes",
        "replace,accumulate",
    ]
    assert main([*arguments, "--out", str(out), "--quiet"]) == 0
    assert "4 of 4 chains are done" in capsys.readouterr().out
    assert main(["status", str(out)]) == 0
    output = capsys.readouterr().out
    assert output.count("done     2/2") == 4 and "accumulate seed 1" in output

    assert main(["collect", str(out), "--into", str(tmp_path / "results")]) == 0
    table = next((tmp_path / "results").glob("language/smoke-bible/metrics.csv"))
    first = table.read_text()
    assert main(["collect", str(out), "--into", str(tmp_path / "results")]) == 0
    assert table.read_text() == first  # the same rows twice are not two rows
    assert first.count("cross_entropy") == 8
    assert (table.parent / "curves.csv").exists() and (table.parent / "provenance.json").exists()

    # Alone, in a folder of its own: the same numbers to the last bit as in the sweep.
    alone = [
        "run",
        "language",
        *tiny(),
        "--set",
        "iterations=2",
        "--seed",
        "1",
        "--regime",
        "accumulate",
        "--quiet",
    ]
    environment = {**os.environ, "COLLAPSE_CACHE": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-m", "collapse_utils", *alone, "--run-dir", str(tmp_path / "alone")],
        check=True,
        env=environment,
        capture_output=True,
    )
    swept = next(out.glob("language/*/*/accumulate/seed-1/metrics.csv"))
    assert (tmp_path / "alone" / "metrics.csv").read_bytes() == swept.read_bytes()


def test_a_chain_that_fails_does_not_stop_the_others(tmp_path, capsys):
    blocked = tmp_path / "runs/linear/smoke-gaussian/iterations=2/replace/seed-0"
    blocked.mkdir(parents=True)
    (blocked / "thesis.tex").write_text("years of work")
    assert (
        main(
            [
                "sweep",
                "linear",
                "--seeds",
                "0-1",
                "--regimes",
                "replace",
                "--set",
                "iterations=2",
                "--out",
                str(tmp_path / "runs"),
                "--quiet",
            ]
        )
        == 1
    )
    output = capsys.readouterr()
    assert "1 of 2 chains are done" in output.out
    assert (
        output.err.startswith("failed: linear iterations=2 replace seed 0: error: --run-dir")
        and "thesis.tex" in output.err
    )
    assert (blocked / "thesis.tex").read_text() == "years of work"


def _start(tmp_path, run_dir):
    arguments = ["run", "language", *tiny(iterations=3, stories=400), "--run-dir", str(run_dir)]
    return subprocess.Popen(
        [sys.executable, "-m", "collapse_utils", *arguments, "--quiet"],
        env={**os.environ, "COLLAPSE_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The metrics of the run that nothing stops."""
    folder = tmp_path_factory.mktemp("whole")
    run = _start(folder, folder / "run")
    run.communicate()
    assert run.returncode == 0
    return (folder / "run" / "metrics.csv").read_bytes()


@pytest.mark.parametrize(
    "signum, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_stopped_run_resumes_to_the_same_bits(tmp_path, uninterrupted, signum, status):
    process = _start(tmp_path, tmp_path / "run")
    while process.poll() is None and not (tmp_path / "run" / "progress.json").exists():
        time.sleep(0.01)
    process.send_signal(signum)
    _, output = process.communicate()
    assert process.returncode == status
    assert not (tmp_path / "run" / "DONE").exists()
    if status > 0:
        assert output.strip().splitlines()[-1] == "stopped; run the same command again to resume"
    resumed = _start(tmp_path, tmp_path / "run")
    resumed.communicate()
    assert resumed.returncode == 0
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == uninterrupted


def test_sections_lists_what_there_is(capsys):
    assert main(["sections"]) == 0
    output = capsys.readouterr().out
    assert "language:" in output and "bible (default)" in output and "temperature" in output


def test_estimate_prints_time_memory_and_disk(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    assert main(["estimate", "language", "--preset", "smoke", *tiny()]) == 0
    output = capsys.readouterr().out
    assert all(
        word in output for word in ("time ", "memory", "disk", "fits 400 items and samples 120")
    )
