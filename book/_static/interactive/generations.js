// Samples of two regimes side by side, fit by fit: faces and stories (molecules.js adds molecules).
"use strict";

(() => {
  const { el, select, slider, player, swatch, format, REGIMES } = Interactive;

  // The frame of all three: which data, which setting, two regimes, and the fit.
  //   data: [{title, about, settings: [{title, regimes: {regime: {fit: sample}}, losses}]}]
  //   view(side, sample, {regime, t, source, setting}) shows one sample in the element `side`
  // Returns the row of controls, and `show`, which shows everything again.
  Interactive.slides = (body, { data, loss }, view) => {
    const pairs = (list) => list.map((one, i) => [String(i), one.title]);
    let [source, setting, t] = [null, null, 1];
    const chosen = ["replace", "accumulate"];
    const sides = ["Left", "Right"].map((name, k) => ({
      list: select(name, [], "", (regime) => { chosen[k] = regime; show(); }),
      head: el("p", { class: "head" }),
      loss: el("p", {}),
      content: el("div", { class: "sample" }),
    }));
    const panels = sides.map((side) =>
      el("div", { class: "panel" }, side.head, side.loss, side.content));
    const fits = slider("fit t =", { min: 1, max: 1, value: 1 }, (value) => {
      play.pause();
      t = value;
      show();
    });
    const last = () => Number(fits.input.max);
    const play = player("Play", 900, {
      begin: () => { if (t >= last()) { t = 1; show(); } },
      step: () => { t += 1; show(); return t < last(); },
    });
    const settings = select("Setting", [], "", (i) => openSetting(source.settings[i]));
    const sources = select("Data", pairs(data), "0", (i) => open(data[i]));
    const about = el("p", { class: "key" });
    const lists = sides.map((side) => side.list);
    const controls = el("div", { class: "controls" }, sources, settings, lists);

    function open(one) {
      source = one;
      settings.fill(pairs(one.settings), "0");
      openSetting(one.settings[0]);
    }
    function openSetting(one) {
      setting = one;
      const regimes = Object.keys(REGIMES).filter((regime) => regime in one.regimes);
      sides.forEach((side, k) => {
        if (!regimes.includes(chosen[k])) chosen[k] = regimes[Math.min(k, regimes.length - 1)];
        side.list.fill(regimes.map((regime) => [regime, REGIMES[regime]]), chosen[k]);
      });
      const known = regimes.flatMap((regime) => Object.keys(one.regimes[regime]).map(Number));
      fits.input.max = Math.max(...known);
      t = last(); // the final fit shows the difference at once
      show();
    }
    function show() {
      fits.set(t);
      about.textContent = `${source.about}. Samples of one chain; losses are means over seeds.`;
      sides.forEach((side, k) => {
        const { head, content } = side;
        const regime = chosen[k];
        panels[k].className = `panel ${regime}`;
        head.replaceChildren(swatch(regime), `${REGIMES[regime]}, fit ${t}`);
        side.loss.textContent = `${loss}: ${format(setting.losses[regime][t])}`;
        const sample = setting.regimes[regime][t];
        if (sample === undefined) content.replaceChildren(`This chain has no fit ${t}.`);
        else view(content, sample, { regime, t, source, setting });
      });
    }
    const buttons = el("div", { class: "buttons" }, play);
    body.append(controls, el("div", { class: "controls" }, fits, buttons),
      el("div", { class: "panels two" }, panels), about);
    open(data[0]);
    return { controls, show };
  };

  // Faces: one sheet for each regime, a row for each fit; every face is a window on its sheet.
  Interactive.builders.faces = (body, data) => {
    const { size } = data;
    Interactive.slides(body, data, (side, row, { regime, t, setting }) => {
      const { columns, rows, sheets } = setting;
      const face = (_, i) => el("span", { style: `width: ${size}px; height: ${size}px;`
        + `background: url(${sheets[regime]}) ${-i * size}px ${-row * size}px`
        + ` / ${columns * size}px ${rows * size}px` });
      const label = `${columns} faces sampled by fit ${t} under ${REGIMES[regime]}`;
      side.replaceChildren(el("div", { class: "faces", role: "img", "aria-label": label },
        Array.from({ length: columns }, face)));
    });
  };

  // Stories: a sentence that occurs more than once among those shown is marked.
  Interactive.builders.stories = (body, data) => {
    // Every character belongs to a part, so that the parts make up the text again.
    const sentences = (text) => text.match(/[^.!?]+[.!?]*["”]?\s*|[.!?]+["”]?\s*/g) || [text];
    Interactive.slides(body, data, (side, { texts, distinct, all }) => {
      const counts = new Map();
      for (const one of texts.flatMap(sentences))
        counts.set(one.trim(), (counts.get(one.trim()) || 0) + 1);
      const shown = (one) => (counts.get(one.trim()) > 1 ? el("mark", {}, one) : one);
      side.replaceChildren(
        el("p", {}, el("strong", {}, `${distinct} of ${all} sentences are different`)),
        ...texts.map((text) => el("blockquote", {}, sentences(text).map(shown))));
    });
    body.append(el("p", { class: "key" }, "Marked: sentences that occur more than once among the "
      + "stories shown. The counts are over all sampled stories that the book keeps of this fit."));
  };
})();
