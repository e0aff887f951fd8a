"use strict";
// Sorting, filtering and "show all" for plain tables; without it every row is there to read.
const number = (value) => value.toLocaleString("en");
for (const table of document.querySelectorAll("table[data-first]")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const first = Number(table.dataset.first);
  let all = rows.length <= first;

  const bar = document.createElement("div");
  bar.className = "bar";
  const label = document.createElement("label");
  label.textContent = "Filter ";
  const box = document.createElement("input");
  box.type = "search";
  label.append(box);
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  const more = document.createElement("button");
  more.type = "button";
  bar.append(label, count, more);
  if (rows.length > 5) table.closest("figure").insertBefore(bar, table.closest(".scroll"));

  function draw() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of body.rows) {
      const fits = words.every((word) => texts.get(row).includes(word));
      if (fits) found += 1;
      row.hidden = !fits || (!all && found > first);
    }
    const seen = all ? found : Math.min(found, first);
    const total = words.length ? `${number(found)} found` : number(found);
    count.textContent = seen < found || words.length ? `${number(seen)} of ${total}` : "";
    more.hidden = rows.length <= first;
    more.textContent = all ? `Show ${number(first)}` : `Show all ${number(rows.length)}`;
  }

  function compare(column, sign) {
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const numeric = rows.some((row) => row.cells[column].dataset.key !== undefined);
    return (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");  // empty last, whichever way
      return sign * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true }));
    };
  }

  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = head.title;
    head.removeAttribute("title");
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...Array.from(body.rows).sort(compare(column, up ? 1 : -1)));
      draw();
    });
  });
  box.addEventListener("input", draw);
  more.addEventListener("click", () => { all = !all; draw(); });
  draw();
}
