// Which clips are listed, and in which order: pure functions of a `wish`.
//
// wish = { query, flags: Map(flag -> "with" | "without"), ranges: Map(column -> [low, high]),
//          sort: column or -1, descending }

let haystacks = null;

/** A clip's texts in lower case, made when first searched. */
function haystack(index) {
  if (!haystacks) {
    const searched = indexesOf((c) => !isNumeric(c));
    haystacks = clips.map((clip) => {
      const texts = searched.map((i) => [].concat(clip[FIRST + i] ?? "").join("\n"));
      return [clip[0], clip[1], ...texts].join("\n").toLowerCase();
    });
  }
  return haystacks[index];
}

/** Words that must all occur; "in quotes" they must stand together. */
function terms(query) {
  const found = [];
  for (const [, quoted, word] of query.matchAll(/"([^"]+)"?|([^\s"]+)/g)) {
    found.push(quoted ?? word);
  }
  return found;
}

function flagsOf(clip) {
  return flagColumns.flatMap((i) => clip[FIRST + i]);
}
const flagColumns = indexesOf((c) => c.kind === "flags");

function matches(index, words, wish) {
  const clip = clips[index];
  for (const [column, [low, high]] of wish.ranges) {
    const value = clip[FIRST + column];
    if (value === null || value < low || value > high) return false;
  }
  if (wish.flags.size) {
    const flags = flagsOf(clip);
    for (const [flag, side] of wish.flags) {
      if (flags.includes(flag) !== (side === "with")) return false;
    }
  }
  return words.every((word) => haystack(index).includes(word));
}

/** Indexes of the clips that a wish asks for, sorted; what has no value comes last. */
function sift(wish) {
  const words = terms(wish.query).map((word) => word.toLowerCase());
  const found = [];
  for (let i = 0; i < clips.length; i += 1) if (matches(i, words, wish)) found.push(i);
  if (wish.sort < 0) return found;
  const compare = comparison(columns[wish.sort]);
  const sign = wish.descending ? -1 : 1;
  const value = (index) => sortValue(columns[wish.sort], clips[index][FIRST + wish.sort]);
  const keyed = found.map((index) => [value(index), index]);
  keyed.sort(([a, i], [b, j]) => {
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    return sign * compare(a, b) || i - j;
  });
  return keyed.map(([, index]) => index);
}

function sortValue(column, value) {
  if (column.kind === "flags") return value.length;
  return value === "" ? null : value; // what is not there comes last
}

function comparison(column) {
  if (isNumeric(column) || column.kind === "flags") return (a, b) => a - b;
  return new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
}

/** Whether a column's first click sorts high to low: the worst comes first. */
const startsDescending = (column) => column.good === "low" || column.kind === "flags";

function orderLabel(column, descending) {
  if (column.good) return descending === startsDescending(column) ? "Worst first" : "Best first";
  if (column.kind === "text" || column.kind === "clip") return descending ? "Z to A" : "A to Z";
  if (column.kind === "time") return descending ? "Latest first" : "Earliest first";
  if (column.kind === "flags") return descending ? "Most first" : "Fewest first";
  return descending ? "High to low" : "Low to high";
}

const HALF_CHARACTER = /^[\udc00-\udfff]|[\ud800-\udbff]$/g; // what a cut leaves at its edges
const MOST_MARKS = 400;

/** A text with the searched words marked; a long one is cut around the first of them. */
function marked(text, query, longest) {
  const words = terms(query).map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const pattern = words.length ? new RegExp(words.join("|"), "giu") : null;
  const first = pattern ? Math.max(text.search(pattern), 0) : 0;
  const start = text.length > longest && first > longest / 2 ? first - 40 : 0;
  const shown = text.slice(start, start + longest).replace(HALF_CHARACTER, "");
  const parts = start ? ["\u2026"] : [];
  let end = 0;
  for (const hit of pattern ? shown.matchAll(pattern) : []) {
    parts.push(shown.slice(end, hit.index), make("mark", {}, hit[0]));
    end = hit.index + hit[0].length;
    if (parts.length > MOST_MARKS) break;
  }
  parts.push(shown.slice(end), start + longest < text.length ? "\u2026" : "");
  return parts;
}
