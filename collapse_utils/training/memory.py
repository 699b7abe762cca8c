"""Out of memory: a training step is split into smaller parts, or an error names the setting.

The gradient of a mean over a batch is the weighted sum of the gradients over its parts.  A split
step is therefore the same up to rounding, except that dropout draws other masks.  A model whose
layers mix the items of a batch, for example by BatchNorm, cannot be split; it passes no ``split``.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

from ..durable import files
from ..errors import RunError
from ..presets import Config

# for each phase, the field on which its memory depends
FIELD_TO_LOWER = {"fit": "batch_size", "sample": "sample_batch", "evaluate": "sample_batch"}

Split = Callable[[Any, int], list[tuple[Any, float]]]


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an error means that the memory of the machine or its accelerator is used up."""
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
    """Turn running out of memory into a RunError that names the field to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if isinstance(problem, RunError) or not is_out_of_memory(problem):
            raise
        field = FIELD_TO_LOWER[phase]
        now = getattr(config, field, None)
        if now is None:
            advice = "choose a smaller configuration"
        else:
            advice = f"lower {field} (now {now}): --set {field}=..."
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise RunError(f"{phase}: out of memory; {advice} ({reason[:200]})") from problem


class Gradients:
    """Computes the loss of a batch and its gradients, in as many parts as the memory requires.

    Parameters
    ----------
    loss_of : mean loss of a batch, a scalar tensor.
    split : (batch, n) -> at most n smaller batches, each with its weight in the mean loss; None if
        a batch cannot be split.
    forward : returns the context manager of a forward pass.
    scale : applied to the loss before the backward pass.
    """

    def __init__(
        self,
        loss_of: Callable[[Any, Any], Any],
        split: Split | None,
        forward: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
        scale: Callable[[Any], Any] = lambda loss: loss,
    ):
        self.loss_of, self.split = loss_of, split
        self.forward, self.scale = forward, scale
        self.parts = 1

    def __call__(self, model: Any, batch: Any) -> Any:
        """The detached loss; its gradients are added to those of the parameters."""
        while True:
            try:
                return self._step(model, batch)
            except (RuntimeError, MemoryError) as problem:
                parts = self._more_parts(batch) if is_out_of_memory(problem) else None
                if parts is None:
                    raise
            # outside the except block, because the traceback keeps the activations alive
            model.zero_grad(set_to_none=True)
            _free_cached_memory()
            self.parts = parts
            files.warn(
                f"out of memory; a step of training is now taken in {parts} parts (lower "
                "batch_size to avoid it)"
            )

    def _step(self, model: Any, batch: Any) -> Any:
        if self.parts == 1:
            return self._backward(model, batch, 1.0)
        total = 0.0
        for part, weight in self.split(batch, self.parts):
            total = total + self._backward(model, part, weight)
        return total

    def _backward(self, model: Any, batch: Any, weight: float) -> Any:
        with self.forward():
            loss = self.loss_of(model, batch)
        if loss.element_size() < 4:  # a mean of losses in half precision
            loss = loss.float()
        if weight != 1.0:
            loss = loss * weight
        self.scale(loss).backward()
        return loss.detach()

    def _more_parts(self, batch: Any) -> int | None:
        """Twice as many parts, or None if the batch cannot be split further."""
        if self.split is None:
            return None
        now, doubled = (len(self.split(batch, parts)) for parts in (self.parts, 2 * self.parts))
        return 2 * self.parts if doubled > now else None


def _free_cached_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
