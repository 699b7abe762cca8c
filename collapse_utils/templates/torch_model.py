"""Copy this file, and replace the network, the data and the loss by yours.

The fit saves its state and resumes from it.
"""

import torch
from torch.distributions import Normal


class Net(torch.nn.Module):
    """A density of points (x, y): x is normal, and so is y for a given x."""

    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.zeros(2))  # mean, log of the std
        layers = torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2)
        self.y = torch.nn.Sequential(*layers)

    def of_x(self):
        return Normal(self.x[0], self.x[1].exp())

    def of_y(self, x):
        mean, log_std = self.y(x[:, None]).unbind(1)
        return Normal(mean, log_std.exp())

    def loss(self, points):
        x, y = points.unbind(1)
        return -(self.of_x().log_prob(x) + self.of_y(x).log_prob(y)).mean()


class MyModel:
    def __init__(self, items=200, steps=300, batch=64):  # --arg steps=1000
        self.items, self.steps, self.batch = items, steps, batch

    def real_data(self):  # the real training set and the real test set
        rng = torch.Generator().manual_seed(0)
        x, noise = torch.randn(2, 2 * self.items, generator=rng)
        points = torch.stack([x, x**2 / 2 + noise / 4], 1)
        return points[: self.items], points[self.items :]

    def fit(self, training_data, seed, checkpoint):
        torch.manual_seed(seed)
        net, first = Net(), 0
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        if state := checkpoint.start():  # resume from the newest state
            saved = torch.load(state / "fit.pt", weights_only=True)
            first, *saved = saved
            for part, values in zip((net, adam), saved, strict=True):
                part.load_state_dict(values)
        for step in range(first, self.steps):
            # the batch depends on nothing but the seed and the step
            rng = torch.Generator().manual_seed(seed + step)
            size = (self.batch,)
            rows = torch.randint(len(training_data), size, generator=rng)
            loss = net.loss(training_data[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            done = step + 1
            checkpoint.report(done, self.steps, {"loss": loss.item()})
            if checkpoint.due() or done == self.steps:  # about a minute
                with checkpoint.saving(done) as folder:
                    saved = done, net.state_dict(), adam.state_dict()
                    torch.save(saved, folder / "fit.pt")
        return net

    @torch.no_grad()
    def sample(self, net, size, seed):  # items like those of real_data
        torch.manual_seed(seed)
        x = net.of_x().sample((size,))
        return torch.stack([x, net.of_y(x).sample()], 1)

    @torch.no_grad()
    def evaluate(self, net, real_test):  # numbers by name, here in nats
        return {"negative_log_likelihood": net.loss(real_test).item()}
