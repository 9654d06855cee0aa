// The controls above the list: search, flags, ranges of numbers, order.

const search = byId("search");
const filters = byId("filters");

function startFilters() {
  search.addEventListener("input", () => {
    list.wish.query = search.value;
    refresh();
  });
  const order = byId("sort");
  columns.forEach((column, i) => order.append(make("option", { value: String(i) }, column.label)));
  order.addEventListener("change", () => {
    list.wish.sort = -1; // a new choice starts with its own direction
    sortBy(Number(order.value));
  });
  byId("direction").addEventListener("click", () => sortBy(list.wish.sort));
  byId("filter-button").addEventListener("click", () => toggleFilters(filters.hidden));
  byId("clear").addEventListener("click", clearFilters);
  buildFlags();
  buildRanges();
}

function toggleFilters(open) {
  filters.hidden = !open;
  byId("filter-button").setAttribute("aria-expanded", String(open));
}

function clearFilters() {
  const { sort, descending } = list.wish;
  list.wish = { ...freshWish(), sort, descending };
  search.value = "";
  for (const input of filters.querySelectorAll("input")) input.value = "";
  for (const button of filters.querySelectorAll(".flag")) showFlag(button);
  filtered();
}

function filtered() {
  const active = list.wish.flags.size + list.wish.ranges.size;
  byId("filter-count").textContent = active ? ` \u00b7 ${active}` : "";
  refresh();
}

/** A button a flag: first press "with", second "without", third off. */
function buildFlags() {
  const counts = new Map();
  for (const clip of clips) {
    for (const flag of flagsOf(clip)) counts.set(flag, (counts.get(flag) ?? 0) + 1);
  }
  byId("flag-filter").hidden = counts.size === 0;
  for (const [flag, count] of [...counts].sort(([, a], [, b]) => b - a)) {
    const number = make("span", { class: "number" }, count.toLocaleString("en"));
    const side = make("span", { class: "side" });
    const properties = { type: "button", class: "flag", title: flagHelp(flag) };
    const button = make("button", properties, side, flag, number);
    button.dataset.flag = flag;
    button.addEventListener("click", () => {
      const next = { undefined: "with", with: "without" }[list.wish.flags.get(flag)];
      if (next) list.wish.flags.set(flag, next);
      else list.wish.flags.delete(flag);
      showFlag(button);
      filtered();
    });
    showFlag(button);
    byId("flag-buttons").append(button);
  }
}

/** Cells of the summary that find what they name: a press shows its clips. */
function startFinds() {
  for (const button of document.querySelectorAll("button.finds")) {
    const wanted = button.textContent;
    if (button.dataset.finds === "flag" && !clips.some((clip) => flagsOf(clip).includes(wanted))) {
      button.replaceWith(wanted);
      continue;
    }
    button.addEventListener("click", () => {
      clearFilters();
      if (button.dataset.finds === "flag") {
        list.wish.flags.set(wanted, "with");
        for (const flag of filters.querySelectorAll(".flag")) showFlag(flag);
      } else {
        // A text with quotes in it cannot stand between quotes: its words are searched.
        search.value = wanted.includes('"') ? wanted.replaceAll('"', " ") : `"${wanted}"`;
        list.wish.query = search.value;
      }
      filtered();
      showView("clips");
      grid.focus({ preventScroll: true });
    });
  }
}

function showFlag(button) {
  const side = list.wish.flags.get(button.dataset.flag);
  button.dataset.side = side ?? "";
  button.setAttribute("aria-pressed", String(side !== undefined));
  button.firstChild.textContent = side ? `${side} ` : "";
}

/** Least and greatest value of a column, or null where it has none. */
function extent(index) {
  let low = Infinity;
  let high = -Infinity;
  for (const clip of clips) {
    const value = clip[FIRST + index];
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}
const extents = new Map(indexesOf(isNumeric).map((i) => [i, extent(i)]));

function buildRanges() {
  for (const [index, limits] of extents) {
    if (!limits) continue;
    const column = columns[index];
    const inputs = limits.map((limit, end) => {
      const placeholder = limit.toFixed(Math.min(column.digits, 3));
      const what = `${column.label}, ${end ? "at most" : "at least"}`;
      return make("input", { type: "number", step: "any", placeholder, "aria-label": what });
    });
    const unit = column.kind === "time" ? " (s)" : "";
    const legend = make("legend", { title: column.help }, column.label + unit);
    const box = make("fieldset", { class: "range" }, legend, inputs[0], "to", inputs[1]);
    box.addEventListener("input", () => {
      const [low, high] = inputs.map((input) => input.valueAsNumber);
      const bounds = [Number.isNaN(low) ? -Infinity : low, Number.isNaN(high) ? Infinity : high];
      if (bounds.some(Number.isFinite)) list.wish.ranges.set(index, bounds);
      else list.wish.ranges.delete(index);
      filtered();
    });
    byId("ranges").append(box);
  }
}
