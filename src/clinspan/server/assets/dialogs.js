/** Questions to the person. */

import { $, make } from "./dom.js";
import { differences, merged } from "./merge.js";
import { timeOf } from "./saver.js";

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

/** Asks for a word; null when it may be left out and was. */
export function ask({ title, why, label, secret = false, value = "", must = true }) {
  const dialog = $("ask");
  const input = $("ask-value");
  const form = dialog.querySelector("form");
  $("ask-title").textContent = title;
  $("ask-why").textContent = why;
  $("ask-label").firstElementChild.textContent = label;
  input.type = secret ? "password" : "text";
  input.value = value;
  return new Promise((resolve) => {
    const done = new AbortController();
    const { signal } = done;
    const end = (given) => { done.abort(); dialog.close(); resolve(given); };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.value.trim()) end(input.value.trim());
    }, { signal });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (!must) end(null);
    }, { signal });
    dialog.showModal();
    input.select();
  });
}

/** Lets a person choose one of many labels by typing a part of its name. */
export function chooseLabel(labels, styleOf) {
  const dialog = $("choose");
  const query = $("choose-query");
  return new Promise((resolve) => {
    const done = new AbortController();
    const { signal } = done;
    let chosen = null;
    const shown = () => {
      const wanted = query.value.trim().toLowerCase();
      return labels.filter((label) => label.name.toLowerCase().includes(wanted));
    };
    const take = (name) => { chosen = name; dialog.close(); };
    const render = () => $("choose-list").replaceChildren(...shown().map((label) =>
      make("button", { type: "button", onclick: () => take(label.name) },
        make("span", { className: `swatch ${styleOf(label.name)}` }, label.name), " ", make("small", {}, label.definition ?? ""))));
    query.value = "";
    render();
    query.addEventListener("input", render, { signal });
    query.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      const [first] = shown();
      if (first) take(first.name);
    }, { signal });
    dialog.addEventListener("close", () => { done.abort(); resolve(chosen); }, { signal });
    dialog.showModal();
  });
}

const describe = (text, some) => (some.length ? some.map((one) => {
  const attributes = Object.entries(one.attributes).map(([name, value]) => `${name}: ${value}`).join(", ");
  return make("div", {}, make("b", {}, one.label), " ", make("q", {}, text.slice(one.start, one.end)), attributes ? ` (${attributes})` : "");
}) : [make("span", { className: "soft" }, "nothing here")]);

/**
 * Shows what two people saved of one note, and asks what is to be kept.
 *
 * @returns {Promise<{entities, state}>} what the person decided
 */
export function settle({ text, base, mine, theirs, state, when }) {
  const dialog = $("conflict");
  const places = differences(base, mine, theirs.entities);
  const many = places.length === 1 ? "1 place differs" : `${places.length} places differ`;
  $("conflict-said").textContent =
    `${theirs.by || "Somebody"} saved version ${theirs.version} of this note (${timeOf(theirs.at)}) while you had an older one (${when}). ${many}.` +
    (places.length ? "" : " Only the state differs.");
  $("conflict-rows").replaceChildren(...places.map((place, number) => {
    const options = [["mine", "yours"], ["theirs", "theirs"], ["all", "both"]].map(([value, words]) =>
      make("label", { className: "check" },
        make("input", { type: "radio", name: `place${number}`, value, checked: place.choice === value, onchange: () => { place.choice = value; } }), ` ${words}`));
    const around = `…${text.slice(Math.max(0, place.start - 25), place.start)}`;
    const where = make("td", {}, around, make("mark", {}, text.slice(place.start, place.end)), text.slice(place.end, place.end + 25), "…");
    if (place.both) where.append(make("div", { className: "bad" }, "both of you changed this"));
    return make("tr", {}, where, make("td", {}, ...describe(text, place.mine)), make("td", {}, ...describe(text, place.theirs)), make("td", {}, ...options));
  }));
  return new Promise((resolve) => {
    const done = new AbortController();
    const { signal } = done;
    const end = (decided) => { done.abort(); dialog.close(); resolve(decided); };
    $("conflict-theirs").addEventListener("click", () => end({ entities: theirs.entities, state: theirs.state, how: "theirs taken" }), { signal });
    $("conflict-mine").addEventListener("click", () => end({ entities: mine, state, how: "yours kept" }), { signal });
    $("conflict-merge").addEventListener("click", () => end({ entities: merged(mine, theirs.entities, places), state, how: "both merged" }), { signal });
    // There is no way round the question: without an answer nothing can be saved.
    dialog.addEventListener("cancel", (event) => event.preventDefault(), { signal });
    dialog.showModal();
    $("conflict-merge").focus();
  });
}

/** Shows the versions of a note; gives the number of the one to restore, or null. */
export function choosePast(versions, now) {
  const dialog = $("past");
  return new Promise((resolve) => {
    const done = new AbortController();
    let chosen = null;
    $("past-rows").replaceChildren(...versions.map((one) => make("tr", {},
      make("td", {}, String(one.version)), make("td", {}, timeOf(one.at)), make("td", {}, one.by ?? ""), make("td", {}, one.aside ? `${one.state}, set aside: somebody had saved first` : one.state ?? ""),
      make("td", {}, String(Array.isArray(one.entities) ? one.entities.length : one.entities ?? "")),
      make("td", {}, one.version === now ? "now" : make("button", { type: "button", onclick: () => { chosen = one.version; dialog.close(); } }, "Restore")))));
    dialog.addEventListener("close", () => { done.abort(); resolve(chosen); }, { signal: done.signal });
    dialog.showModal();
  });
}
