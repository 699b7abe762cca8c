"""Running out of memory: a training step that does not fit is taken in smaller parts, and the rest
is told by its field.

The gradient of a mean over a batch is the weighted sum of the gradients over its parts, so a step
in parts is the same step up to rounding (with dropout it draws other masks).  A model whose layers
mix the items of a batch, such as one with BatchNorm, cannot be taken apart so; it gives no
``split``.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

from ..durable import files
from ..errors import RunError
from ..presets import Config

# fields that memory follows
LOWER = {"fit": "batch_size", "sample": "sample_batch", "evaluate": "sample_batch"}

Split = Callable[[Any, int], list[tuple[Any, float]]]


def ran_out(problem: BaseException) -> bool:
    """Whether an error says that the memory of the machine or of its accelerator is used up."""
    text = str(problem).lower()
    told = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(problem, MemoryError) or (
        isinstance(problem, RuntimeError) and any(part in text for part in told)
    )


@contextlib.contextmanager
def told(config: Config, phase: str) -> Iterator[None]:
    """Turns running out of memory into a RunError that names the field to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if isinstance(problem, RunError) or not ran_out(problem):
            raise
        field = LOWER[phase]
        now = getattr(config, field, None)
        advice = (
            "choose a smaller configuration"
            if now is None
            else f"lower {field} (now {now}): --set {field}=..."
        )
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise RunError(f"{phase}: out of memory; {advice} ({reason[:200]})") from problem


class Gradients:
    """The loss of a batch with its gradients, in as many parts as memory asks for.

    Parameters
    ----------
    loss_of : mean loss of a batch, a scalar tensor.
    split : (batch, n) -> at most n smaller batches, each with its share in the mean loss; None
        where that is not possible.
    parts : how many parts to begin with.
    """

    def __init__(self, loss_of: Callable[[Any, Any], Any], split: Split | None, parts: int = 1):
        self.loss_of, self.split, self.parts = loss_of, split, parts

    def __call__(self, model: Any, batch: Any) -> Any:
        """The loss, detached; the gradients are added to those of the parameters, which must be
        clear.
        """
        while True:
            try:
                return self._step(model, batch)
            except (RuntimeError, MemoryError) as problem:
                finer = self._finer(batch) if ran_out(problem) else None
                if finer is None:
                    raise
            # Out here the error is gone, and with it the activations that its traceback held.
            model.zero_grad(set_to_none=True)
            _give_back()
            self.parts = finer
            files.warn(
                f"out of memory; a step of training is now taken in {finer} parts (lower "
                "batch_size to avoid it)"
            )

    def _step(self, model: Any, batch: Any) -> Any:
        if self.parts == 1:
            loss = self.loss_of(model, batch)
            loss.backward()
            return loss.detach()
        total = 0.0
        for part, share in self.split(batch, self.parts):
            loss = self.loss_of(model, part) * share
            loss.backward()
            total = total + loss.detach()
        return total

    def _finer(self, batch: Any) -> int | None:
        if self.split is None:
            return None
        now, finer = (len(self.split(batch, count)) for count in (self.parts, 2 * self.parts))
        return 2 * self.parts if finer > now else None


def _give_back() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
