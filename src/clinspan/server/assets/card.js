/** What is known of the chosen entity, and everything that can be done to it without a key. */

import { $, make, percent } from "./dom.js";

const MATCHES = {
  exact: "stands in the text letter for letter",
  normalised: "stands in the text but for case, white space, dashes or quotes",
  fuzzy: "stands in the text with a misspelling",
  dictionary: "found by the dictionary, not named by the model",
};
const row = (name, ...said) => [make("dt", {}, name), make("dd", {}, ...said)];

function evidence(note, one) {
  const rows = [];
  if (one.score !== null) rows.push(...row("score", percent(one.score)));
  if (one.source) rows.push(...row("found by", one.source));
  if (one.parts.length) rows.push(...row("parts", one.parts.map((part) => note.textOf(part)).join(" … ")));
  const declared = new Set(note.labelOf(one.label)?.attributes.map(({ name }) => name));
  for (const [name, value] of Object.entries(one.attributes)) {
    if (declared.has(name)) continue;
    const owner = name === "of" && note.entities.find((other) => other.name === value);
    rows.push(...row(name, owner ? note.textOf(owner) : value));
  }
  if (one.match) rows.push(...row("match", make("span", { title: MATCHES[one.match] ?? "" }, one.match)));
  for (const { id, name, score } of one.concepts) {
    rows.push(...row("concept", name, " ", make("code", {}, id), score === null || score === undefined ? "" : ` ${percent(score)}`));
  }
  return make("dl", {}, ...rows);
}

/** A group of buttons, one of which is pressed. */
function attribute(one, { name, values }, key, act) {
  const buttons = values.map((value) => make("button", {
    type: "button", "aria-pressed": String(one.attributes[name] === value), onclick: () => act.describe(name, value),
  }, value));
  return make("div", { className: "attribute" }, make("h3", {}, name, " ", key ? make("kbd", {}, key) : null),
    make("div", { className: "segments", role: "group", "aria-label": name }, ...buttons));
}

function boundaries(act) {
  const button = (words, key, side, way) => make("button", {
    type: "button", title: `${words} (${key})`, "aria-label": words, onclick: () => act.move(side, way, false),
  }, way < 0 ? "←" : "→");
  return make("div", { className: "edges" },
    make("span", { role: "group", "aria-label": "Beginning" }, "begins ", button("beginning one word to the left", "q", "start", -1), button("beginning one word to the right", "w", "start", 1)),
    make("span", { role: "group", "aria-label": "End" }, "ends ", button("end one word to the left", "e", "end", -1), button("end one word to the right", "r", "end", 1)));
}

/**
 * Shows the chosen entity, or hides the card.
 *
 * @param act what the buttons do: describe, move, accept, remove
 */
export function showCard(note, one, { alike, styleOf, act }) {
  const card = $("card");
  card.hidden = !one;
  document.body.classList.toggle("has-card", Boolean(one));
  if (!one) {
    card.replaceChildren();
    return;
  }
  const label = note.labelOf(one.label);
  const many = alike.length + 1;
  card.replaceChildren(
    make("h2", {}, make("q", {}, note.textOf(one))),
    make("div", { className: "buttons" },
      make("button", { type: "button", className: "main", onclick: act.accept }, one.accepted ? "Next " : "Accept ", make("kbd", {}, "a")),
      make("button", { type: "button", className: "bad", onclick: act.remove }, "Delete ", make("kbd", {}, "x"))),
    make("p", {}, make("span", { className: `swatch ${styleOf(one.label)}`, title: label?.definition ?? "" }, one.label), " ",
      one.accepted ? make("span", { className: "good" }, "✓ accepted") : make("span", { className: "soft" }, "not yet accepted"),
      many > 1 ? make("span", { className: "soft" }, ` · marked ${many} times in this note`) : null),
    ...(label?.attributes ?? []).map((declared, at) => attribute(one, declared, ["s", "d"][at], act)),
    boundaries(act),
    evidence(note, one),
  );
}

/** The entity in words, for those who listen. */
export function spoken(note, one, at, of) {
  const attributes = Object.entries(one.attributes).map(([name, value]) => `${name} ${value}`);
  const score = one.score === null ? [] : [`score ${percent(one.score)}`];
  return [note.textOf(one), one.label, ...attributes, ...score, one.accepted ? "accepted" : "not accepted", `${at} of ${of}`].join(", ");
}
