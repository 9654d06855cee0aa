// Everything about one clip, beside the list.

const panel = byId("details");
const details = { isOpen: false };

function openDetails() {
  if (list.active < 0) return;
  details.isOpen = true;
  panel.hidden = false;
  showDetails();
  panel.focus({ preventScroll: true });
}

function hideDetails() {
  details.isOpen = false;
  panel.hidden = true;
  setAddress("");
}

function closeDetails() {
  hideDetails();
  grid.focus({ preventScroll: true });
}

function showDetails() {
  const index = list.found[list.active];
  if (index === undefined) {
    hideDetails(); // and leave the focus in the search that found nothing
    return;
  }
  const clip = clips[index];
  setAddress(clip[0]);
  byId("details-title").textContent = clip[1];
  byId("details-place").textContent =
    `${(list.active + 1).toLocaleString("en")} of ${list.found.length.toLocaleString("en")}`;
  const link = byId("details-key");
  link.textContent = clip[0];
  link.href = `#${address(clip[0])}`;
  const texts = indexesOf((c) => c.kind === "text").map((i) => detailText(columns[i], clip[FIRST + i]));
  const flags = flagsOf(clip).map((flag) => make("span", { class: "chip" }, flag));
  byId("details-body").replaceChildren(
    picture(images.at(index), "large"),
    make("div", { class: "flags", hidden: !flags.length }, ...flags),
    ...texts,
    ...timeline(framesOf.at(index)),
    numbersTable(clip),
  );
  byId("details-body").scrollTop = 0;
}

function detailText(column, value) {
  const heading = make("h3", { title: column.help }, column.label);
  const text = value
    ? make("p", { class: "full", dir: "auto" }, ...marked(value, list.wish.query, Infinity))
    : make("p", { class: "full none" }, "no text");
  return make("section", {}, heading, text);
}

/** Numbers of a clip, each where it lies between the least and the greatest of all clips. */
function numbersTable(clip) {
  const rows = [...extents].map(([i, limits]) => {
    const [column, value] = [columns[i], clip[FIRST + i]];
    const meter = make("div", { class: "meter", "aria-hidden": "true" });
    if (value !== null && limits[1] > limits[0]) {
      const dot = make("i");
      dot.style.left = `${(100 * (value - limits[0])) / (limits[1] - limits[0])}%`;
      meter.append(dot);
    }
    const name = make("th", { scope: "row", title: column.help }, column.label);
    const number = make("td", { class: "numeric" }, valueText(column, value));
    return make("tr", {}, name, number, make("td", { class: "wide" }, meter));
  });
  const heading = make("h3", {}, "Numbers");
  const note = make("p", { class: "note" }, "The bar runs from the least to the greatest of all clips.");
  const table = make("table", { class: "numbers" }, make("tbody", {}, ...rows));
  return make("section", { hidden: !rows.length }, heading, table, note);
}

/** A clip's frames in time order, each with all that was written for it. */
function timeline(frames) {
  if (!frames || !frames.length) return [];
  const items = frames.map(([time, texts, chosen, scores, image]) => {
    const lines = texts.map((text, i) => {
      const line = make("li", { class: i === chosen ? "chosen" : "" });
      line.append(make("span", { dir: "auto" }, text || "no text"));
      if (i === chosen) line.append(make("span", { class: "tag" }, "chosen"));
      if (scores[i] != null) line.append(make("span", { class: "score" }, scores[i].toFixed(3)));
      return line;
    });
    const moment = time === null ? "\u2013" : timeText(time, 1);
    const shown = image ? [picture(image, "thumb")] : [];
    const stamp = make("div", { class: "moment" }, make("time", {}, moment), ...shown);
    return make("li", { class: "frame" }, stamp, make("ul", {}, ...lines));
  });
  const heading = make("h3", {}, "Frames");
  return [make("section", {}, heading, make("ol", { class: "timeline" }, ...items))];
}

/** A key as it stands after the `#`; one that has no such form has no address. */
function address(key) {
  try {
    return encodeURIComponent(key);
  } catch {
    return "";
  }
}

function setAddress(key) {
  const place = key ? `#${address(key)}` : location.pathname + location.search;
  try {
    history.replaceState(null, "", place);
  } catch {
    // A page opened from within another may not change its address; nothing depends on it.
  }
}

/** Open the clip that the page's address names. */
function followAddress() {
  let key = location.hash.slice(1);
  try {
    key = decodeURIComponent(key);
  } catch {
    // Not encoded by this page: taken as it stands.
  }
  const index = key ? clips.findIndex((clip) => clip[0] === key) : -1;
  if (index < 0) return false;
  showView("clips");
  if (!list.found.includes(index)) clearFilters();
  moveTo(list.found.indexOf(index));
  openDetails();
  return true;
}

function startDetails() {
  byId("details-close").addEventListener("click", closeDetails);
  byId("details-previous").addEventListener("click", () => moveTo(list.active - 1));
  byId("details-next").addEventListener("click", () => moveTo(list.active + 1));
}
