// Run your own collapse: a Gaussian or a mixture of Gaussians is fitted, sampled, and fitted again.
//
// One chain for each regime, all from the same real data and the same random numbers.  Fit t is a
// fresh maximum-likelihood fit to n items (t n items under accumulate); its loss is the divergence
// of the real distribution from the fit, in nats: exact for the Gaussian, and over fixed real test
// points for the mixture.
"use strict";

(() => {
  const { el, svg, format, button, slider, select, player, random, REGIMES } = Interactive;
  const SHOWN = ["replace", "accumulate", "accumulate_subsample"];
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
    loss: (parts) =>
      sum(mixture.test.map((x) => logDensity(ring, x) - logDensity(parts, x))) / mixture.test.length,
    left: (_, sample) => ring.filter(({ centre }) =>
      sample.some((x) => distance2(x, centre) < (3 * SD) ** 2)).length,
    describe: (count) => `samples in ${count} of the ${K} clusters`,
  };

  function mixtureSample(parts, n, rng) {
    return Array.from({ length: n }, () => {
      let left = rng.uniform();
      const { centre, variance } = parts.find((p) => (left -= p.weight) <= 0) || parts[parts.length - 1];
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

  // What a panel shows: training items (real ones grey), the real distribution, and the fit.
  const every = (items, most) => items.filter((_, i) => i % Math.ceil(items.length / most) === 0);
  function line(density) {
    const xs = Array.from({ length: 281 }, (_, i) => -3.5 + i / 40);
    const y = (v) => Math.max(110 - 100 * v, 4).toFixed(1);
    return xs.map((x) => `${((x + 3.5) * 30).toFixed(1)},${y(density(x))}`).join(" ");
  }
  const normal = ({ mean, sd }) => (x) =>
    Math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));

  function drawGaussian({ fit, real, synthetic }) {
    const rug = (items, y, name) => every(items, 300).map((x) => {
      const at = Math.min(Math.max((x + 3.5) * 30, 0), 210).toFixed(1);
      return svg("line", { class: `item ${name}`, x1: at, x2: at, y1: y, y2: y + 9 });
    });
    // A spike narrower than the grid of the curve is drawn as the line that it is.
    const spike = fit.sd < 0.03 ? svg("line", { class: "curve", x1: (fit.mean + 3.5) * 30,
      x2: (fit.mean + 3.5) * 30, y1: 110, y2: 4 }) : svg("polyline", { class: "curve", points: line(normal(fit)) });
    return svg("svg", { viewBox: "0 0 210 138", "aria-hidden": "true" },
      svg("polygon", { class: "truth", points: `0,110 ${line(normal(gaussian.real))} 210,110` }),
      spike, svg("line", { class: "axis", x1: 0, x2: 210, y1: 110, y2: 110 }),
      ...rug(real, 114, "real"), ...rug(synthetic, 126, "synthetic"));
  }
  function drawMixture({ fit, real, synthetic }) {
    const at = (v) => (105 + v * 28).toFixed(1);
    const dots = (items, name) => every(items, 300).map((x) =>
      svg("circle", { class: `item ${name}`, cx: at(x[0]), cy: at(-x[1]), r: 2 }));
    return svg("svg", { viewBox: "0 0 210 210", "aria-hidden": "true" },
      ...ring.map(({ centre: [x, y] }) =>
        svg("circle", { class: "truth", cx: at(x), cy: at(-y), r: 2 * SD * 28 })),
      ...dots(real, "real"), ...dots(synthetic, "synthetic"),
      ...fit.map(({ centre: [x, y], variance: [a, b] }) => svg("ellipse", { class: "curve",
        cx: at(x), cy: at(-y), rx: 2 * Math.sqrt(a) * 28, ry: 2 * Math.sqrt(b) * 28 })));
  }
  const trainedOn = (regime, t, { real, synthetic }) => {
    const some = [real.length && `${real.length} real`, synthetic.length && `${synthetic.length} synthetic`];
    const drawn = regime === "accumulate_subsample" && t > 1 ? ", drawn at random" : "";
    return `trained on ${some.filter(Boolean).join(" + ")} items${drawn}`;
  };

  Interactive.builders.collapse = (body) => {
    let [model, seed, n, t, chains] = [gaussian, 1, gaussian.n[2], gaussian.fits, []];
    const shown = new Set(SHOWN);
    const panels = el("div", { class: "panels" });
    const verdict = el("p", { class: "verdict", role: "status" });
    const restart = (to) => {
      play.pause();
      chains = SHOWN.map((regime) => new Chain(model, regime, n, seed));
      show(to);
    };
    const play = player("Play", 220, {
      begin: () => t >= model.fits && restart(1),
      step: () => { show(t + 1); return t < model.fits; },
      end: () => show(t),
    });
    const loss = Interactive.chart("Loss by fit; the arrow keys choose the fit shown", (to) => {
      play.pause();
      show(to);
    }, false);
    const items = slider("Items of real data, n =", { min: model.n[0], max: model.n[1], value: n },
      (value) => { n = value; restart(t); });

    function show(to) {
      t = to;
      const visible = chains.filter((chain) => shown.has(chain.regime));
      chains.forEach((chain) => chain.upTo(t));
      panels.replaceChildren(...visible.map((chain) => {
        const row = chain.rows[t - 1];
        return el("div", { class: `panel ${chain.regime}` },
          el("h4", {}, Interactive.swatch(chain.regime), REGIMES[chain.regime]),
          model === gaussian ? drawGaussian(row) : drawMixture(row),
          el("p", {}, el("strong", {}, model.describe(row.left)), el("br"), trainedOn(chain.regime, t, row)));
      }));
      const each = visible.map((chain) =>
        `${REGIMES[chain.regime]}: ${model.describe(chain.rows[t - 1].left)}`);
      verdict.setAttribute("aria-live", play.playing() ? "off" : "polite");
      verdict.replaceChildren(el("strong", {}, `Fit ${t}. `), each.join("; "), ".");
      loss.draw({
        series: visible.map((chain) => ({ regime: chain.regime,
          points: chain.rows.slice(0, Math.max(t, chain.rows.length)).map((row) => [row.t, row.loss]) })),
        log: true, yLabel: "loss on real data (nats)", cursor: t, height: 190,
        spoken: `fit ${t}: ` + visible.map((chain) =>
          `${REGIMES[chain.regime]} ${format(chain.rows[t - 1].loss)}`).join(", "),
      });
    }

    body.append(
      el("div", { class: "controls" },
        select("Model", [["gaussian", gaussian.title], ["mixture", mixture.title]], "gaussian", (name) => {
          model = { gaussian, mixture }[name];
          [items.input.min, items.input.max, n] = model.n;
          items.set(n);
          restart(model.fits);
        }), items),
      Interactive.regimeButtons(SHOWN, shown, () => show(t)), panels,
      el("div", { class: "buttons" },
        play, button("Next generation", () => { play.pause(); show(t + 1); }),
        button("Reset", () => restart(1)),
        button("New random numbers", () => { seed += 1; restart(t); })),
      verdict, loss.box,
      el("p", { class: "key" }, "Grey area: the real distribution. Line: the fit. Marks: the items "
        + "that the fit was trained on, real ones grey and synthetic ones in the colour of the regime."));
    restart(t);
  };
  Interactive.collapse = { gaussian, mixture, Chain };
})();
