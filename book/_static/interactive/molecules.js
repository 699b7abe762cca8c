// Molecules as balls and sticks, real and sampled under two regimes, all turned together.
"use strict";

(() => {
  const { el, select, REGIMES } = Interactive;
  const COLOURS = { C: "#606060", H: "#e8e8e8", N: "#3050f8", O: "#e00d0d", S: "#c8a415",
    F: "#5a9e2f", Cl: "#1fa01f", Br: "#2e7d32", P: "#e07000" };
  const OTHER = "#b060c0";
  const STRETCHED = 1.25; // times the length of the bond in the real conformation
  const STEP = 0.15; // radians that an arrow key turns
  const PIXEL = 1 / 70; // radians that a pixel turns
  const TALL = 0.8; // height / width of a picture, as in interactive.css
  const UNIT = 100; // positions are hundredths of an angstrom: x, y, z of one atom after another

  const atom = (positions, i) => positions.slice(3 * i, 3 * i + 3);
  const length = (positions, [a, b]) => {
    const [p, q] = [atom(positions, a), atom(positions, b)];
    return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
  };
  const stretched = ({ bonds, real }, positions) =>
    bonds.map((bond) => length(positions, bond) > STRETCHED * length(real, bond));

  // Parallel projection, far parts first.  The scale is that of the real conformation.
  function draw(canvas, molecule, positions, turn) {
    const { atoms, bonds, real } = molecule;
    const width = canvas.clientWidth || 240;
    const ratio = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, width * TALL * ratio];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const radius = Math.max(...atoms.map((_, i) => Math.hypot(...atom(real, i)))) * 1.12;
    const scale = width / 2 / radius;
    const [cx, sx] = [Math.cos(turn.x), Math.sin(turn.x)];
    const [cy, sy] = [Math.cos(turn.y), Math.sin(turn.y)];
    const at = atoms.map((_, i) => {
      const [x, y, z] = atom(positions, i);
      const [right, back] = [x * cy + z * sy, z * cy - x * sy];
      const [up, depth] = [y * cx - back * sx, back * cx + y * sx];
      return { x: width / 2 + right * scale, y: (width * TALL) / 2 - up * scale, depth };
    });
    const style = getComputedStyle(canvas);
    const torn = stretched(molecule, positions);
    const stick = ([a, b], k) => () => {
      pen.beginPath();
      pen.setLineDash(torn[k] ? [4, 3] : []);
      pen.strokeStyle = style.getPropertyValue(torn[k] ? "--replace" : "--pst-color-text-muted");
      pen.lineWidth = torn[k] ? 2 : 3;
      pen.moveTo(at[a].x, at[a].y);
      pen.lineTo(at[b].x, at[b].y);
      pen.stroke();
    };
    const ball = (symbol, i) => () => {
      pen.beginPath();
      pen.setLineDash([]);
      pen.arc(at[i].x, at[i].y, scale * UNIT * (symbol === "H" ? 0.24 : 0.4), 0, 2 * Math.PI);
      pen.fillStyle = COLOURS[symbol] || OTHER;
      pen.fill();
      pen.strokeStyle = "#333";
      pen.lineWidth = 0.8;
      pen.stroke();
    };
    const depth = ([a, b]) => Math.min(at[a].depth, at[b].depth) - 1;
    [...bonds.map((bond, k) => [depth(bond), stick(bond, k)]),
      ...atoms.map((symbol, i) => [at[i].depth, ball(symbol, i)])]
      .sort((a, b) => a[0] - b[0]).forEach(([, paint]) => paint());
  }

  Interactive.builders.molecules = (body, data) => {
    const turn = { x: -0.25, y: 0.35 };
    const views = new Map(); // canvas -> what it shows: [molecule, positions]
    let which = 0;
    const redraw = () => views.forEach((shown, canvas) => draw(canvas, ...shown, turn));
    const turned = (right, down) => {
      turn.y += right;
      turn.x += down;
      redraw();
    };
    const keys = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP] };

    function view(label) {
      const canvas = el("canvas", { tabindex: 0, role: "img", "aria-label": label,
        onkeydown(event) {
          if (!(event.key in keys)) return;
          event.preventDefault();
          turned(...keys[event.key]);
        },
        onpointerdown: (event) => canvas.setPointerCapture(event.pointerId),
        onpointermove: ({ buttons, movementX, movementY }) =>
          buttons && turned(movementX * PIXEL, movementY * PIXEL),
      });
      const resized = () => views.has(canvas) && draw(canvas, ...views.get(canvas), turn);
      new ResizeObserver(resized).observe(canvas);
      return canvas;
    }
    function put(canvas, label, molecule, positions) {
      canvas.setAttribute("aria-label", `${label}; the arrow keys turn it`);
      views.set(canvas, [molecule, positions]);
      draw(canvas, molecule, positions, turn);
    }

    const reference = view("");
    const numbers = select("Molecule", [], "", (value) => { which = Number(value); show(); });
    const { controls, show } = Interactive.slides(body, data, (side, samples, chosen) => {
      const { regime, t, setting } = chosen;
      if (which >= setting.molecules.length) which = 0;
      const molecule = setting.molecules[which];
      let canvas = side.querySelector("canvas");
      if (!canvas) side.replaceChildren((canvas = view("")), el("p", {}));
      const { at, bond, angle } = samples[which];
      put(canvas, `The molecule as fit ${t} samples it under ${REGIMES[regime]}`, molecule, at);
      side.lastChild.textContent = `mean error: bonds ${bond} Å, angles ${angle}°`;
      put(reference, "The real conformation of the molecule", molecule, molecule.real);
      numbers.fill(setting.molecules.map((one, i) => [String(i), one.title]), String(which));
    });
    controls.append(numbers);
    const panels = body.querySelector(".panels");
    panels.classList.replace("two", "three");
    panels.prepend(el("div", { class: "panel" }, el("p", { class: "head" }, "real conformation"),
      el("p", {}), el("div", { class: "sample" }, reference)));
    body.append(el("p", { class: "key" }, "Drag a molecule, or use the arrow keys, to turn them. "
      + "Errors are mean absolute differences to the real conformation. Dashed: a bond more than a "
      + "quarter longer than there. Carbon is grey, hydrogen white, nitrogen blue, oxygen red, "
      + "sulphur yellow, and a halogen green."));
    show();
  };
})();
