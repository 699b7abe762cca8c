"""A small network and its fit, for the tests of training."""

import itertools

import torch

from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.durable.signals import Interrupted
from collapse_utils.training.loop import Plan, train

PLAN = Plan(steps=40, learning_rate=0.05, warmup=0.1, final_rate=0.1, weight_decay=0.01, clip=1.0)


def model(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1)
    )


def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(32, 4, generator=generator)
    return x, x.sum(1, keepdim=True)


def loss_of(network, batch):
    return (network(batch[0]) - batch[1]).square().mean()


def fit(folder, loss=loss_of, every_s=1e9, plan=PLAN, **options):
    network = model()
    checkpoint = Checkpoint(folder, every_s=every_s)
    train(
        network, batch_at, loss, plan, seed=1, checkpoint=checkpoint, items_per_step=32, **options
    )
    return torch.cat([p.flatten() for p in network.parameters()]).detach()


def stop_after(steps):
    """A loss that is interrupted in step ``steps + 1``."""
    calls = itertools.count(1)

    def stopping(network, batch):
        if next(calls) > steps:
            raise Interrupted(15)
        return loss_of(network, batch)

    return stopping
