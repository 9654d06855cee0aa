// The rating sheet: one pair at a time, its sides unnamed. Answers are kept by the browser as they
// are given, and saved to a file that `pseudolabel compare --ratings` reads.

const sheet = blocks("rating").length ? parse(blocks("rating")[0]) : null;
const rate = { answers: {}, rater: "", pair: 0, step: 0, images: null };
const ANSWERS = { yes: "Yes", no: "No", unsure: "Can\u2019t tell" };
const ANSWER_KEYS = { 1: "yes", y: "yes", 2: "no", n: "no", 3: "unsure", u: "unsure" };

const storeName = () => `pseudolabel-ratings-${sheet.sheet}`;
const answerName = (pair, slot, question) => JSON.stringify([sheet.pairs[pair][0], slot, question]);
const answerOf = (pair, slot, question) => rate.answers[answerName(pair, slot, question)];

/** What a pair asks, in order: [slot, question] for every text that is not empty. */
function stepsOf(pair) {
  const steps = [];
  sheet.pairs[pair][2].forEach(([, text], slot) => {
    if (text.trim()) sheet.questions.forEach((_, question) => steps.push([slot, question]));
  });
  return steps;
}
const isRated = (pair) => stepsOf(pair).every(([slot, q]) => answerOf(pair, slot, q));
const countRated = () => sheet.pairs.reduce((n, _, pair) => n + isRated(pair), 0);

function startRating() {
  if (!sheet) return;
  rate.images = new LazyItems("pair-images", sheet.block);
  try {
    const kept = JSON.parse(localStorage.getItem(storeName()));
    if (kept) Object.assign(rate, { answers: kept.answers, rater: kept.rater });
  } catch {
    // No storage here: answers live until the page is closed, and Save still works.
  }
  byId("rater").value = rate.rater;
  byId("rating-start").addEventListener("submit", (event) => {
    event.preventDefault();
    rate.rater = byId("rater").value.trim();
    if (rate.rater) beginRating();
  });
  byId("rating-back").addEventListener("click", () => showPair(rate.pair - 1));
  byId("rating-next").addEventListener("click", () => showPair(rate.pair + 1));
  byId("rating-save").addEventListener("click", saveRatings);
  byId("rating-again").addEventListener("click", () => showPair(0));
}

function beginRating() {
  keepAnswers();
  const open = sheet.pairs.findIndex((_, pair) => !isRated(pair));
  byId("rating-start").hidden = true;
  byId("rating-sheet").hidden = false;
  showPair(open < 0 ? sheet.pairs.length : open);
}

/** Show a pair; past the last one: the end of the sheet. */
function showPair(pair) {
  rate.pair = Math.max(0, Math.min(sheet.pairs.length, pair));
  const atEnd = rate.pair === sheet.pairs.length;
  if (!atEnd) {
    const open = stepsOf(rate.pair).findIndex(([slot, q]) => !answerOf(rate.pair, slot, q));
    rate.step = Math.max(0, open);
  }
  byId("pair").hidden = atEnd;
  byId("rating-end").hidden = !atEnd;
  drawPair();
  (atEnd ? byId("rating-save") : byId("pair")).focus({ preventScroll: true });
}

function drawPair() {
  const [done, all] = [countRated(), sheet.pairs.length];
  byId("rating-progress").value = done;
  byId("rating-progress").max = all;
  const place = rate.pair < all ? `Pair ${rate.pair + 1} of ${all}` : "The end";
  byId("rating-place").textContent = `${place} \u00b7 ${done} rated`;
  byId("rating-back").disabled = rate.pair === 0;
  byId("rating-next").disabled = rate.pair === all;
  if (rate.pair === all) {
    const open = all - done;
    byId("rating-verdict").textContent = open
      ? `${open} of ${all} pairs have no answer yet.`
      : "Every pair is rated. Thank you.";
    return;
  }
  const [key, title, sides] = sheet.pairs[rate.pair];
  const index = clips.findIndex((clip) => clip[0] === key);
  const image = rate.images.at(rate.pair) ?? (index < 0 ? null : images.at(index));
  byId("pair-title").textContent = title;
  byId("pair-image").replaceChildren(picture(image, "large"));
  byId("pair-texts").replaceChildren(...sides.map(([, text], slot) => textCard(text, slot)));
}

function textCard(text, slot) {
  const letter = String.fromCharCode(65 + slot);
  const card = make("section", { class: "card" }, make("h3", {}, `Text ${letter}`));
  if (!text.trim()) {
    card.append(make("p", { class: "none" }, "No text: nothing to answer."));
    return card;
  }
  card.append(make("p", { class: "full", dir: "auto" }, text));
  sheet.questions.forEach((question, q) => card.append(questionRow(question, slot, q, letter)));
  const [active] = stepsOf(rate.pair)[rate.step] ?? [];
  card.classList.toggle("active", active === slot);
  return card;
}

function questionRow(question, slot, q, letter) {
  const buttons = Object.entries(ANSWERS).map(([answer, label], i) => {
    const hint = make("kbd", { "aria-hidden": "true" }, String(i + 1));
    const button = make("button", { type: "button" }, label, hint);
    const isGiven = answerOf(rate.pair, slot, q)?.answer === answer;
    button.setAttribute("aria-pressed", String(isGiven));
    button.addEventListener("click", () => {
      rate.step = stepsOf(rate.pair).findIndex(([s, n]) => s === slot && n === q);
      giveAnswer(answer);
    });
    return button;
  });
  const [activeSlot, activeQuestion] = stepsOf(rate.pair)[rate.step] ?? [];
  const isActive = activeSlot === slot && activeQuestion === q;
  const group = make("div", { class: "answers", role: "group" }, ...buttons);
  group.setAttribute("aria-label", `Text ${letter}: ${question}`);
  return make("div", { class: isActive ? "asked active" : "asked" }, make("p", {}, question), group);
}

/** Answer the question that is asked, and go on to the next one. */
function giveAnswer(answer) {
  const steps = stepsOf(rate.pair);
  const step = steps[rate.step];
  if (!step) return;
  const given = { answer, rated_at: new Date().toISOString() };
  rate.answers[answerName(rate.pair, ...step)] = given;
  keepAnswers();
  const open = steps.findIndex(([slot, q]) => !answerOf(rate.pair, slot, q));
  rate.step = rate.step + 1 < steps.length ? rate.step + 1 : open;
  if (rate.step < 0) showPair(rate.pair + 1);
  else drawPair();
  // The button that was pressed is gone; whoever moves by Tab goes on at the next question.
  if (document.activeElement === document.body) {
    byId("pair-texts").querySelector(".asked.active button")?.focus({ preventScroll: true });
  }
}

function keepAnswers() {
  try {
    const kept = { answers: rate.answers, rater: rate.rater };
    localStorage.setItem(storeName(), JSON.stringify(kept));
  } catch {
    // See startRating.
  }
}

/** What was answered; an empty text beside a rated one counts as "no", and says it was not asked. */
function collectRatings() {
  const now = new Date().toISOString();
  const rows = [];
  sheet.pairs.forEach(([clip, , sides], pair) => {
    const rated = isRated(pair);
    sides.forEach(([side, text], slot) => {
      sheet.questions.forEach((question, q) => {
        const automatic = !text.trim();
        const given = automatic && rated ? { answer: "no", rated_at: now } : answerOf(pair, slot, q);
        if (!given) return;
        const shown_as = String.fromCharCode(65 + slot);
        rows.push({ clip, side, shown_as, question, automatic, rater: rate.rater, ...given });
      });
    });
  });
  return rows;
}

function saveRatings() {
  const document_ = {
    format: "pseudolabel-ratings",
    version: 1,
    sheet: sheet.sheet,
    title: document.title,
    rater: rate.rater,
    saved_at: new Date().toISOString(),
    pairs: sheet.pairs.length,
    questions: sheet.questions,
    ratings: collectRatings(),
  };
  const file = new Blob([JSON.stringify(document_, null, 1)], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(file) });
  link.download = `ratings-${rate.rater.replace(/[^\p{L}\p{N}_-]+/gu, "-")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  byId("rating-saved").textContent = `Saved ${document_.ratings.length} answers to ${link.download}`;
}

function rateByKey(event) {
  if (byId("rating-sheet").hidden) return false;
  const answer = ANSWER_KEYS[event.key.toLowerCase()];
  if (answer) {
    if (rate.pair < sheet.pairs.length) giveAnswer(answer);
  } else if (event.key === "ArrowLeft" || event.key === "Backspace") showPair(rate.pair - 1);
  else if (event.key === "ArrowRight") showPair(rate.pair + 1);
  else return false;
  return true;
}
