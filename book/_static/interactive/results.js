// The results explorer: one metric of one experiment by fit, mean and 95% interval of each regime.
// The build computes all numbers from results/; this file only draws them.
"use strict";

Interactive.builders.results = (body, { experiments, metrics }) => {
  const { el, format, button, select, checkbox, values, named, number, REGIMES } = Interactive;
  const pairs = (list) => list.map((one, i) => [String(i), one.title]);
  const titleOf = (name) => metrics[name] || name.replaceAll("_", " ");
  let experiment, data, setting, metric, cursor, drawn;
  let [relative, log] = [true, true];
  const shown = new Set(Object.keys(REGIMES));
  const toggles = el("div", {});
  const table = el("tbody", {});
  const unit = el("span", {});
  const about = el("p", { class: "key" });
  const label = "Metric by fit; the arrow keys choose the fit that is read out";
  const plot = Interactive.chart(label, (to) => { cursor = to; show(); });

  // A choice fills the lists below it; the metric stays where the new data have it.
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
    choices.metric.fill(names.map((name) => [name, titleOf(name)]), metric);
    cursor = Infinity;
    show();
  }

  // Some metrics can be zero at the first fit; those have absolute values alone.
  const curves = () => setting.curves[metric];
  const kind = () => (relative && curves().relative ? "relative" : "absolute");
  const rowsOf = (regime) => curves()[kind()][regime];
  const yLabel = () =>
    titleOf(metric).replace(...(kind() === "relative" ? [/( \(.*\))?$/, ", relative"] : ["", ""]));
  const interval = (row) =>
    (row && row[2] !== null ? `[${format(row[2])}, ${format(row[3])}]` : "–");

  function show() {
    const there = Object.keys(REGIMES).filter((regime) => regime in curves().absolute);
    const visible = there.filter((regime) => shown.has(regime));
    cursor = Math.min(cursor, Math.max(...there.map((regime) => rowsOf(regime).at(-1)[0])));
    const at = (regime) => rowsOf(regime).find((row) => row[0] === cursor);
    if (toggles.dataset.there !== String(there)) {
      toggles.dataset.there = there;
      toggles.replaceChildren(Interactive.regimeButtons(there, shown, show));
    }
    unit.textContent = data.unit;
    table.replaceChildren(...visible.map((regime) => el("tr", {}, named(regime), number(cursor),
      number(format(at(regime)?.[1])), el("td", {}, interval(at(regime))),
      number(curves().seeds[regime]))));
    const isRelative = kind() === "relative";
    const paper = ((isRelative && curves().paper) || []).filter((one) => shown.has(one.regime));
    const open = "Open marks: the paper, relative to its own first fit.";
    about.textContent = `${data.about}. ${paper.length ? open : ""}`;
    const real = isRelative ? undefined : curves().real;
    const read = (regime) =>
      `${REGIMES[regime]} ${format(at(regime)?.[1])} ${interval(at(regime))}`;
    drawn = {
      series: [...visible.map((regime) => ({ regime, points: rowsOf(regime) })),
        ...paper.map((one) => ({ ...one, name: one.title, open: true }))],
      lines: real === undefined ? [] : [{ y: real, text: "real data" }],
      log, cursor, yLabel: yLabel(), spoken: `fit ${cursor}: ${visible.map(read).join(", ")}`,
    };
    plot.draw(drawn);
  }

  function save(ending, type, content) {
    const words = [experiment.title, data.title, setting.title, metric, kind()].join("-");
    const name = words.toLowerCase().replace("τ", "temperature").replace(/[^a-z0-9.]+/g, "-");
    Interactive.save(name + ending, type, content);
  }

  function csv() {
    const quoted = (cell) => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    const line = (cells) => cells.map((cell) => quoted(String(cell ?? ""))).join(",") + "\n";
    const about = [experiment.title, data.title, setting.title, metric, kind()];
    const rows = Object.entries(curves()[kind()]).flatMap(([regime, points]) =>
      points.map((point) => [...about, regime, ...point, curves().seeds[regime]]));
    const head = ["experiment", "data", "setting", "metric", "kind", "regime", "iteration", "mean"];
    return [[...head, "low", "high", data.unit], ...rows].map(line).join("");
  }

  // The picture alone, with its legend: what the style sheet says is written into every element.
  const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "font-size",
    "font-family"];
  function picture() {
    plot.draw({ ...drawn, legend: true });
    const copy = plot.root.cloneNode(true);
    const originals = [plot.root, ...plot.root.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((node, i) => {
      const style = getComputedStyle(originals[i]);
      for (const name of STYLES) node.setAttribute(name, style.getPropertyValue(name));
      node.removeAttribute("class");
    });
    plot.draw(drawn);
    for (const { name } of [...copy.attributes])
      if (!["viewBox", ...STYLES].includes(name)) copy.removeAttribute(name);
    const words = [experiment.title, data.title, setting.title, yLabel()].join(", ");
    copy.prepend(Interactive.svg("title", {}, words));
    return new XMLSerializer().serializeToString(copy);
  }

  body.append(
    el("div", { class: "controls" }, ...Object.values(choices),
      checkbox("relative to the first fit", relative, (on) => { relative = on; show(); }),
      checkbox("logarithmic axis", log, (on) => { log = on; show(); })),
    toggles, plot.box, about, values(["regime", "fit", "mean", "95% interval", unit], table),
    el("div", { class: "buttons" },
      button("Download picture (SVG)", () => save(".svg", "image/svg+xml", picture())),
      button("Download data (CSV)", () => save(".csv", "text/csv", csv()))));
  open(experiments[0]);
};
