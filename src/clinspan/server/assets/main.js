/** Begins: who is it, which note, which key. */

import { Api, Away, Refused } from "./api.js";
import { ask } from "./dialogs.js";
import { $, alarm } from "./dom.js";
import { commandOf, showKeys } from "./keys.js";
import { Review } from "./review.js";
import { WorkList } from "./worklist.js";

const NAME = "clinspan:name";
const TAGGER = "clinspan"; // whom the service names for what no person did

let asking = null;

/** Asks for the token; requests that fail together ask once. */
function askToken(again) {
  asking ??= ask({
    title: "Token", secret: true, label: "Token",
    why: `${again ? "That token is not right. " : ""}This service wants a token: whoever started it has it. It is kept until you close this tab.`,
  }).finally(() => { asking = null; });
  return asking;
}

async function askName(taken = "") {
  const name = await ask({
    title: "Your name", label: "Name or initials", value: localStorage.getItem(NAME) ?? "",
    why: `${taken}It is kept with every change that you save, so that others know whom to ask.`,
    must: !localStorage.getItem(NAME),
  });
  if (name === TAGGER) {
    await askName("That is what the tagger is called. ");
    return;
  }
  if (name) localStorage.setItem(NAME, name);
  $("who").textContent = localStorage.getItem(NAME);
}

const api = new Api(askToken);
const openNote = (key) => { location.hash = `#/note/${encodeURIComponent(key)}`; };
const review = new Review({ api, by: () => localStorage.getItem(NAME) });
const list = new WorkList({ api, open: openNote });

/** Shows the note or the list that the address names. */
async function route() {
  const found = /^#\/note\/(.+)$/.exec(location.hash);
  document.body.classList.toggle("reviewing", Boolean(found));
  if (found) {
    await review.show(decodeURIComponent(found[1]));
    return;
  }
  await review.close();
  $("note-view").hidden = true;
  $("list-view").hidden = false;
  for (const id of ["saving", "note-state"]) $(id).textContent = "";
  $("note-state").hidden = true;
  $("title").textContent = "Notes";
  document.title = "Notes – clinspan";
  await list.show();
}

/** Says what went wrong where nobody else did. */
function failed(error) {
  if (error instanceof Away) alarm("The service cannot be reached. Nothing is lost: try again when it is back.");
  else if (error instanceof Refused && error.status === 404) alarm("There is no such note, or this service has no notes to review.");
  else if (error instanceof Refused) alarm(error.message);
  else alarm(`The page failed: ${error}`);
}

addEventListener("unhandledrejection", (event) => { failed(event.reason); event.preventDefault(); });
addEventListener("hashchange", () => { alarm(""); route(); });
addEventListener("pagehide", () => review.leave());
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") review.leave(); });

$("who").addEventListener("click", () => askName());
$("help").addEventListener("click", showKeys);
$("next-note").addEventListener("click", () => list.next(review.key));
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (review.open ? $("text") : $("list-view")).focus();
});

function placeOf(target) {
  // A dialog that was just closed keeps the focus until the next frame.
  if (target.closest("dialog:not([open])")) return "text";
  if (target.matches("input, select, textarea")) return "field";
  if (target === document.body || target.id === "text" || target.matches("main")) return "text";
  return target.id === "rows" ? "list" : "other";
}

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const place = placeOf(event.target);
  if (place === "field" && !event.ctrlKey && !event.metaKey) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const found = commandOf(event, place);
  if (!found) return;
  const [command, key] = found;
  const general = {
    help: showKeys, list: () => { location.hash = "#/"; }, nextNote: () => list.next(review.key),
  };
  if (command in general) general[command]();
  else if (review.open) review.obey(command, key);
  else if (command === "search") $("notes-query").focus();
  else return;
  event.preventDefault();
});

if (typeof Highlight === "undefined" || !document.caretPositionFromPoint) {
  alarm("This browser is too old for the page: it needs Chromium 128, Firefox 140 or Safari 18.4, or newer.");
} else {
  if (localStorage.getItem(NAME)) $("who").textContent = localStorage.getItem(NAME);
  else await askName();
  await route();
}
