// The theorem explorer: the expected test error of fit t in linear regression, for every regime.
// The same formulas as collapse_utils/linear/theory.py, against which a test compares them.
"use strict";

Interactive.theory = (() => {
  const base = (d, T, sigma2) => (sigma2 * d) / (T - d - 1);
  const series = (n, power) => {
    const sums = [];
    for (let i = 1; i <= n; i++) sums.push((sums[i - 2] || 0) + i ** -power);
    return sums;
  };

  // How often one row is picked when T of t T items are: [m, probability], hypergeometric.
  function multiplicities(t, T) {
    if (t === 1) return [[1, 1]];
    const weights = [1];
    for (let m = 0; m < Math.min(t, T, 80); m++)
      weights.push((weights[m] * (t - m) * (T - m)) / ((m + 1) * (t * T - t - T + m + 1)));
    const all = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight, m) => [m, weight / all]);
  }

  // Growth of accumulate at equal size for fits 1..n: the recursion of `subsample_growth`.
  function subsample(n, d, T) {
    const gamma = (d + 1) / T;
    const growths = [];
    let [H, a, total] = [0, 0, 0]; // harmonic number, E|a_t|^2, sum of the growths so far
    for (let t = 1; t <= n; t++) {
      H += 1 / t;
      const picks = multiplicities(t, T);
      const mean = (f) => picks.reduce((all, [m, p]) => all + p * f(m), 0);
      if (mean((m) => (m > 0 ? 1 : 0)) <= gamma)
        return [...growths, ...Array(n - t + 1).fill(Infinity)];
      let [low, high] = [0, 1];
      for (let k = 0; k < 60; k++) {
        const alpha = (low + high) / 2;
        if (mean((m) => m / (alpha + m * gamma)) > 1) low = alpha;
        else high = alpha;
      }
      const alpha = (low + high) / 2;
      const leverage = (m) => (1 + (m * gamma) / alpha) ** 2;
      const kappa = mean((m) => m / leverage(m));
      const lambda = mean((m) => (m * (m - 1)) / leverage(m));
      let zeta = 1;
      if (t > 1) {
        const omega = 1 - 1 / t + gamma * (total / t - a - (2 * (H - 1)) / t);
        zeta = ((1 - gamma) / (alpha * kappa))
          * ((kappa + lambda) / t + omega * (kappa - lambda / (t - 1)));
      }
      growths.push(zeta + a + (2 * (H - 1)) / t);
      total += growths[t - 1];
      a += (2 * (H - 1)) / (t * (t + 1)) + zeta / (t + 1) ** 2;
    }
    return growths;
  }

  // Test error of fits 1..n as a multiple of that of the first fit.
  const growth = {
    replace: (n) => Array.from({ length: n }, (_, i) => i + 1),
    accumulate: (n) => series(n, 2),
    accumulate_subsample: subsample,
    replace_multiple: (n) => series(n, 1),
  };
  return { base, growth };
})();

Interactive.builders.theorem = (body) => {
  const { el, format, slider, checkbox, values, named, number, REGIMES } = Interactive;
  const { base, growth } = Interactive.theory;
  const BOUND = Math.PI ** 2 / 6;
  const ALL = ["replace", "replace_multiple", "accumulate_subsample", "accumulate"];
  const FORMULAS = { // of fit t, as a multiple of the first fit; and its bound
    replace: ["t", "none"],
    replace_multiple: ["1 + 1/2 + … + 1/t", "none"],
    accumulate_subsample: ["by recursion", `${format(3 * BOUND - 2)} (T ≫ d)`],
    accumulate: ["1 + 1/4 + … + 1/t²", format(BOUND, 4)],
  };
  // d, T and σ² move by ratios; T is at least d + 2, where the expected error is finite.
  const DS = [1, 2, 3, 5, 8, 10, 16, 20, 32, 50, 64, 100];
  const TS = [3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 25, 34, 40, 52, 66, 80, 100, 102, 150, 200, 250,
    316, 400, 500, 640, 800, 1000, 1500, 2000];
  const shown = new Set(ALL);
  let [d, T, sigma2, n, log, cursor] = [32, 100, 1, 50, false, 50];

  const table = el("tbody", {});
  const summary = el("p", { class: "verdict", role: "status" });
  const label = "Expected test error by fit; the arrow keys choose the fit that is read out";
  const plot = Interactive.chart(label, (to) => { cursor = to; show(); });

  function show() {
    const first = base(d, T, sigma2);
    const growths = Object.fromEntries(ALL.map((regime) => [regime, growth[regime](n, d, T)]));
    const at = (regime) => growths[regime][cursor - 1];
    const visible = ALL.filter((regime) => shown.has(regime));
    table.replaceChildren(...ALL.map((regime) => el("tr", {}, named(regime),
      el("td", {}, FORMULAS[regime][0]), number(format(first * at(regime), 4)),
      number(format(at(regime), 4)), el("td", {}, FORMULAS[regime][1]))));
    summary.replaceChildren(el("strong", {}, `Fit ${cursor}. `),
      `The first fit has the test error σ²d/(T - d - 1) = ${format(first, 4)}. `,
      `Under replace it is ${format(at("replace"))} times as large, under accumulate `,
      `${format(at("accumulate"), 4)} times, below the bound π²/6 = ${format(BOUND, 4)}.`);
    const error = (g) => (Number.isFinite(g) ? first * g : null);
    const read = (regime) => `${REGIMES[regime]} ${format(first * at(regime), 4)}`;
    plot.draw({
      series: visible.map((regime) =>
        ({ regime, points: growths[regime].map((g, i) => [i + 1, error(g)]) })),
      lines: [{ y: first * BOUND, text: "bound of accumulate: π²/6 × first fit" }],
      log, zero: true, yLabel: "expected test error", cursor,
      spoken: `fit ${cursor}: ${visible.map(read).join(", ")}`,
    });
  }

  const features = slider("features d =",
    { min: 0, max: DS.length - 1, value: DS.indexOf(d), show: (i) => DS[i] },
    (i) => { d = DS[i]; enoughRows(Number(rows.input.value)); });
  const rows = slider("rows T =",
    { min: 0, max: TS.length - 1, value: TS.indexOf(T), show: (i) => TS[i] }, (i) => enoughRows(i));
  function enoughRows(i) {
    const place = Math.max(i, TS.findIndex((value) => value >= d + 2));
    rows.set(place);
    T = TS[place];
    show();
  }
  const buttons = Interactive.regimeButtons(ALL, shown, show);
  buttons.append(checkbox("logarithmic axis", log, (on) => { log = on; show(); }));
  body.append(
    el("div", { class: "controls" }, features, rows,
      slider("noise σ² =",
        { min: -2, max: 2, step: 0.25, value: 0, show: (e) => format(10 ** e, 2) },
        (e) => { sigma2 = 10 ** e; show(); }),
      slider("fits n =", { min: 2, max: 100, value: n },
        (to) => { [n, cursor] = [to, to]; show(); })),
    buttons, plot.box, summary,
    values(["regime", "formula", "error", "error / first", "its bound"], table));
  show();
};
