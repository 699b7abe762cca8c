// What the interactives share: elements, controls and random numbers; chart.js adds the line chart.
//
// Plain scripts, so that they also run from a file.  Each interactive enters its builder,
// Interactive.builders.NAME = (body, data, name) => ..., and once the page is read every
// <div class="interactive" data-interactive="NAME"> is built from the JSON that stands inside it.
"use strict";

const Interactive = (() => {
  const REGIMES = {
    replace: "replace",
    accumulate: "accumulate",
    accumulate_subsample: "accumulate at equal size",
    replace_multiple: "replace, t times the data",
  };
  const SVG = "http://www.w3.org/2000/svg";
  const builders = {};

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {}))
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false)
        node.setAttribute(name, value);
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }
  const el = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  // A number with `digits` significant digits; as a power of ten outside 0.001 .. 99,999.
  function format(x, digits = 3) {
    if (x === null || x === undefined || Number.isNaN(x)) return "–";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "-∞";
    if (x === 0) return "0";
    const rounded = Number(x.toPrecision(digits));
    const size = Math.floor(Math.log10(Math.abs(rounded)));
    if (size >= -3 && size < 5) return rounded.toFixed(Math.max(digits - 1 - size, 0));
    const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
    const digit = (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]);
    return `${mantissa} × 10${[...String(Number(exponent))].map(digit).join("")}`;
  }

  const button = (text, onclick, more) => el("button", { type: "button", onclick, ...more }, text);

  // A list to choose from; `options` are pairs of a key and its text.  `fill` replaces them.
  function select(label, options, value, onchange) {
    const list = el("select", { onchange: () => onchange(list.value) });
    const box = el("label", { class: "control" }, el("span", {}, label), list);
    box.fill = (pairs, chosen) => {
      list.replaceChildren(...pairs.map(([key, text]) => el("option", { value: key }, text)));
      list.value = chosen;
      box.hidden = pairs.length < 2;
    };
    box.fill(options, value);
    return box;
  }

  // A slider; `show` turns its position into the text beside its label.  `set` moves it.
  function slider(label, { min, max, value, step = 1, show = String }, oninput) {
    const text = el("output", {});
    const input = el("input", { type: "range", min, max, step });
    const box = el("label", { class: "control slider" }, el("span", {}, label, " ", text), input);
    box.input = input;
    box.set = (position) => {
      input.value = position;
      text.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", text.textContent);
    };
    box.set(value);
    input.addEventListener("input", () => {
      box.set(input.value);
      oninput(Number(input.value));
    });
    return box;
  }

  const checkbox = (label, checked, onchange) => {
    const input = el("input", { type: "checkbox", onchange: () => onchange(input.checked) });
    input.checked = checked;
    return el("label", { class: "control check" }, input, label);
  };

  // The mark of a regime: regimes differ by shape as well as by colour.
  function mark(regime, x, y, open = false) {
    const name = open ? "dot open" : "dot";
    if (regime === "replace") return svg("circle", { cx: x, cy: y, r: 3.5, class: name });
    const paths = {
      accumulate: `M${x - 3.5} ${y - 3.5}h7v7h-7z`,
      accumulate_subsample: `M${x} ${y - 4.5}l4.5 8h-9z`,
      replace_multiple: `M${x} ${y - 5}l5 5l-5 5l-5 -5z`,
    };
    return svg("path", { d: paths[regime], class: name });
  }

  const swatch = (regime) =>
    svg("svg", { class: `swatch ${regime}`, viewBox: "0 0 24 12", "aria-hidden": "true" },
      svg("line", { x1: 0, y1: 6, x2: 24, y2: 6, class: "curve" }), mark(regime, 12, 6));

  // A table of values that scrolls on a phone; `body` is its tbody, filled by its owner.
  const values = (heads, body) =>
    el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Values at this fit" },
      el("table", {}, el("thead", {},
        el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), body));
  const named = (regime) => el("th", { scope: "row" }, swatch(regime), REGIMES[regime]);
  const number = (text) => el("td", { class: "number" }, text);

  // A button for each regime that shows or hides it; `shown` is the set of those that are shown.
  function regimeButtons(regimes, shown, onchange) {
    const one = (regime) => {
      const toggle = button("", () => {
        if (!shown.delete(regime)) shown.add(regime);
        toggle.setAttribute("aria-pressed", shown.has(regime));
        onchange();
      }, { "aria-pressed": shown.has(regime), class: "toggle" });
      toggle.append(swatch(regime), REGIMES[regime]);
      return toggle;
    };
    const label = { class: "regimes", role: "group", "aria-label": "Regimes shown" };
    return el("div", label, ...regimes.map(one));
  }

  // "Play": calls `begin`, then `step` until it returns false or the button is pressed, then `end`.
  function player(text, every, { begin = () => {}, step, end = () => {} }) {
    let timer = null;
    const control = button(text, () => (timer ? control.pause() : control.play()));
    control.playing = () => timer !== null;
    control.pause = () => {
      if (!timer) return;
      clearInterval(timer);
      timer = null;
      control.textContent = text;
      end();
    };
    control.play = () => {
      begin();
      control.textContent = "Pause";
      timer = setInterval(() => step() || control.pause(), every);
    };
    return control;
  }

  // Random numbers in (0, 1) from a 32-bit seed (mulberry32), and standard normal (Box and Muller).
  function random(seed) {
    let state = seed | 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
    };
    const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal };
  }

  // A file that the browser saves, made here.
  function save(name, type, content) {
    const address = URL.createObjectURL(new Blob([content], { type }));
    const link = el("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function start() {
    for (const host of document.querySelectorAll(".interactive[data-interactive]:not(.ready)")) {
      const name = host.dataset.interactive;
      const data = JSON.parse(host.querySelector("script[type='application/json']").textContent);
      const body = el("div", { class: "live" });
      host.append(body);
      host.classList.add("ready"); // the style sheet hides the static version
      builders[name](body, data, name);
    }
  }
  addEventListener("DOMContentLoaded", start);

  return { REGIMES, builders, el, svg, format, button, select, slider, checkbox, mark, swatch,
    values, named, number, regimeButtons, player, random, save };
})();
