// The results explorer: one metric of one experiment by fit, mean and 95% interval for each regime.
// The build computes all numbers from results/; this file only draws them.
"use strict";

Interactive.builders.results = (body, { experiments, metrics }) => {
  const { el, format, button, select, checkbox, swatch, regimeButtons, save, REGIMES } = Interactive;
  const pairs = (list) => list.map((one, i) => [String(i), one.title]);
  const titles = (names) => names.map((name) => [name, metrics[name] || name.replaceAll("_", " ")]);
  let experiment, data, setting, metric, cursor;
  let [relative, log] = [true, true];
  const shown = new Set(Object.keys(REGIMES));
  const regimes = el("div", {});
  const table = el("tbody", {});
  const about = el("p", { class: "key" });
  const plot = Interactive.chart("Metric by fit; the arrow keys choose the fit that is read out",
    (to) => { cursor = to; show(); });

  // Each choice keeps what it can of the choices below it.
  const choices = {
    experiment: select("Experiment", pairs(experiments), "0", (i) => open(experiments[i])),
    data: select("Data", [], "", (i) => openData(experiment.data[i])),
    setting: select("Setting", [], "", (i) => openSetting(data.settings[i])),
    metric: select("Metric", [], "", (name) => { metric = name; show(); }),
  };
  function open(one) {
    experiment = one;
    metric = one.headline;
    choices.data.fill(pairs(one.data), "0");
    openData(one.data[0]);
  }
  function openData(one) {
    data = one;
    choices.setting.fill(pairs(one.settings), "0");
    openSetting(one.settings[0]);
  }
  function openSetting(one) {
    setting = one;
    const names = Object.keys(one.curves);
    if (!names.includes(metric)) metric = names[0];
    choices.metric.fill(titles(names), metric);
    cursor = Infinity;
    show();
  }

  const curves = () => setting.curves[metric];
  const rowsOf = (regime) => curves()[relative && curves().relative ? "relative" : "absolute"][regime];
  const yLabel = () => {
    const title = metrics[metric] || metric.replaceAll("_", " ");
    return relative && curves().relative ? `${title.replace(/ \(.*\)$/, "")} / that of the first fit` : title;
  };
  const interval = (row) => (row && row[2] !== null ? `[${format(row[2])}, ${format(row[3])}]` : "one seed");

  function show() {
    const there = Object.keys(REGIMES).filter((regime) => regime in curves().absolute);
    const visible = there.filter((regime) => shown.has(regime));
    const last = Math.max(...there.map((regime) => rowsOf(regime).at(-1)[0]));
    cursor = Math.min(cursor, last);
    const at = (regime) => rowsOf(regime).find((row) => row[0] === cursor);
    if (regimes.dataset.regimes !== String(there)) {
      regimes.dataset.regimes = there;
      regimes.replaceChildren(regimeButtons(there, shown, show));
    }
    table.replaceChildren(...visible.map((regime) => el("tr", {},
      el("th", { scope: "row" }, swatch(regime), REGIMES[regime]), el("td", {}, String(cursor)),
      el("td", { class: "number" }, format(at(regime)?.[1])), el("td", {}, interval(at(regime))),
      el("td", { class: "number" }, String(curves().seeds[regime])))));
    const paper = relative && curves().paper ? curves().paper : [];
    const { real } = curves();
    about.textContent = `${data.about}.` + (paper.length ? " Open marks: the paper, relative to its first fit." : "");
    plot.draw({
      series: [...visible.map((regime) => ({ regime, points: rowsOf(regime) })),
        ...paper.filter((one) => shown.has(one.regime)).map((one) => ({ ...one, name: one.title, open: true }))],
      lines: real !== undefined && !(relative && curves().relative) ? [{ y: real, text: "real data" }] : [],
      log, yLabel: yLabel(), cursor,
      spoken: `fit ${cursor}: ` + visible.map((regime) =>
        `${REGIMES[regime]} ${format(at(regime)?.[1])} ${interval(at(regime))}`).join(", "),
    });
  }

  const fileName = (ending) =>
    [experiment.title, data.title, setting.title, metric, relative ? "relative" : ""].filter(Boolean)
      .join("-").toLowerCase().replace(/[^a-z0-9.]+/g, "-") + ending;

  function csv() {
    const quoted = (cell) => (/[",\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell ?? ""));
    const head = ["experiment", "data", "setting", "metric", "relative", "regime", "iteration", "mean", "low", "high", "seeds"];
    const kind = relative && curves().relative ? "relative" : "absolute";
    const rows = Object.entries(curves()[kind]).flatMap(([regime, points]) => points.map((point) =>
      [experiment.title, data.title, setting.title, metric, kind === "relative", regime, ...point, curves().seeds[regime]]));
    return [head, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  }

  // The picture alone: what the style sheet gives it is written into every element.
  function picture() {
    const copy = plot.root.cloneNode(true);
    const names = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family"];
    const originals = [plot.root, ...plot.root.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((node, i) => {
      const style = getComputedStyle(originals[i]);
      for (const name of names) node.setAttribute(name, style.getPropertyValue(name));
      for (const name of ["class", "tabindex", "role"]) node.removeAttribute(name);
    });
    for (const { name } of [...copy.attributes]) if (name.startsWith("aria-")) copy.removeAttribute(name);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const title = Interactive.svg("title", {}, `${experiment.title}, ${data.title}, ${setting.title}: ${yLabel()}`);
    copy.prepend(title);
    return new XMLSerializer().serializeToString(copy);
  }

  body.append(
    el("div", { class: "controls" }, ...Object.values(choices),
      checkbox("relative to the first fit", relative, (on) => { relative = on; show(); }),
      checkbox("logarithmic axis", log, (on) => { log = on; show(); })),
    regimes, plot.box, about,
    el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Values at the chosen fit" },
      el("table", {}, el("thead", {}, el("tr", {}, ...["regime", "fit", "mean", "95% interval", "seeds"].map(
        (head) => el("th", { scope: "col" }, head)))), table)),
    el("div", { class: "buttons" },
      button("Download picture (SVG)", () => save(fileName(".svg"), "image/svg+xml", picture())),
      button("Download data (CSV)", () => save(fileName(".csv"), "text/csv", csv()))));
  open(experiments[0]);
};
