// SPDX-License-Identifier: GPL-3.0-or-later
// The page reads well without this: it only filters, opens what a link aims at, and opens everything for print.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");
  const chosen = new Set();
  const find = document.getElementById("find");
  const shown = document.getElementById("shown");

  const filter = () => {
    const words = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const active = chosen.size > 0 || words.length > 0;
    // A word counts for a result when it is in its control's name or in its host's.
    const fits = (status, text) =>
      (chosen.size === 0 || chosen.has(status)) && words.every((word) => text.includes(word));
    let cells = 0;
    let rows = 0;
    all(".matrix tr[data-control]").forEach((row) => {
      let any = false;
      all("td[data-status]", row).forEach((cell) => {
        const hit = fits(cell.dataset.status, `${row.dataset.find} ${cell.dataset.host.toLowerCase()}`);
        cell.classList.toggle("dim", active && !hit);
        any = any || hit;
        cells += hit ? 1 : 0;
      });
      row.hidden = active && !any;
      rows += any ? 1 : 0;
    });
    all(".matrix tbody").forEach((family) => { family.hidden = !family.querySelector("tr[data-control]:not([hidden])"); });
    all(".control").forEach((control) => {
      let any = false;
      all(".result", control).forEach((result) => {
        const hit = fits(result.dataset.status, `${control.dataset.find} ${result.dataset.host.toLowerCase()}`);
        result.hidden = active && !hit;
        any = any || hit;
      });
      control.hidden = active && !any;
    });
    shown.textContent = active ? `Shown: ${cells} of the results, in ${rows} of the controls.` : "";
  };

  all("button[data-status]").forEach((button) => {
    button.addEventListener("click", () => {
      const status = button.dataset.status;
      const on = !chosen.has(status);
      chosen[on ? "add" : "delete"](status);
      button.setAttribute("aria-pressed", String(on));
      filter();
    });
  });
  find.addEventListener("input", filter);

  const aim = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    all(".aim").forEach((old) => old.classList.remove("aim"));
    const result = target.closest(".result");
    if (result) result.classList.add("aim");
    (result || target).scrollIntoView({ block: "start" });
  };
  window.addEventListener("hashchange", aim);
  aim();

  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    opened.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
})();
