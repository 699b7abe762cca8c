"""Copy this file, and put your own network, data and loss in the place of these: a fit that
resumes from its last checkpoint.
"""

import torch
from torch.distributions import Normal


class Net(torch.nn.Module):
    """A density of points (x, y): x is normal, and y is normal with a mean that depends on x."""

    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.zeros(2))  # mean and logarithm of the deviation
        self.y = torch.nn.Sequential(
            torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2)
        )

    def of_x(self):
        return Normal(self.x[0], self.x[1].exp())

    def of_y(self, x):
        mean, logarithm = self.y(x[:, None]).unbind(1)
        return Normal(mean, logarithm.exp())

    def loss(self, points):
        x, y = points.unbind(1)
        return -(self.of_x().log_prob(x) + self.of_y(x).log_prob(y)).mean()


class MyModel:
    def __init__(self, items=200, steps=300, batch=64, learning_rate=0.01):  # --arg steps=1000
        self.items, self.steps, self.batch = items, steps, batch
        self.learning_rate = learning_rate

    def real_data(self):  # the real training set and the real test set
        noise = torch.randn(2 * self.items, 2, generator=torch.Generator().manual_seed(0))
        x = noise[:, 0]
        points = torch.stack([x, x**2 / 2 + noise[:, 1] / 4], 1)
        return points[: self.items], points[self.items :]

    def fit(self, training_data, seed, checkpoint):
        torch.manual_seed(seed)
        net, first = Net(), 0
        adam = torch.optim.Adam(net.parameters(), lr=self.learning_rate)
        if state := checkpoint.start():  # resume: the newest state that is whole
            first, saved_net, saved_adam = torch.load(state / "state.pt", weights_only=True)
            net.load_state_dict(saved_net)
            adam.load_state_dict(saved_adam)
        for step in range(first, self.steps):
            # the batch depends on nothing but the seed and the step
            chance = torch.Generator().manual_seed(seed + step)
            rows = torch.randint(len(training_data), (self.batch,), generator=chance)
            loss = net.loss(training_data[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            done = step + 1
            checkpoint.report(done, self.steps, {"loss": round(loss.item(), 4)})
            if checkpoint.due() or done == self.steps:  # save: after a minute, and at the end
                with checkpoint.saving(done) as folder:
                    torch.save((done, net.state_dict(), adam.state_dict()), folder / "state.pt")
        return net

    @torch.no_grad()
    def sample(self, net, size, seed):  # so many items, like those of real_data
        torch.manual_seed(seed)
        x = net.of_x().sample((size,))
        return torch.stack([x, net.of_y(x).sample()], 1)

    @torch.no_grad()
    def evaluate(self, net, real_test):  # numbers by name, here in nats per point
        return {"negative_log_likelihood": net.loss(real_test).item()}
