"""The live table of a sweep: chains done, what each running chain does, why one failed.

In a terminal and in a notebook: a bar for the sweep and one for every chain that runs.  Where
standard error is a file or a pipe: one line whenever a chain ends.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Sequence

from ..durable import progress
from .jobs import Job

with warnings.catch_warnings():
    # without ipywidgets a notebook gets text bars, which is all the warning says
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

CHAIN = "{desc} {bar} {n:.1f}/{total}{postfix}"
SWEEP = "{desc} {bar} {n}/{total} [{elapsed}{postfix}]"


def _draws() -> bool:
    """Whether bars can be redrawn where standard error goes."""
    ipython = sys.modules.get("IPython")
    return sys.stderr.isatty() or (ipython is not None and ipython.get_ipython() is not None)


class Live:
    """Shows ``jobs``; ``done`` of them were done before the sweep began."""

    def __init__(self, jobs: Sequence[Job], quiet: bool, done: int = 0):
        self.quiet, self.bars = quiet, not quiet and _draws()
        self.total, self.done, self.failed, self.running = len(jobs), done, 0, 0
        self.chains: dict[Job, tqdm] = {}
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

    def started(self, job: Job) -> None:
        self.running += 1
        self._sum()

    def update(self, job: Job, state: dict | None = None) -> None:
        """Show what a running chain does: ``state``, or what stands in its folder."""
        if not self.bars:
            return
        state = state or progress.read(job.run_dir)
        if not state:
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
        bar.n = progress.fraction(state)
        bar.set_postfix_str(progress.describe(state, job.regime), refresh=False)
        bar.refresh()

    def again(self, job: Job) -> None:
        """A job that had started waits again: another process has its run directory."""
        self.running -= 1
        self._close(job)
        self._sum()

    def ended(self, job: Job, failed: bool, *, ran: bool = True) -> None:
        """A chain has ended; the last line of one that failed stays on the screen."""
        self.running -= ran
        self.failed += failed
        self.done += not failed
        self._close(job)
        if self.all is not None:
            self.all.update(not failed)
            self._sum()
        if failed:
            self._print(f"failed: {job.label}: {progress.last_line(job.log)}")
        elif not self.bars:
            self._print(f"done: {job.label} ({self.done} of {self.total})")

    def _print(self, line: str) -> None:
        if self.bars:
            tqdm.write(line, file=sys.stderr)
        elif not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def _sum(self) -> None:
        if self.all is not None:
            failed = f", {self.failed} failed" if self.failed else ""
            self.all.set_postfix_str(f"{self.running} running{failed}")

    def _close(self, job: Job) -> None:
        if job in self.chains:
            self.chains.pop(job).close()

    def close(self) -> None:
        for bar in self.chains.values():
            bar.close()
        if self.all is not None:
            self.all.close()
