// A box that scrolls sideways can be reached with the keyboard, and says that it scrolls (book.css).
// A link opens the dropdown that holds its target.  On paper every dropdown is open; folded code is left out.
"use strict";

(() => {
  const BOXES =
    "pre, .output, .pst-scrollable-table-container, mjx-container[display=true], .interactive .scroll";

  function mark() {
    for (const box of document.querySelectorAll(BOXES)) {
      const scrolls = box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1;
      if (scrolls) box.tabIndex = 0;
      box.classList.toggle("scrolls", scrolls);
    }
  }

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise; // formulas have their width once they are drawn
    mark();
  });
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true); // of a dropdown

  // A link to what is inside a dropdown opens it; not every browser does so by itself.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let closed = target?.parentElement?.closest("details:not([open])");
    if (!closed) return;
    for (; closed; closed = target.parentElement.closest("details:not([open])")) closed.open = true;
    target.scrollIntoView();
  }
  addEventListener("load", reveal);
  addEventListener("hashchange", reveal);

  const FOLDED = "details:is(.sd-dropdown, .above-output, .section):not([open])";
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(FOLDED)];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
