// Search results show prose: code and printed output are left out of their excerpts.
"use strict";

addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return; // not the page of results
  const textOf = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const code of page.querySelectorAll(".cell_input, pre")) code.remove();
    return textOf(page.documentElement.outerHTML, anchor);
  };
});
