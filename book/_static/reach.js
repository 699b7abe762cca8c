// A box that scrolls sideways can be reached with the keyboard, and says that it scrolls (book.css).
// On paper every dropdown is open; folded code is left out.
"use strict";

(() => {
  const BOXES = "pre, .output, .pst-scrollable-table-container, div.math";

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

  const FOLDED = "details:is(.sd-dropdown, .below-input):not([open])";
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(FOLDED)];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
