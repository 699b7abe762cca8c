// Chains of model fits for "run your own collapse": a Gaussian, or a mixture of Gaussians.
//
// Fit t is a fresh maximum-likelihood fit to n items (t n items under accumulate).  Its loss is the
// divergence of the real distribution from the fit, in nats: exact for the Gaussian, and over fixed
// real test points for the mixture.  Chains with one seed share real data and random numbers.
"use strict";

Interactive.chains = (() => {
  const { format, random } = Interactive;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const stream = (seed, t, purpose) =>
    random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(t, 0x85ebca6b) ^ Math.imul(purpose, 0xc2b2ae35));
  const SAMPLE = 1, SUBSAMPLE = 2, FIT = 3;

  // The real distribution is standard normal; a fit is its mean and its standard deviation.
  const gaussian = {
    title: "one-dimensional Gaussian", n: [5, 100, 20], fits: 40, real: { mean: 0, sd: 1 },
    fit(points) {
      const mean = sum(points) / points.length;
      return { mean, sd: Math.sqrt(sum(points.map((x) => (x - mean) ** 2)) / points.length) };
    },
    sample: ({ mean, sd }, n, rng) => Array.from({ length: n }, () => mean + sd * rng.normal()),
    loss: ({ mean, sd }) => Math.log(sd) + (1 + mean ** 2) / (2 * sd ** 2) - 0.5,
    left: ({ sd }) => sd, // of the real standard deviation, which is 1
    describe: (share) => `${format(100 * share, 2)}% of the real spread`,
  };

  // Six round clusters on a ring; a fit has six weights, centres and variances along the axes.
  const K = 6, RADIUS = 2.5, SD = 0.4, FLOOR = 0.03 ** 2, RESTARTS = 3, ROUNDS = 25;
  const ring = Array.from({ length: K }, (_, k) => ({
    weight: 1 / K, variance: [SD ** 2, SD ** 2],
    centre: [RADIUS * Math.cos((k * 2 * Math.PI) / K), RADIUS * Math.sin((k * 2 * Math.PI) / K)],
  }));
  const distance2 = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2;
  const logParts = (parts, x) => parts.map(({ weight, centre, variance: [a, b] }) =>
    Math.log(weight) - Math.log(2 * Math.PI) - 0.5 * (Math.log(a * b)
      + (x[0] - centre[0]) ** 2 / a + (x[1] - centre[1]) ** 2 / b));
  const logSum = (logs) => {
    const most = Math.max(...logs);
    return most + Math.log(sum(logs.map((v) => Math.exp(v - most))));
  };
  const logDensity = (parts, x) => logSum(logParts(parts, x));

  // First centres: points drawn far from one another (k-means++).
  function firstCentres(points, rng) {
    const centres = [points[Math.floor(rng.uniform() * points.length)]];
    while (centres.length < K) {
      const far = points.map((x) => Math.min(...centres.map((c) => distance2(x, c))));
      let left = rng.uniform() * sum(far);
      const found = points.findIndex((_, i) => (left -= far[i]) <= 0);
      centres.push(points[found < 0 ? points.length - 1 : found]);
    }
    return centres;
  }

  // One round of expectation maximisation.
  function better(parts, points) {
    const shares = points.map((x) => {
      const logs = logParts(parts, x);
      const all = logSum(logs);
      return logs.map((v) => Math.exp(v - all));
    });
    return parts.map((part, k) => {
      const mass = sum(shares.map((s) => s[k])) + 1e-9;
      const mean = (f) => sum(points.map((x, i) => shares[i][k] * f(x))) / mass;
      const centre = mass < 1e-6 ? part.centre : [mean((x) => x[0]), mean((x) => x[1])];
      const variance = [0, 1].map((j) => mean((x) => (x[j] - centre[j]) ** 2) + FLOOR);
      return { weight: mass / points.length, centre, variance };
    });
  }

  const mixture = {
    title: "two-dimensional mixture", n: [30, 150, 60], fits: 30, real: ring,
    test: mixtureSample(ring, 400, random(2024)),
    fit(points, rng) {
      const starts = Array.from({ length: RESTARTS }, () => firstCentres(points, rng));
      const spread = (centres) =>
        sum(points.map((x) => Math.min(...centres.map((c) => distance2(x, c)))));
      const centres = starts.reduce((best, one) => (spread(one) < spread(best) ? one : best));
      let parts = centres.map((centre) => ({ weight: 1 / K, centre, variance: [0.5, 0.5] }));
      for (let round = 0; round < ROUNDS; round++) parts = better(parts, points);
      return parts;
    },
    sample: mixtureSample,
    loss: (parts) => sum(mixture.test.map((x) => logDensity(ring, x) - logDensity(parts, x)))
      / mixture.test.length,
    left: (_, sample) => ring.filter(({ centre }) =>
      sample.some((x) => distance2(x, centre) < (3 * SD) ** 2)).length,
    describe: (count) => `samples in ${count} of the ${K} clusters`,
  };

  function mixtureSample(parts, n, rng) {
    return Array.from({ length: n }, () => {
      let left = rng.uniform();
      const drawn = parts.find((part) => (left -= part.weight) <= 0);
      const { centre, variance } = drawn || parts[parts.length - 1];
      return centre.map((c, j) => c + Math.sqrt(variance[j]) * rng.normal());
    });
  }

  // The chain of one regime.  `next` fits once more and samples n items from that fit.
  class Chain {
    constructor(model, regime, n, seed) {
      Object.assign(this, { model, regime, n, seed, rows: [] });
      this.blocks = [model.sample(model.real, n, stream(seed, 0, SAMPLE))];
    }
    trainingSet(t) {
      if (this.regime === "replace") return [[t - 1, this.blocks[t - 1]]];
      const all = this.blocks.map((block, g) => [g, block]);
      if (this.regime === "accumulate") return all;
      const items = all.flatMap(([g, block]) => block.map((x) => [g, x]));
      const rng = stream(this.seed, t, SUBSAMPLE);
      for (let i = 0; i < this.n; i++) {
        const j = i + Math.floor(rng.uniform() * (items.length - i));
        [items[i], items[j]] = [items[j], items[i]];
      }
      const drawn = items.slice(0, this.n);
      const of = (g) => drawn.filter((item) => item[0] === g).map((item) => item[1]);
      return all.map(([g]) => [g, of(g)]);
    }
    next() {
      const t = this.rows.length + 1;
      const blocks = this.trainingSet(t);
      const real = blocks.filter(([g]) => g === 0).flatMap(([, block]) => block);
      const synthetic = blocks.filter(([g]) => g > 0).flatMap(([, block]) => block);
      const fit = this.model.fit([...real, ...synthetic], stream(this.seed, t, FIT));
      const sample = this.model.sample(fit, this.n, stream(this.seed, t, SAMPLE));
      this.blocks.push(sample);
      const left = this.model.left(fit, sample);
      this.rows.push({ t, fit, real, synthetic, left, loss: this.model.loss(fit) });
    }
    upTo(t) {
      while (this.rows.length < t) this.next();
      return this.rows[t - 1];
    }
  }

  return { gaussian, mixture, Chain, ring, SD };
})();
