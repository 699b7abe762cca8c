"""Running out of memory: a step is split into smaller parts, or an error names the setting.

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


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an error says that the memory of the machine or of its accelerator is used up."""
    text = str(problem).lower()
    messages = (
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "cannot allocate memory",
    )
    return isinstance(problem, MemoryError) or (
        isinstance(problem, RuntimeError) and any(part in text for part in messages)
    )


@contextlib.contextmanager
def explained(config: Config, phase: str) -> Iterator[None]:
    """Turns running out of memory into a RunError that names the field to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if isinstance(problem, RunError) or not is_out_of_memory(problem):
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
    forward : makes the context of a forward pass.
    scale : what is multiplied into a loss before its gradients are taken.
    """

    def __init__(
        self,
        loss_of: Callable[[Any, Any], Any],
        split: Split | None,
        parts: int = 1,
        forward: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
        scale: Callable[[Any], Any] = lambda loss: loss,
    ):
        self.loss_of, self.split, self.parts = loss_of, split, parts
        self.forward, self.scale = forward, scale

    def __call__(self, model: Any, batch: Any) -> Any:
        """The loss, detached; gradients are added to those of the parameters."""
        while True:
            try:
                return self._step(model, batch)
            except (RuntimeError, MemoryError) as problem:
                finer = self._more_parts(batch) if is_out_of_memory(problem) else None
                if finer is None:
                    raise
            # Out here the error is gone, and with it the activations that its traceback held.
            model.zero_grad(set_to_none=True)
            _free_cached_memory()
            self.parts = finer
            files.warn(
                f"out of memory; a step of training is now taken in {finer} parts (lower "
                "batch_size to avoid it)"
            )

    def _step(self, model: Any, batch: Any) -> Any:
        if self.parts == 1:
            return self._backward(model, batch, 1.0)
        total = 0.0
        for part, share in self.split(batch, self.parts):
            total = total + self._backward(model, part, share)
        return total

    def _backward(self, model: Any, batch: Any, share: float) -> Any:
        with self.forward():
            loss = self.loss_of(model, batch)
        if loss.element_size() < 4:  # the mean of losses in half precision
            loss = loss.float()
        if share != 1.0:
            loss = loss * share
        self.scale(loss).backward()
        return loss.detach()

    def _more_parts(self, batch: Any) -> int | None:
        if self.split is None:
            return None
        now, finer = (len(self.split(batch, count)) for count in (self.parts, 2 * self.parts))
        return 2 * self.parts if finer > now else None


def _free_cached_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
