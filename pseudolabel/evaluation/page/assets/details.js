// Everything about one clip, beside the list.

const panel = byId("details");
const details = { isOpen: false, frame: -1, frames: [] };

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
  const kept = framesOf.at(index);
  const { frames, ...line } = Array.isArray(kept) ? { frames: kept } : kept;
  details.frames = frames.map(([, , , , image], i) => image ?? (i === line.pictured ? images.at(index) : null));
  details.frame = -1;
  const texts = indexesOf((c) => c.kind === "text").map((i) => detailText(columns[i], clip[FIRST + i]));
  const links = indexesOf((c) => c.kind === "clip").map((i) => clipLink(columns[i], clip[FIRST + i]));
  const chips = flagsOf(clip).map(chip);
  const large = make("figure", { id: "large" }, picture(images.at(index), "large"));
  byId("details-body").replaceChildren(
    large,
    ...spanBar(frames, line),
    make("div", { class: "flags", hidden: !chips.length }, ...chips),
    ...texts,
    ...links.filter(Boolean),
    ...timeline(frames),
    numbersTable(clip),
  );
  byId("details-body").scrollTop = 0;
  if (line.pictured != null) lookAt(line.pictured);
}

/** A clip that another one is linked with; opens it if this page has it. */
function clipLink(column, key) {
  if (!key) return null;
  const isHere = clips.some((clip) => clip[0] === key);
  const shown = isHere ? make("a", { href: `#${address(key)}` }, key) : `${key} (not on this page)`;
  const heading = make("h3", { title: column.help }, column.label);
  return make("section", {}, heading, make("p", { class: "link", dir: "auto" }, shown));
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

/** The clip as a bar in time: its frames, shot changes, and where its caption came from. */
function spanBar(frames, { start_s: start, end_s: end, parts = [], cuts_s: cuts = [] }) {
  if (start === undefined || end <= start) return [];
  const place = (time) => `${(100 * Math.min(Math.max(time - start, 0), end - start)) / (end - start)}%`;
  const bar = make("div", { class: "span", role: "group", "aria-label": "Frames of the clip" });
  for (const [first, last] of parts) {
    const part = make("i", { class: "part" });
    part.style.left = place(first);
    part.style.right = `calc(100% - ${place(last)})`;
    bar.append(part);
  }
  for (const cut of cuts) {
    const mark = make("i", { class: "cut", title: `cut at ${timeText(cut, 1)}` });
    mark.style.left = place(cut);
    bar.append(mark);
  }
  frames.forEach(([time, , chosen], i) => {
    const label = `frame ${i + 1} of ${frames.length}, at ${timeText(time, 1)}`;
    const stop = make("button", { type: "button", class: "stop", title: label, "aria-label": label });
    stop.classList.toggle("chosen", chosen !== null);
    stop.style.left = place(time);
    stop.addEventListener("click", () => lookAt(i));
    bar.append(stop);
  });
  const ends = [start, end].map((time) => make("time", {}, timeText(time, 1)));
  return [make("div", { class: "spanned" }, bar, make("div", { class: "ends" }, ...ends))];
}

/** Show one of the clip's frames large. */
function lookAt(frame) {
  const items = panel.querySelectorAll(".frame");
  if (!items[frame]) return;
  details.frame = frame;
  const { place } = items[frame].dataset;
  byId("large").replaceChildren(
    picture(details.frames[frame], "large"),
    make("figcaption", {}, place),
  );
  for (const name of [".frame", ".stop"]) {
    panel.querySelectorAll(name).forEach((item, i) => {
      item.classList.toggle("at", i === frame);
      if (i === frame) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    });
  }
}

function stepFrame(step) {
  if (details.frame < 0) return;
  lookAt(Math.max(0, Math.min(details.frames.length - 1, details.frame + step)));
}

/** A clip's frames in time order, each with all that was written for it. */
function timeline(frames) {
  if (!frames.length) return [];
  const items = frames.map((frame, i) => frameItem(frame, i, frames.length));
  const told = ["similarity", "log-probability"].filter((_, i) =>
    frames.some(([, , , scores, , more]) => (i ? more?.logprobs : scores)?.length),
  );
  const legend = make("span", { class: "score" }, told.length ? `with ${told.join(" and ")}` : "");
  const heading = make("h3", {}, "Frames", legend);
  return [make("section", {}, heading, make("ol", { class: "timeline" }, ...items))];
}

function frameItem([time, texts, chosen, scores, , more = {}], i, count) {
  const lines = texts.map((text, at) => {
    const line = make("li", { class: at === chosen ? "chosen" : "" });
    line.append(make("span", { dir: "auto" }, text || "no text"));
    if (at === chosen) line.append(make("span", { class: "tag" }, "chosen"));
    if (scores[at] != null) line.append(scoreText("similarity", scores[at], 3));
    if (more.logprobs?.[at] != null) line.append(scoreText("log-probability", more.logprobs[at], 2));
    if (more.marks?.[at]) line.append(make("span", { class: "score" }, more.marks[at]));
    return line;
  });
  const moment = time === null ? "\u2013" : timeText(time, 1);
  const image = details.frames[i];
  const stamp = make("div", { class: "moment" }, make("time", {}, moment));
  if (image) {
    const shot = picture(image, "thumb");
    shot.addEventListener("click", () => {
      lookAt(i);
      byId("details-body").scrollTop = 0;
    });
    stamp.append(shot);
  }
  const said = make("ul", {}, ...lines);
  if (more.note) said.append(make("li", { class: "note" }, more.note));
  const item = make("li", { class: "frame" }, stamp, said);
  item.dataset.place = `frame ${i + 1} of ${count} \u00b7 ${moment}`;
  return item;
}

function scoreText(name, value, digits) {
  const text = value.toFixed(digits).replace("-", "\u2212");
  return make("span", { class: "score", title: name }, text);
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
