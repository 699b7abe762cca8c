"""Runs the command line in child processes that die at a chosen moment.

Started once (the libraries are imported once), it reads a JSON object a line from stdin, forks a
child for each that runs ``collapse_utils.__main__.main``, and answers with a JSON object a line:

    {"argv": [...], "phase": "fit", "event": 1234, "signal": 9}
        the child signals itself in that phase, at that event
    {"argv": [...], "after_s": 0.7, "signal": 9}
        this process signals the child after a time
    {"argv": [...], "count": true}
        nothing is killed; the answer holds the events of every call of every phase
    {"argv": [...]}
        nothing is killed

An event is a call or return of a Python or C function: a moment that is the same in every run.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import tempfile
import time

PHASES: list[str] = []  # the phases the child is in, innermost last
EVENTS: dict[str, list[int]] = {}  # events of every call of a phase so far


@contextlib.contextmanager
def phase(name: str, expected: tuple[str, int] | None, signum: int, count: bool):
    """Count the events of a phase; those of a phase inside it are not its own."""
    EVENTS.setdefault(name, []).append(0)
    PHASES.append(name)

    def event(*_):
        if not PHASES:
            return
        calls = EVENTS[PHASES[-1]]
        calls[-1] += 1
        if expected and PHASES[-1] == expected[0] and sum(calls) == expected[1]:
            os.kill(os.getpid(), signum)

    if count or expected:
        sys.setprofile(event)
    try:
        yield
    finally:
        PHASES.pop()
        if not PHASES:
            sys.setprofile(None)


def instrument(expected: tuple[str, int] | None, signum: int, count: bool) -> None:
    from collapse_utils import sections
    from collapse_utils.durable import checkpoints, store

    def inside(name, function):
        @functools.wraps(function)
        def wrapped(*arguments, **options):
            with phase(name, expected, signum, count):
                return function(*arguments, **options)

        return wrapped

    saving = checkpoints.Checkpoint.saving

    @contextlib.contextmanager
    def watched_saving(self, step):
        with phase("checkpoint", expected, signum, count), saving(self, step) as folder:
            yield folder

    def make(*arguments, **options):
        section, what = original_make(*arguments, **options)
        section.sample = inside("sample", section.sample)
        return section, what

    checkpoints.Checkpoint.saving = watched_saving
    checkpoints.Pieces.save = inside("checkpoint", checkpoints.Pieces.save)
    state = store.RunDirectory
    state._fit, state.metrics = inside("fit", state._fit), inside("evaluate", state.metrics)
    state._write_block, state._write_csv = (
        inside("generation", state._write_block),
        inside("metrics", state._write_csv),
    )
    original_make = inside("prepare", sections.make)
    sections.make = make


def child(request: dict, out: str) -> None:
    """Run one command; the exit status is the command's."""
    with open(out, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["COLLAPSE_CACHE"] = request["cache"]
    expected = (request["phase"], request["event"]) if "phase" in request else None
    count = bool(request.get("count"))
    if expected or count:
        instrument(expected, request.get("signal", signal.SIGKILL), count)
    from collapse_utils.__main__ import main

    status = main(request["argv"])
    if count:
        with open(out + ".events", "w") as file:
            json.dump(EVENTS, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def answer(request: dict, folder: str) -> dict:
    out = os.path.join(folder, "output")
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            child(request, out)
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        os._exit(70)
    if "after_s" in request:
        time.sleep(request["after_s"])
        os.kill(pid, request.get("signal", signal.SIGKILL))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    output = {"status": status, "wall_s": time.monotonic() - started}
    with open(out) as file:
        output["output"] = file.read()[-4000:]
    if request.get("count") and status == 0:
        with open(out + ".events") as file:
            output["events"] = json.load(file)
    return output


def serve() -> None:
    import datasets  # noqa: F401  (imported once, for all children)
    import rdkit.Chem.AllChem  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401

    import collapse_utils.chain
    import collapse_utils.images.section
    import collapse_utils.language.section
    import collapse_utils.linear.section
    import collapse_utils.molecules.section  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line), folder)), flush=True)


if __name__ == "__main__":
    serve()
