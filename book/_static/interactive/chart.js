// A line chart that redraws itself at the width of its box, and that keyboard and pointer can read.
//
// chart(label, moved, hover) -> {box, root, draw}; draw takes
//   series: {regime, points: [[x, y, low, high], ...], name?, open?}; open: marks without a line
//   lines:  {y, text}, dashed and horizontal
//   log, zero: a logarithmic vertical axis, or a linear one that begins at 0
//   cursor, spoken: the x that is read out, and the read-out as a sentence
//   legend: name the regimes too; yLabel, height: as they say
// With `moved` the chart is a slider: arrows, Home, End, a click or a mouse over it call moved(x).
"use strict";

Interactive.chart = (() => {
  const { svg, format, mark, REGIMES } = Interactive;
  const LEFT_OF_LABEL = 36;
  const CHARACTER = 6.9; // pixels, about

  // Round numbers between low and high, at most about `most`.
  function ticks(low, high, log, most) {
    const decades = log ? Math.log10(high / low) : 0;
    if (decades > 0.6) {
      const steps = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
      const powers = Array.from({ length: 60 }, (_, i) => i - 30);
      const all = powers.flatMap((k) => steps.map((step) => Number(`${step}e${k}`)));
      const inside = all.filter((v) => v >= low * 0.999 && v <= high * 1.001);
      return inside.filter((_, i) => i % Math.ceil(inside.length / most) === 0);
    }
    const rough = (high - low) / most || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough * 0.999);
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.max(Math.floor(high / step + 1e-9) - first + 1, 0);
    return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  }

  const short = (v) =>
    (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e5) ? format(v, 1) : String(v));

  function limits({ series, lines = [], log, zero }) {
    const all = series.flatMap((one) => one.points.flatMap((p) => p.slice(1)));
    const good = [...all, ...lines.map((line) => line.y)].filter(
      (v) => v !== null && Number.isFinite(v) && (!log || v > 0));
    if (!good.length) return log ? [0.1, 1] : [0, 1];
    const [low, high] = [Math.min(...good), Math.max(...good)];
    if (log) {
      const room = Math.max((high / low) ** 0.05, 1.02);
      return [low / room, high * room];
    }
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    return [zero && low >= 0 ? 0 : low - room, high + room];
  }

  // Entries side by side, over as many rows as they need; returns the group and its height.
  function legend(entries, width) {
    const group = svg("g", { class: "legend" });
    let [left, row] = [0, 0];
    for (const one of entries) {
      const text = one.name || one.text || REGIMES[one.regime];
      const room = LEFT_OF_LABEL + text.length * CHARACTER + 12;
      if (left && left + room > width) [left, row] = [0, row + 1];
      const y = 9 + 18 * row;
      const line = one.open ? null
        : svg("line", { x1: left + 6, y1: y, x2: left + 30, y2: y, class: "curve" });
      const shape = one.regime ? mark(one.regime, left + 18, y, one.open) : null;
      const label = svg("text", { x: left + LEFT_OF_LABEL, y: y + 4 }, text);
      group.append(svg("g", { class: one.regime || "reference" }, line, shape, label));
      left += room;
    }
    return [group, entries.length ? 18 * (row + 1) : 0];
  }

  // A bound of an interval that the logarithmic axis does not reach is drawn at its foot.
  function drawn(one, toX, toY, bottom, cursor) {
    const good = one.points.filter((p) => Number.isFinite(toY(p[1])));
    const height = (v) => (Number.isFinite(toY(v)) ? toY(v) : bottom);
    const at = (p, k) => `${toX(p[0]).toFixed(1)},${height(p[k]).toFixed(1)}`;
    const group = svg("g", { class: one.regime });
    const known = good.filter((p) => p.length > 3 && p[2] !== null && p[3] !== null);
    if (known.length > 1 && !one.open) {
      const edge = [...known.map((p) => at(p, 2)), ...known.map((p) => at(p, 3)).reverse()];
      group.append(svg("polygon", { class: "band", points: edge.join(" ") }));
    }
    const points = good.map((p) => at(p, 1)).join(" ");
    if (!one.open) group.append(svg("polyline", { class: "curve", points }));
    for (const p of good)
      if (good.length <= 20 || p[0] === cursor)
        group.append(mark(one.regime, toX(p[0]), toY(p[1]), one.open));
    return group;
  }

  return function chart(label, moved, hover = true) {
    const box = Interactive.el("div", { class: "chart" });
    const role = moved ? { role: "slider", tabindex: 0 } : { role: "img" };
    const root = svg("svg", { ...role, "aria-label": label });
    box.append(root);
    let [shown, width, toX] = [null, 0, null];
    const places = () => {
      const all = shown.series.filter((one) => !one.open).flatMap((one) => one.points);
      return [...new Set(all.map((p) => p[0]))].sort((a, b) => a - b);
    };

    function draw(what) {
      shown = what;
      width = Math.max(box.clientWidth, 250);
      const [low, high] = limits(what);
      const lines = what.lines || [];
      // Buttons beside the chart name the regimes; the picture that is saved names them itself.
      const named = [...what.series, ...lines].filter((one) => what.legend || one.name || one.text);
      const [entries, above] = legend(named, width);
      const height = (what.height || 250) + above;
      const [top, bottom, right] = [above + 30, height - 42, width - 14];
      const yTicks = ticks(low, high, what.log, 6);
      const start = 12 + CHARACTER * Math.max(...yTicks.map((v) => short(v).length), 2);
      const xs = places();
      const [x0, x1] = [xs[0] ?? 1, xs[xs.length - 1] ?? 1];
      const scale = (v) => (what.log ? Math.log(v) : v);
      const inside = (v) => Math.min(Math.max(v, low), high);
      const share = (v) => (scale(inside(v)) - scale(low)) / (scale(high) - scale(low));
      toX = (x) => start + 8 + ((right - start - 16) * (x - x0)) / (x1 - x0 || 1);
      const known = (y) => y !== null && (!what.log || y > 0);
      const toY = (y) => (known(y) ? bottom - (bottom - top) * share(y) : NaN);
      const text = (x, y, words, anchor) => svg("text", { x, y, "text-anchor": anchor }, words);
      const across = (y, name) => svg("line", { class: name, x1: start, x2: right, y1: y, y2: y });
      const whole = ticks(x0, x1, false, Math.min(10, width / 45)).filter(Number.isInteger);
      const near = whole[0] - x0 < (whole[1] - whole[0]) / 2;
      const xTicks = whole.length && near ? whole : [x0, ...whole];
      const parts = [
        svg("rect", { class: "paper", x: 0, y: 0, width, height }), entries,
        ...yTicks.map((v) => svg("g", {}, across(toY(v), "grid"),
          text(start - 6, toY(v) + 4, short(v), "end"))),
        ...xTicks.map((v) => text(toX(v), bottom + 18, v, "middle")),
        across(bottom, "axis"),
        text((start + right) / 2, height - 6, what.xLabel || "fit t", "middle"),
        text(2, top - 12, what.yLabel, "start"),
      ];
      if (what.cursor !== undefined) {
        const x = toX(what.cursor);
        parts.push(svg("line", { class: "cursor", x1: x, x2: x, y1: top, y2: bottom }));
      }
      parts.push(...lines.map((line) => across(toY(line.y), "reference curve")));
      parts.push(...what.series.map((one) => drawn(one, toX, toY, bottom, what.cursor)));
      root.setAttribute("viewBox", `0 0 ${width} ${height}`);
      root.replaceChildren(...parts);
      const now = { valuemin: x0, valuemax: x1, valuenow: what.cursor, valuetext: what.spoken };
      if (moved) for (const name of Object.keys(now)) root.setAttribute(`aria-${name}`, now[name]);
    }

    function pressed(event) {
      const all = places();
      const at = all.indexOf(shown.cursor);
      const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1,
        PageUp: at + 5, PageDown: at - 5, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      moved(all[Math.min(Math.max(to, 0), all.length - 1)]);
    }

    function pointed(event) {
      const x = ((event.clientX - root.getBoundingClientRect().left) * width) / root.clientWidth;
      const off = (place) => Math.abs(toX(place) - x);
      const nearest = places().reduce((best, place) => (off(place) < off(best) ? place : best));
      if (nearest !== shown.cursor) moved(nearest);
    }

    if (moved) {
      root.addEventListener("keydown", pressed);
      root.addEventListener("pointerdown", pointed);
      const over = (event) => hover && event.pointerType === "mouse" && pointed(event);
      root.addEventListener("pointermove", over);
    }
    new ResizeObserver(() => {
      if (shown && box.clientWidth >= 250 && Math.abs(box.clientWidth - width) > 1) draw(shown);
    }).observe(box);
    return { box, root, draw };
  };
})();
