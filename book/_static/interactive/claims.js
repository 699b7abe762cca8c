// The forest plot of the claims.  The build draws it; this file adds the filters, and on a phone
// closes the experiments, whose titles count their claims.
"use strict";

Interactive.builders.claims = (body, { sections }) => {
  const { el, select, button } = Interactive;
  const host = body.parentElement;
  const all = (selector, inside = host) => [...inside.querySelectorAll(selector)];
  const any = ["", "all"];
  const chosen = { outcome: "", section: "", data: "", evidence: "", source: "" };
  const status = el("p", { role: "status", class: "key" });

  const data = (section) => [...new Set(all(".claim")
    .filter((claim) => !section || claim.dataset.section === section)
    .flatMap((claim) => all(".result", claim).map((row) => row.dataset.data)))];
  const pairs = (values) => [any, ...values.map((value) => [value, value])];
  const set = (name) => (value) => { chosen[name] = value; show(); };
  const choices = {
    outcome: select("Outcome", pairs(["reproduced", "undecided", "not reproduced"]), "",
      set("outcome")),
    section: select("Experiment", [any, ...sections], "", (section) => {
      Object.assign(chosen, { section, data: "" });
      choices.data.fill(pairs(data(section)), "");
      show();
    }),
    data: select("Data", pairs(data("")), "", set("data")),
    evidence: select("Evidence", pairs(["confirmatory", "exploratory"]), "", set("evidence")),
    source: select("Made by", [any, ["paper", "the paper"], ["ours", "us"]], "", set("source")),
  };

  const fits = (names, dataset) =>
    names.every((name) => !chosen[name] || chosen[name] === dataset[name]);

  function show() {
    const count = { claims: 0 };
    for (const claim of all(".claim")) {
      const rows = all(".result", claim);
      for (const row of rows) {
        row.hidden = !fits(["outcome", "data", "evidence"], row.dataset);
        if (row.hidden || !fits(["section", "source"], claim.dataset)) continue;
        count[row.dataset.outcome] = (count[row.dataset.outcome] || 0) + 1;
      }
      // A claim that was not run has no rows; it is shown if no filter asks for a result.
      const some = rows.some((row) => !row.hidden) || fits(["outcome", "data", "evidence"], {});
      claim.hidden = !some || !fits(["section", "source"], claim.dataset);
      count.claims += !claim.hidden;
    }
    for (const section of all(".section")) {
      section.hidden = all(".claim", section).every((claim) => claim.hidden);
      section.open = true;
    }
    const { claims, ...outcomes } = count;
    const parts = Object.entries(outcomes).map(([outcome, n]) => `${n} ${outcome}`);
    const results = Object.values(outcomes).reduce((sum, n) => sum + n, 0);
    status.textContent = `Shown: ${claims} claims with ${results} results`
      + (parts.length ? `: ${parts.join(", ")}.` : ".");
  }

  function reset() {
    for (const name of Object.keys(chosen)) chosen[name] = "";
    choices.data.fill(pairs(data("")), "");
    for (const choice of Object.values(choices)) choice.querySelector("select").value = "";
    show();
  }

  // A link to a claim that the filters hide shows all claims again.
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.hidden || !body.contains(target)) return;
    reset();
    target.scrollIntoView();
  });

  body.append(el("div", { class: "controls" }, ...Object.values(choices),
    button("Show all", reset)), status, ...host.querySelector(".static").childNodes);
  show();
  if (matchMedia("(max-width: 576px)").matches)
    for (const section of all(".section")) section.open = false;
};
