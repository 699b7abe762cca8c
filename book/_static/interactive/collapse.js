// Run your own collapse: one panel for each regime, the loss below, and buttons for the next fit.
"use strict";

(() => {
  const { el, svg, format, button, slider, select, player, REGIMES } = Interactive;
  const { gaussian, mixture, Chain, ring, SD } = Interactive.chains;
  const models = { gaussian, mixture };
  const SHOWN = ["replace", "accumulate", "accumulate_subsample"];

  // What a panel shows: training items (real ones grey), the real distribution, and the fit.
  const every = (items, most) => items.filter((_, i) => i % Math.ceil(items.length / most) === 0);
  function line(density) {
    const xs = Array.from({ length: 281 }, (_, i) => -3.5 + i / 40);
    const y = (v) => Math.max(110 - 100 * v, -900).toFixed(1); // a spike leaves the panel
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
    const at = (fit.mean + 3.5) * 30;
    const curve = fit.sd < 0.03
      ? svg("line", { class: "curve", x1: at, x2: at, y1: 110, y2: -9 })
      : svg("polyline", { class: "curve", points: line(normal(fit)) });
    return svg("svg", { viewBox: "0 0 210 138", "aria-hidden": "true" },
      svg("polygon", { class: "truth", points: `0,110 ${line(normal(gaussian.real))} 210,110` }),
      curve, svg("line", { class: "axis", x1: 0, x2: 210, y1: 110, y2: 110 }),
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
    const counts = [[real.length, "real"], [synthetic.length, "synthetic"]];
    const some = counts.filter(([count]) => count).map(([count, kind]) => `${count} ${kind}`);
    const drawn = regime === "accumulate_subsample" && t > 1 ? ", drawn at random" : "";
    return `trained on ${some.join(" + ")} items${drawn}`;
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
          el("p", { class: "head" }, Interactive.swatch(chain.regime), REGIMES[chain.regime]),
          model === gaussian ? drawGaussian(row) : drawMixture(row),
          el("p", {}, el("strong", {}, model.describe(row.left)), el("br"),
            trainedOn(chain.regime, t, row)));
      }));
      const left = ({ regime, rows }) => `${REGIMES[regime]}: ${model.describe(rows[t - 1].left)}`;
      const words = visible.length ? `${visible.map(left).join("; ")}.` : "Choose a regime.";
      verdict.setAttribute("aria-live", play.playing() ? "off" : "polite");
      verdict.replaceChildren(el("strong", {}, `Fit ${t}. `), words);
      loss.draw({
        series: visible.map(({ regime, rows }) =>
          ({ regime, points: rows.map((row) => [row.t, row.loss]) })),
        log: true, yLabel: "loss on real data (nats)", cursor: t, height: 190,
        spoken: `fit ${t}: ` + visible.map((chain) =>
          `${REGIMES[chain.regime]} ${format(chain.rows[t - 1].loss)}`).join(", "),
      });
    }

    const names = Object.entries(models).map(([name, { title }]) => [name, title]);
    body.append(
      el("div", { class: "controls" },
        select("Model", names, "gaussian", (name) => {
          model = models[name];
          [items.input.min, items.input.max, n] = model.n;
          items.set(n);
          restart(model.fits);
        }), items),
      Interactive.regimeButtons(SHOWN, shown, () => show(t)),
      el("div", { class: "buttons" },
        play, button("Next generation", () => { play.pause(); show(t + 1); }),
        button("Reset", () => restart(1)),
        button("New random numbers", () => { seed += 1; restart(t); })), panels,
      verdict, loss.box,
      el("p", { class: "key" }, "Grey area: the real distribution. Line: the fit. Marks: the "
        + "items that the fit was trained on, real ones dark and synthetic ones in colour."));
    restart(t);
  };
})();
