// The list: a grid in which only the rows that can be seen exist.

const grid = byId("grid");
const body = byId("rows");
const OVERSCAN = 4;
const LONGEST_IN_ROW = 320; // characters; the details have all of them

const list = { wish: freshWish(), found: [], active: -1, rows: new Map(), height: 0 };

function freshWish() {
  return { query: "", flags: new Map(), ranges: new Map(), sort: -1, descending: false };
}

const listed = indexesOf((c) => c.listed);

// Least and greatest width of a column, by kind.
const WIDTHS = { text: ["12rem", "1fr"], clip: ["7rem", "10rem"], flags: ["7rem", "10rem"] };
const NUMERIC_WIDTHS = ["4.25rem", "5.5rem"];

function buildHead() {
  const widths = [["7rem", "9rem"], ...listed.map((i) => WIDTHS[columns[i].kind] ?? NUMERIC_WIDTHS)];
  const tracks = widths.map(([least, greatest]) => `minmax(${least}, ${greatest})`);
  grid.style.setProperty("--tracks", `var(--thumb) ${tracks.join(" ")}`);
  const least = widths.map(([width]) => `${width} + 1rem`).join(" + ");
  grid.style.setProperty("--least", `calc(var(--thumb) + 3rem + ${least})`);
  const texts = listed.filter((i) => columns[i].kind === "text").length;
  document.documentElement.dataset.texts = String(texts); // cards of one text are lower
  const head = byId("head");
  head.append(headCell("Frame"), headCell("Clip"), ...listed.map((i) => sortCell(i)));
  grid.setAttribute("aria-colcount", String(listed.length + 2));
}

function headCell(label) {
  return make("div", { role: "columnheader", class: "cell" }, label);
}

function sortCell(index) {
  const column = columns[index];
  const button = make("button", { type: "button", class: "sorts", title: column.help }, column.label);
  button.addEventListener("click", () => sortBy(index));
  const kind = isNumeric(column) ? "numeric" : column.kind;
  return make("div", { role: "columnheader", class: `cell ${kind}`, "data-column": index }, button);
}

/** Sort by a column; by the same once more: the other way round. */
function sortBy(index) {
  const { wish } = list;
  const again = wish.sort === index;
  wish.descending = again ? !wish.descending : index >= 0 && startsDescending(columns[index]);
  wish.sort = index;
  refresh();
}

/** Find the clips anew and show them from the top; the cursor stays on a clip that is open. */
function refresh() {
  const open = details.isOpen ? list.found[list.active] : -1;
  list.found = sift(list.wish);
  list.active = Math.max(list.found.indexOf(open), Math.min(0, list.found.length - 1));
  grid.setAttribute("aria-rowcount", String(list.found.length + 1));
  const total = clips.length.toLocaleString("en");
  const found = list.found.length.toLocaleString("en");
  byId("count").textContent = found === total ? `${total} clips` : `${found} of ${total} clips`;
  byId("nothing").hidden = list.found.length > 0;
  showOrder();
  clearRows();
  grid.scrollTop = 0;
  drawRows();
  if (details.isOpen) showDetails();
}

function showOrder() {
  const { sort, descending } = list.wish;
  byId("sort").value = String(sort);
  const direction = byId("direction");
  direction.hidden = sort < 0;
  if (sort >= 0) direction.textContent = orderLabel(columns[sort], descending);
  for (const cell of byId("head").querySelectorAll("[data-column]")) {
    const isSorted = Number(cell.dataset.column) === sort;
    const order = descending ? "descending" : "ascending";
    cell.setAttribute("aria-sort", isSorted ? order : "none");
  }
}

function clearRows() {
  for (const row of list.rows.values()) row.remove();
  list.rows.clear();
}

/** Height of a row in pixels: the style gives it in `rem`, other on narrow screens. */
function rowHeight() {
  const style = getComputedStyle(document.documentElement);
  return parseFloat(style.getPropertyValue("--row")) * parseFloat(style.fontSize);
}

/** Make the rows that can be seen, and drop those that cannot. */
function drawRows() {
  list.height = rowHeight();
  body.style.height = `${list.found.length * list.height}px`;
  const first = Math.max(0, Math.floor(grid.scrollTop / list.height) - OVERSCAN);
  const seen = Math.ceil(grid.clientHeight / list.height) + 2 * OVERSCAN;
  const end = Math.min(list.found.length, first + seen);
  for (const [place, row] of list.rows) {
    if (place < first || place >= end) {
      row.remove();
      list.rows.delete(place);
    }
  }
  for (let place = first; place < end; place += 1) {
    if (!list.rows.has(place)) {
      const row = makeRow(place);
      list.rows.set(place, row);
      body.append(row);
    }
  }
  showActive();
}

function makeRow(place) {
  const index = list.found[place];
  const clip = clips[index];
  const title = marked(clip[1], list.wish.query, LONGEST_IN_ROW);
  const name = make("div", { role: "gridcell", class: "cell name", dir: "auto" }, ...title);
  const thumb = make("div", { role: "gridcell", class: "cell" }, picture(images.at(index), "thumb"));
  const cells = listed.map((i) => makeCell(columns[i], clip[FIRST + i], i === list.wish.sort));
  const row = make("div", { role: "row", class: "row", id: `row-${place}` }, thumb, name, ...cells);
  row.setAttribute("aria-rowindex", String(place + 2));
  row.style.transform = `translateY(${place * list.height}px)`;
  row.addEventListener("click", () => {
    moveTo(place);
    openDetails();
  });
  return row;
}

function makeCell(column, value, isSorted) {
  const sorted = isSorted ? " sorted" : "";
  if (column.kind === "flags") {
    return make("div", { role: "gridcell", class: `cell flags${sorted}` }, ...value.map(chip));
  }
  // On narrow screens the cells stand below each other, each with its label.
  const label = make("span", { class: "label", "aria-hidden": "true" }, column.label);
  const content = isNumeric(column) ? make("span", {}, valueText(column, value)) : textCell(value);
  const kind = isNumeric(column) ? "numeric" : "text";
  return make("div", { role: "gridcell", class: `cell ${kind}${sorted}` }, label, content);
}

function textCell(value) {
  if (!value) return make("span", { class: "clamp none" }, "no text");
  const parts = marked(value, list.wish.query, LONGEST_IN_ROW);
  return make("span", { class: "clamp", dir: "auto" }, ...parts);
}

function showActive() {
  for (const [place, row] of list.rows) {
    row.setAttribute("aria-selected", String(place === list.active));
  }
  const row = list.rows.get(list.active);
  if (row) grid.setAttribute("aria-activedescendant", row.id);
  else grid.removeAttribute("aria-activedescendant");
}

/** Move the cursor to a place in the list, and scroll until it can be seen. */
function moveTo(place) {
  if (!list.found.length) return;
  list.active = Math.max(0, Math.min(list.found.length - 1, place));
  const top = list.active * list.height;
  const room = grid.clientHeight - byId("head").offsetHeight;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + list.height > grid.scrollTop + room) grid.scrollTop = top + list.height - room;
  drawRows();
  if (details.isOpen) showDetails();
}

function startList() {
  buildHead();
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const height = list.height;
      drawRows();
      if (height !== list.height) {
        clearRows();
        drawRows();
      }
    });
  };
  grid.addEventListener("scroll", redraw, { passive: true });
  new ResizeObserver(redraw).observe(grid);
}
