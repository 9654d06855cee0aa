// Views and keys, and where everything begins.

const views = ["summary", "clips", "rate"].filter((name) => byId(`tab-${name}`));
let view = "";

function showView(name) {
  view = name;
  for (const other of views) {
    byId(other).hidden = other !== name;
    const tab = byId(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
  }
  if (name === "clips") drawRows();
}

function startTabs() {
  for (const name of views) {
    byId(`tab-${name}`).addEventListener("click", () => showView(name));
  }
  byId("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = views[(views.indexOf(view) + step + views.length) % views.length];
    showView(next);
    byId(`tab-${next}`).focus();
    event.preventDefault();
    event.stopPropagation();
  });
}

const help = byId("help");

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) return;
  const { target } = event;
  const isTyping = target.matches("input, select, textarea");
  const handled = isTyping ? typingKey(event) : plainKey(event, target.closest("button, a, summary"));
  if (handled) event.preventDefault();
}

/** Keys in a field belong to the field, but for the ways out of it. */
function typingKey({ key, target }) {
  if (key === "Escape") {
    if (target.closest("#filters")) {
      toggleFilters(false);
      byId("filter-button").focus();
    } else (view === "clips" ? grid : target).focus();
    if (view !== "clips") target.blur();
    return true;
  }
  if (target === search && (key === "Enter" || key === "ArrowDown")) {
    grid.focus();
    return true;
  }
  return false;
}

function plainKey(event, control) {
  const { key } = event;
  if (key === "?") {
    help.showModal();
    return true;
  }
  if (key === "/") {
    showView("clips");
    search.focus();
    search.select();
    return true;
  }
  if (key === "f" && view !== "rate") {
    showView("clips");
    toggleFilters(true);
    filters.querySelector("button, input").focus();
    return true;
  }
  if (view === "rate") return rateByKey(event);
  return view === "clips" && listKey(event, control);
}

function listKey({ key }, control) {
  const page = Math.max(1, Math.floor(grid.clientHeight / list.height) - 1);
  const move = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[key];
  const goal = { Home: 0, End: list.found.length - 1 }[key] ?? (move && list.active + move);
  if (goal !== undefined) {
    moveTo(goal);
    if (!panel.contains(document.activeElement)) grid.focus({ preventScroll: true });
  } else if (key === "Enter" && !control) openDetails();
  else if (details.isOpen && key === "ArrowLeft") stepFrame(-1);
  else if (details.isOpen && key === "ArrowRight") stepFrame(1);
  else if (key === "Escape" && details.isOpen) closeDetails();
  else if (key === "Escape" && !filters.hidden) toggleFilters(false);
  else return false;
  return true;
}

function showNotes() {
  const lines = [...blocks("notes")].flatMap(parse);
  byId("notes").append(...lines.map((line) => make("p", { class: "note" }, line)));
  byId("notes").hidden = !lines.length;
}

startTabs();
startFilters();
startList();
startDetails();
startRating();
startFinds();
showNotes();
byId("help-button").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", followAddress);
refresh();
if (!followAddress()) showView(views[0]);
document.documentElement.dataset.ready = "true";
