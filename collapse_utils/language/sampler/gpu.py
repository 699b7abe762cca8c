"""Sample a set of stories on a GPU: static shapes, one CUDA graph for each, tokens read in bursts.

A GPU must not wait for Python after each token, so ``BURST`` steps run before the drawn tokens are
read.  A story that ends earlier continues to the end of the burst, and the tokens after its end are
dropped.  Decoder, draw and the stories' random numbers are those of the CPU.  Weights and cache are
bfloat16 where the GPU has it in hardware (compute capability 8.0 and later) and float16 elsewhere
(T4), so the distribution is that of the model in half precision.  Probabilities are float32 and
sums float64, as on the CPU.

If a step cannot be captured as a graph, a line on stderr says so and the same steps run eagerly.
The loop is tested on a CPU, step by step and in float32; ``make gpu`` tests graphs and half
precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ...durable.files import warn
from .caches import PaddedCache
from .decoder import Decoder
from .draw import draw
from .weights import weights_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import Collector, Request

BURST = 16  # steps after which the drawn tokens are read
BUCKET = 128  # attention covers a multiple of this many positions, with one graph for each multiple


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 or float16 on a GPU, by what it has in hardware; float32 on a CPU."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def run(model: torch.nn.Module, request: Request, slots: int, collector: Collector) -> None:
    """Sample ``request.count`` stories, started in their order, ``slots`` side by side."""
    state = _State(model, request, slots)
    todo = iter(range(request.count))
    story, position = np.full(slots, -1), np.zeros(slots, dtype=np.int64)

    def start(freed: np.ndarray) -> None:
        story[freed] = [next(todo, -1) for _ in freed]
        position[freed] = 0
        state.start(freed, story[freed])

    start(np.arange(slots))
    while (story >= 0).any() and not collector.stopped:
        active = np.flatnonzero(story >= 0)
        if len(active) <= len(story) // 2:  # no story is left to start: halve the batch
            kept = np.append(active, np.flatnonzero(story < 0))[: len(story) // 2]
            state.keep(kept)
            story, position = story[kept], position[kept]
        drawn = state.burst(int(position[story >= 0].max()))
        steps = position[:, None] + 1 + np.arange(BURST)
        ends = (drawn == request.eos) | (steps == request.fed)
        ended = np.flatnonzero(ends.any(1))
        position += BURST
        if len(ended):
            length = steps[ended, ends[ended].argmax(1)] + 1
            for slot, tokens, size in zip(
                ended, state.history[ended].cpu().numpy(), length, strict=True
            ):
                if story[slot] >= 0:
                    collector.finish(story[slot], tokens[:size])
            start(ended)
        position[story < 0] = 0


class _State:
    """All tensors on the device, updated in place: graphs replay on fixed addresses."""

    def __init__(self, model: torch.nn.Module, request: Request, slots: int):
        self.request, self.n, self.device = request, slots, model.device
        dtype = precision(model.device)
        weights = weights_of(model, request.max_length, dtype)
        sizes = (len(weights.layers), slots, weights.heads, weights.features, request.fed)
        self.cache = PaddedCache(*sizes, dtype, model.device)
        self.decoder = Decoder(weights, self.cache, slots)
        on_device = {"device": model.device}
        self.token = torch.full((slots,), request.bos, **on_device)
        self.position = torch.zeros(slots, dtype=torch.int64, **on_device)
        self.uniforms = torch.zeros(slots, request.fed, dtype=torch.float64, **on_device)
        # A story may be stepped past its end; these tokens go to columns that are not read.
        self.history = torch.full((slots, request.max_length + BURST), request.bos, **on_device)
        self.graphs = model.device.type == "cuda"  # whether to replay steps from CUDA graphs
        self._captured: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}

    def start(self, slots: np.ndarray, stories: np.ndarray) -> None:
        """Start a story in each of these slots; -1 leaves a slot idle."""
        where = torch.from_numpy(slots).to(self.device)
        self.token[where], self.position[where] = self.request.bos, 0
        begun = stories >= 0
        if begun.any():
            where = torch.from_numpy(slots[begun]).to(self.device)
            uniforms = np.stack([self.request.uniforms(int(story)) for story in stories[begun]])
            self.uniforms[where] = torch.from_numpy(uniforms).to(self.device)

    def keep(self, slots: np.ndarray) -> None:
        """Continue with these slots alone."""
        where = torch.from_numpy(slots).to(self.device)
        self.n = len(slots)
        self.cache.keep(where)
        for state in (self.token, self.position, self.uniforms, self.history):
            state[: self.n] = state[where]
        self._captured.clear()

    def burst(self, oldest: int) -> np.ndarray:
        """``BURST`` steps from position ``oldest`` of the oldest story: tokens [slots, BURST]."""
        length = min(-(-(oldest + BURST) // BUCKET) * BUCKET, self.request.fed)
        self.cache.plan(self.n, length)
        columns = self.position[: self.n, None] + 1 + torch.arange(BURST, device=self.device)
        columns.clamp_(max=self.history.shape[1] - 1)
        step = self._replayed(length) or self._step
        for _ in range(BURST):
            step()
        return self.history[: self.n].gather(1, columns).cpu().numpy()

    def _step(self) -> None:
        token, position = self.token[: self.n], self.position[: self.n]
        fed = position.clamp(max=self.request.fed - 1)
        self.cache.begin(fed)
        logits = self.decoder.step(token, fed)
        uniform = self.uniforms[: self.n].gather(1, fed[:, None]).squeeze(1)
        token.copy_(draw(logits, uniform, self.request.temperature))
        # an idle slot continues without end
        position.add_(1).clamp_(max=self.history.shape[1] - 1)
        self.history[: self.n].scatter_(1, position[:, None], token[:, None])

    def _replayed(self, length: int) -> Callable[[], None] | None:
        """The step as the replay of its CUDA graph, captured at its first use; None without."""
        key = (self.n, length)
        if self.graphs and key not in self._captured:
            # Warm-up and capture draw tokens, so the state is restored.  The cache need not be:
            # these steps write at the current position, and the next real step overwrites it.
            states = (self.token, self.position, self.history)
            before = [state.clone() for state in states]
            try:
                self._captured[key] = self._capture()
            except RuntimeError as problem:  # of the driver, or of a kernel that cannot be captured
                reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
                warn(f"sampling without CUDA graphs, which is slower: {reason}")
                self.graphs = False
            for state, value in zip(states, before, strict=True):
                state.copy_(value)
        return self._captured[key].replay if self.graphs else None

    def _capture(self) -> torch.cuda.CUDAGraph:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph
