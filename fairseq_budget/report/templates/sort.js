// A click on a heading sorts its table: by number, with the prefixes and the units of time that the cells have, or by text.
const PREFIXES = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };
const TIMES = { ms: 1e-3, s: 1, min: 60, h: 3600 };
function valueOf(text) {
  const found = /^([-+]?[\d,.]+(?:e[-+]?\d+)?)\s*(ms|min|s|h)?\b\s*([kMGTPE](?=\b|FLOP))?/.exec(text.trim());
  if (!found) return null;
  return Number(found[1].replaceAll(",", "")) * (TIMES[found[2]] ?? 1) * PREFIXES[found[3] ?? ""];
}
function compare(one, other) {
  const [first, second] = [valueOf(one), valueOf(other)];
  if (first === null && second === null) return one.localeCompare(other);
  return first === null ? 1 : second === null ? -1 : first - second;
}
for (const table of document.querySelectorAll("table.sorts")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const sort = () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const last = [...body.rows].filter((row) => row.classList.contains("total"));
      const rows = [...body.rows].filter((row) => !row.classList.contains("total"));
      rows.sort((one, other) => compare(one.cells[column].textContent, other.cells[column].textContent) * (down ? -1 : 1));
      body.append(...rows, ...last);
    };
    heading.tabIndex = 0;
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}
