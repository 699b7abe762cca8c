"""The live table of a sweep: chains done, what each running chain does, why one failed.

In a terminal: a bar for the sweep and one for every chain that runs.  In a notebook: one output
that is replaced as a whole, and that keeps one line for each chain.  Where standard error is a file
or a pipe: one line whenever a chain ends.
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
REDRAW_S = 1.0  # seconds between two states of a notebook's output


class Named(Protocol):
    """A chain as it is shown: a :class:`~collapse_utils.sweeps.jobs.Job`, or a chain that runs in
    this process.
    """

    label: str
    regime: str


def _kernel() -> bool:
    """Whether this is the process of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _terminal() -> bool:
    return sys.stderr.isatty()


class Page:
    """The output of a notebook's cell: one line for the sweep and one for each chain, replaced as a
    whole.
    """

    def __init__(self, head: str):
        self.lines = {"": head}
        self._handle: Any = None
        self._drawn = 0.0

    def line(self, name: str, text: str) -> None:
        """Set a chain's line, and show it if the last state is a second old."""
        self.lines[name] = text
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
    """Shows ``jobs``; ``done`` of them were done before the sweep began."""

    def __init__(self, jobs: Sequence[Named], quiet: bool, done: int = 0):
        self.page = Page("") if not quiet and _kernel() else None
        self.quiet, self.bars = quiet, not quiet and self.page is None and _terminal()
        self.total, self.done, self.failed, self.running = len(jobs), done, 0, 0
        self.chains: dict[Named, tqdm] = {}
        self.all = None
        if self.bars:
            self.all = tqdm(
                total=len(jobs),
                initial=done,
                desc="chains done",
                bar_format=SWEEP,
                position=0,
                file=sys.stderr,
            )
        self._sum()

    def started(self, job: Named) -> None:
        self.running += 1
        self._sum()

    def update(self, job: Named, state: dict | None = None) -> None:
        """Show what a running chain does: ``state``, or what its folder says."""
        if not self.bars and self.page is None:
            return
        state = state or progress.read(job.run_dir)
        if not state:
            return
        if self.page is not None:
            done = f"{progress.iterations_done(state):.1f} of {state['iterations']}"
            about = progress.describe(state, job.regime)
            self.page.line(job.label, f"{job.label}: {done} fits; {about}")
            return
        if job not in self.chains:
            used = {bar.pos for bar in self.chains.values()}
            line = next(position for position in itertools.count(1) if -position not in used)
            self.chains[job] = tqdm(
                total=state["iterations"],
                desc=job.label,
                position=line,
                leave=False,
                bar_format=CHAIN,
                file=sys.stderr,
            )
        bar = self.chains[job]
        bar.n = progress.iterations_done(state)
        bar.set_postfix_str(progress.describe(state, job.regime), refresh=False)
        bar.refresh()

    def again(self, job: Named) -> None:
        """A job that had started waits again: another process has its run directory."""
        self.running -= 1
        self._close(job)
        if self.page is not None:
            self.page.line(job.label, f"waiting: {job.label}")
        self._sum()

    def ended(self, job: Named, failed: bool, *, ran: bool = True) -> None:
        """A chain has ended; the last line of one that failed stays on the screen."""
        self.running -= ran
        self.failed += failed
        self.done += not failed
        self._close(job)
        if self.all is not None:
            self.all.update(not failed)
        self._sum()
        text = (
            f"failed: {job.label}: {progress.last_line(job.log)}"
            if failed
            else f"done: {job.label}"
        )
        if self.page is not None:
            self.page.line(job.label, text)
        elif failed:
            self._print(text)
        elif not self.bars:
            self._print(f"{text} ({self.done} of {self.total})")

    def _print(self, line: str) -> None:
        if self.bars:
            tqdm.write(line, file=sys.stderr)
        elif not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def _sum(self) -> None:
        failed = f", {self.failed} failed" if self.failed else ""
        if self.page is not None:
            running = f", {self.running} running" if self.running else ""
            self.page.line("", f"{self.done} of {self.total} chains are done{running}{failed}")
        if self.all is not None:
            self.all.set_postfix_str(f"{self.running} running{failed}")

    def _close(self, job: Named) -> None:
        if job in self.chains:
            self.chains.pop(job).close()

    def close(self) -> None:
        for bar in self.chains.values():
            bar.close()
        if self.all is not None:
            self.all.close()
        if self.page is not None:
            self.page.draw()
