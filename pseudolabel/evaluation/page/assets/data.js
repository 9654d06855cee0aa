// What the page carries, and how values are written. Text enters the page as text nodes only.

const byId = (id) => document.getElementById(id);
const blocks = (part) => document.querySelectorAll(`script[data-part="${part}"]`);
const parse = (element) => JSON.parse(element.textContent);

/** An element with properties, classes and children; a string becomes a text node. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Items of blocks that are parsed when first asked for; the last few blocks stay in memory. */
class LazyItems {
  constructor(part, blockSize) {
    this.elements = blocks(part);
    this.blockSize = blockSize;
    this.parsed = new Map();
  }

  at(index) {
    const number = Math.floor(index / this.blockSize);
    let items = this.parsed.get(number);
    if (!items) {
      if (this.parsed.size > 31) this.parsed.delete(this.parsed.keys().next().value);
      items = number < this.elements.length ? parse(this.elements[number]) : [];
      this.parsed.set(number, items);
    }
    return items[index % this.blockSize];
  }
}

const about = parse(blocks("about")[0]);
const columns = about.columns;
const clips = []; // [key, title, a value a column...]
for (const element of blocks("clips")) for (const clip of parse(element)) clips.push(clip);
const images = new LazyItems("images", about.block);
const framesOf = new LazyItems("frames", about.block);

const FIRST = 2; // where the values of a clip start
const isNumeric = (column) => column.kind === "number" || column.kind === "time";
const indexesOf = (test) => columns.map((c, i) => (test(c) ? i : -1)).filter((i) => i >= 0);

/** Seconds as people write them: 75.5 is 1:15.5. */
function timeText(seconds, digits) {
  const scale = 10 ** digits;
  const total = Math.round(Math.abs(seconds) * scale) / scale;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const rest = (total % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const short = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${seconds < 0 ? "\u2212" : ""}${short}:${rest}`;
}

function valueText(column, value) {
  if (value === null) return "\u2013";
  if (column.kind === "time") return timeText(value, Math.min(column.digits, 3));
  return value.toFixed(column.digits).replace("-", "\u2212");
}

/** What a flag means, as far as the page knows. */
const flagHelp = (flag) => (Object.hasOwn(about.flags, flag) ? about.flags[flag] : "");
const chip = (flag) => make("span", { class: "chip", title: flagHelp(flag) }, flag);

/** A picture, or a quiet place where it would be. */
function picture(base64, className) {
  if (!base64) return make("div", { class: `${className} missing`, "aria-hidden": "true" });
  // Beside its texts a picture needs no words of its own.
  const source = `data:image/jpeg;base64,${base64}`;
  return make("img", { class: className, src: source, alt: "", decoding: "async" });
}
