"""The optimisation loop of the neural sections.

A section defines its batches, as a pure function of the step, and its loss.  This module does the
rest: AdamW, warm-up and cosine schedule, clipping, the learning curve, and saved states from which
training resumes to the same bits.
"""

from __future__ import annotations

import csv
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from safetensors.torch import load_model, save_model

from .. import seeds
from ..durable import files
from ..durable.checkpoints import Checkpoint
from ..durable.reading import CURVE_COLUMNS
from ..durable.signals import deferred_signals
from ..errors import RunError
from ..presets import Config
from . import precision
from .allocator import keep_memory
from .memory import Gradients, Split

CURVE_POINTS = 40  # rows of a learning curve: enough to draw, few enough to commit
VALIDATIONS = 8  # measurements of the validation loss in a fit


@dataclass(frozen=True)
class Plan:
    """How a model is optimised: AdamW, a warm-up, and a decaying learning rate."""

    steps: int
    learning_rate: float  # peak
    warmup: float  # share of the steps
    final_rate: float  # last learning rate, as a share of the peak
    weight_decay: float  # of matrices; vectors (biases, norms) have none
    clip: float  # largest gradient norm
    betas: tuple[float, float] = (0.9, 0.95)
    # If > 0, there is no cosine: the fit has so many equal stages, and after each of them the rate
    # is multiplied by ``decay``.
    stages: int = 0
    decay: float = 1.0
    # If > 0, there is no cosine: the rate is multiplied by ``decay`` whenever more validations in a
    # row than this have not improved the loss.
    patience: int = 0
    validations: int = VALIDATIONS
    # with "record", a loss that is not finite ends the fit with the weights of the step before
    diverged: str = "stop"
    precision: str = "float32"  # of the forward and backward passes, see ``precision.py``

    @classmethod
    def of(cls, config: Config, **own: Any) -> Plan:
        """A plan with the fields that ``config`` shares with it, and the fields ``own``."""
        shared = {field.name for field in fields(cls)} & {field.name for field in fields(config)}
        return cls(**{name: getattr(config, name) for name in shared} | own)

    def rate(self, step: int) -> float:
        """The learning rate of step 0 .. steps - 1."""
        warm = max(round(self.warmup * self.steps), 1)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        if self.patience:
            return self.learning_rate
        if self.stages:
            return self.learning_rate * self.decay ** (self.stages * step // self.steps)
        progress = (step - warm) / max(self.steps - warm, 1)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * cosine)


def plateau(plan: Plan) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
    """A factor, 1 at first, that is lowered when the validation loss stops falling."""
    holder = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    # without patience in the plan, the factor stays 1
    factor, patience = (plan.decay, plan.patience) if plan.patience else (0.5, math.inf)
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        holder, factor=factor, patience=patience, eps=0.0
    )


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def optimiser(model: torch.nn.Module, plan: Plan) -> torch.optim.AdamW:
    """Fused AdamW (one pass over the parameters per step), with weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        groups, lr=plan.learning_rate, betas=plan.betas, weight_decay=plan.weight_decay, fused=True
    )


def train(
    model: torch.nn.Module,
    batch_at: Callable[[int], Any],
    loss_of: Callable[[torch.nn.Module, Any], torch.Tensor],
    plan: Plan,
    *,
    seed: int,
    checkpoint: Checkpoint,
    items_per_step: int,
    validate: Callable[[torch.nn.Module], float] | None = None,
    split: Split | None = None,
) -> None:
    """Train ``model`` in place for ``plan.steps`` steps, from the newest state in ``checkpoint``.

    With ``plan.diverged == "record"`` every step is checked before it is taken.  A step whose loss
    or gradient is not finite ends the fit; the final state then contains ``diverged.json`` and the
    weights from before that step.

    Parameters
    ----------
    batch_at : step -> batch; must depend on the step alone.
    loss_of : mean loss of a batch, a scalar tensor.
    seed : of dropout.
    validate : loss on held-out data for the learning curve; called ``plan.validations`` times.
    split : (batch, n) -> at most n smaller batches and their weights in the mean loss; used for a
        step that does not fit into memory.

    Raises
    ------
    RunError : the loss is not finite; the message names the step, the learning rate and the last
        good state.
    """
    keep_memory()
    state_dir = checkpoint.start()
    if state_dir is not None and (state_dir / "curve.csv").exists():  # the fit is finished
        load_model(model, state_dir / "model.safetensors")
        model.eval()
        return
    adam = optimiser(model, plan)
    torch.manual_seed(seeds.derive(seed, "dropout"))
    curve, losses, first_step, rate_factor = [], [], 0, plateau(plan)
    model_device = next(model.parameters()).device
    scaler = precision.scaler(plan.precision, model_device)
    gradients = Gradients(
        loss_of,
        split,
        forward=functools.partial(precision.forward, plan.precision, model_device),
        scale=scaler.scale,
    )
    if state_dir is not None:
        load_model(model, state_dir / "model.safetensors")
        state = torch.load(state_dir / "training.pt", weights_only=True)
        adam.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random_state"])
        if state["cuda_random_state"]:
            torch.cuda.set_rng_state_all(state["cuda_random_state"])
        curve, losses, first_step = state["curve"], list(state["losses"]), state["step"]
        rate_factor.load_state_dict(state["plateau"])
        rate_factor.optimizer.load_state_dict(state["factor"])
        gradients.parts = state["parts"]
        if scaler.is_enabled():
            scaler.load_state_dict(state["scaler"])
    parameters = list(model.parameters())
    curve_every = max(plan.steps // CURVE_POINTS, 1)
    validations = {round((k + 1) * plan.steps / plan.validations) for k in range(plan.validations)}
    start_time = time.monotonic()

    def save(step: int) -> None:
        with checkpoint.saving(step) as folder:
            save_model(model, str(folder / "model.safetensors"))
            state = {
                "step": step,
                "optimiser": adam.state_dict(),
                "random_state": torch.get_rng_state(),
                "cuda_random_state": torch.cuda.get_rng_state_all()
                if torch.cuda.is_available()
                else [],
                "curve": curve,
                "losses": torch.stack(losses) if losses else torch.empty(0),
                "plateau": rate_factor.state_dict(),
                "factor": rate_factor.optimizer.state_dict(),
                "parts": gradients.parts,
                "scaler": scaler.state_dict(),
            }
            torch.save(state, folder / "training.pt")

    recording, outcome = plan.diverged == "record", None
    model.train()
    with precision.products(plan.precision, model_device), deferred_signals() as stop_if_requested:
        for step in range(first_step, plan.steps):
            learning_rate = plan.rate(step) * rate_factor.optimizer.param_groups[0]["lr"]
            for group in adam.param_groups:
                group["lr"] = learning_rate
            buffers = [buffer.clone() for buffer in model.buffers()] if recording else []
            loss = gradients(model, batch_at(step))
            scaler.unscale_(adam)
            norm = torch.nn.utils.clip_grad_norm_(parameters, plan.clip)
            # in float16, the scaler skips a step whose gradients overflow and lowers the scale
            norm_ok = scaler.is_enabled() or torch.isfinite(norm)
            if recording and not (torch.isfinite(loss) and norm_ok):
                for buffer, before in zip(model.buffers(), buffers, strict=True):
                    buffer.copy_(before)
                outcome = {
                    "step": step + 1,
                    "learning_rate": learning_rate,
                    "loss": str(loss.item()),
                }
                break
            scaler.step(adam)
            scaler.update()
            adam.zero_grad(set_to_none=True)
            losses.append(loss)
            done = step + 1
            if done % curve_every == 0 or done == plan.steps or done in validations:
                recent = torch.stack(losses).tolist()  # waits for the device, so not at every step
                _check_finite(recent, done, plan, checkpoint)
                losses.clear()
                mean = sum(recent) / len(recent)
                row = [done, done * items_per_step, learning_rate, mean, None]
                if validate is not None and done in validations:
                    model.eval()
                    row[-1] = validate(model)
                    rate_factor.step(row[-1])
                    model.train()
                curve.append(row)
                seconds = time.monotonic() - start_time
                items_per_s = (done - first_step) * items_per_step / seconds
                numbers = {"loss": round(mean, 4), "items_per_s": round(items_per_s, 1)}
                checkpoint.report(done, plan.steps, numbers)
            if done < plan.steps:
                try:
                    stop_if_requested()
                except KeyboardInterrupt:
                    save(done)
                    raise
                if checkpoint.due():
                    save(done)
        model.eval()
        save_finished(model, checkpoint, plan.steps if outcome is None else step, curve, outcome)


def save_finished(
    model: torch.nn.Module,
    checkpoint: Checkpoint,
    step: int,
    curve: list[list],
    diverged: dict | None = None,
) -> None:
    """Save the final state after ``step`` steps; ``diverged`` describes why it ended early."""
    with checkpoint.saving(step) as folder:
        save_model(model, str(folder / "model.safetensors"))
        with open(folder / "curve.csv", "w", newline="") as file:
            csv.writer(file).writerows([CURVE_COLUMNS, *curve])  # None is written as an empty cell
        if diverged is not None:
            files.write_json(folder / "diverged.json", diverged)


def _check_finite(losses: list[float], done: int, plan: Plan, checkpoint: Checkpoint) -> None:
    for back, loss in enumerate(reversed(losses)):
        if not math.isfinite(loss):
            step = done - back
            newest = checkpoint.newest()
            raise RunError(
                f"training: the loss is {loss} at step {step} of {plan.steps} (learning rate "
                f"{plan.rate(step - 1):.3g}); last good state: {newest if newest else 'none yet'}; "
                "lower learning_rate or clip, or record it as this iteration's outcome with --set "
                "diverged=record"
            )
