"""The live table of a sweep: how many chains are done, the progress of those that run, and why
one failed.

A terminal shows a bar for the sweep and one for every running chain.  A notebook shows one output
with a line for each chain, which is replaced as a whole.  Where standard error is a file or a pipe,
one line is printed whenever a chain ends.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from tqdm import tqdm

from ..durable import progress

CHAIN = "{desc} {bar} {n:.1f}/{total}{postfix}"
SWEEP = "{desc} {bar} {n}/{total} [{elapsed}{postfix}]"
REDRAW_S = 1.0  # least seconds between two updates of a notebook's output


class Shown(Protocol):
    """What is shown as a chain: a :class:`~collapse_utils.sweeps.jobs.Job`, or a chain that runs in
    this process.
    """

    label: str
    regime: str


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _in_terminal() -> bool:
    return sys.stderr.isatty()


class NotebookOutput:
    """The output of a notebook's cell: one line for the sweep and one for each chain."""

    def __init__(self) -> None:
        self.lines = {"": ""}  # label of a chain, or "" for the sweep -> its line
        self._handle: Any = None
        self._drawn = 0.0

    def set(self, label: str, text: str) -> None:
        """Set a line, and show it if the last update was at least ``REDRAW_S`` ago."""
        self.lines[label] = text
        if time.monotonic() - self._drawn >= REDRAW_S:
            self.draw()

    def draw(self) -> None:
        from IPython.display import display

        shown = {"text/plain": "\n".join(self.lines.values())}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
        self._drawn = time.monotonic()


class Live:
    """The live table of ``jobs``, of which ``done`` were done before the sweep began."""

    def __init__(self, jobs: Sequence[Shown], quiet: bool, done: int = 0):
        self.output = NotebookOutput() if not quiet and _in_notebook() else None
        self.quiet = quiet
        self.total, self.done, self.failed, self.running = len(jobs), done, 0, 0
        self.chain_bars: dict[Shown, tqdm] = {}
        self.sweep_bar = None  # in a terminal alone
        if not quiet and self.output is None and _in_terminal():
            self.sweep_bar = tqdm(
                total=len(jobs),
                initial=done,
                desc="chains done",
                bar_format=SWEEP,
                position=0,
                file=sys.stderr,
            )
        self._show_totals()

    def started(self, job: Shown) -> None:
        self.running += 1
        self._show_totals()

    def update(self, job: Shown, state: dict | None = None) -> None:
        """Show the progress of a running chain: ``state``, or what its run directory records."""
        if self.sweep_bar is None and self.output is None:
            return
        state = state or progress.read(job.run_dir)
        if not state:
            return
        if self.output is not None:
            done = f"{progress.iterations_done(state):.1f} of {state['iterations']}"
            about = progress.describe(state, job.regime)
            self.output.set(job.label, f"{job.label}: {done} fits; {about}")
            return
        if job not in self.chain_bars:
            used = {bar.pos for bar in self.chain_bars.values()}
            free = next(position for position in itertools.count(1) if -position not in used)
            self.chain_bars[job] = tqdm(
                total=state["iterations"],
                desc=job.label,
                position=free,
                leave=False,
                bar_format=CHAIN,
                file=sys.stderr,
            )
        bar = self.chain_bars[job]
        bar.n = progress.iterations_done(state)
        bar.set_postfix_str(progress.describe(state, job.regime), refresh=False)
        bar.refresh()

    def requeued(self, job: Shown) -> None:
        """Show that a started job waits again, since another process runs its chain."""
        self.running -= 1
        self._close(job)
        if self.output is not None:
            self.output.set(job.label, f"waiting: {job.label}")
        self._show_totals()

    def ended(self, job: Shown, failed: bool, *, ran: bool = True) -> None:
        """Show that a chain has ended; the reason of a failure stays visible."""
        self.running -= ran
        self.failed += failed
        self.done += not failed
        self._close(job)
        if self.sweep_bar is not None:
            self.sweep_bar.update(not failed)
        self._show_totals()
        text = (
            f"failed: {job.label}: {progress.last_line(job.log)}"
            if failed
            else f"done: {job.label}"
        )
        if self.output is not None:
            self.output.set(job.label, text)
        elif failed:
            self._print(text)
        elif self.sweep_bar is None:
            self._print(f"{text} ({self.done} of {self.total})")

    def _print(self, line: str) -> None:
        if self.sweep_bar is not None:
            tqdm.write(line, file=sys.stderr)
        elif not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def _show_totals(self) -> None:
        failed = f", {self.failed} failed" if self.failed else ""
        if self.output is not None:
            running = f", {self.running} running" if self.running else ""
            self.output.set("", f"{self.done} of {self.total} chains are done{running}{failed}")
        if self.sweep_bar is not None:
            self.sweep_bar.set_postfix_str(f"{self.running} running{failed}")

    def _close(self, job: Shown) -> None:
        if job in self.chain_bars:
            self.chain_bars.pop(job).close()

    def close(self) -> None:
        for bar in self.chain_bars.values():
            bar.close()
        if self.sweep_bar is not None:
            self.sweep_bar.close()
        if self.output is not None:
            self.output.draw()
