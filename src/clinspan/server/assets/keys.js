/** Which key does what. The list that `?` shows is made from the same table that is obeyed. */

import { $, make } from "./dom.js";

const SWITCH = "clinspan:keys-off";

/** name, keys, what it does, group. `mod` is Ctrl, or the Command key. */
export const KEYS = [
  ["next", ["j", "ArrowDown:list"], "next entity", "Go"],
  ["previous", ["k", "ArrowUp:list"], "entity before", "Go"],
  ["nextOpen", ["u"], "next entity not yet accepted", "Go"],
  ["search", ["/"], "search the entities, or the notes", "Go"],
  ["nextNote", ["N"], "next note, most doubtful first", "Go"],
  ["list", ["g"], "list of notes", "Go"],
  ["label", ["1", "2", "3", "4", "5", "6", "7", "8", "9"], "label for the selected text; other label for the entity", "Correct"],
  ["anyLabel", ["l"], "choose a label by its name", "Correct"],
  ["accept", ["a", "Enter:text"], "accept the entity and go to the next", "Correct"],
  ["remove", ["x", "Delete", "Backspace"], "delete the entity", "Correct"],
  ["attribute1", ["s"], "next value of the first attribute (assertion)", "Correct"],
  ["attribute2", ["d"], "next value of the second attribute", "Correct"],
  ["scope", ["o"], "the next act is for all occurrences of the words", "Correct"],
  ["acceptNote", ["A", "mod+Enter"], "accept the note as it stands", "Correct"],
  ["undo", ["z", "mod+z"], "undo", "Correct"],
  ["redo", ["y", "mod+y", "mod+Shift+z"], "redo", "Correct"],
  ["startLeft", ["q"], "beginning one word to the left; with Shift one character", "Boundaries"],
  ["startRight", ["w"], "beginning one word to the right; with Shift one character", "Boundaries"],
  ["endLeft", ["e"], "end one word to the left; with Shift one character", "Boundaries"],
  ["endRight", ["r"], "end one word to the right; with Shift one character", "Boundaries"],
  ["cursorRight", ["ArrowRight"], "select the next word", "Select without a mouse"],
  ["cursorLeft", ["ArrowLeft"], "select the word before", "Select without a mouse"],
  ["extendRight", ["Shift+ArrowRight"], "one word more", "Select without a mouse"],
  ["extendLeft", ["Shift+ArrowLeft"], "one word less", "Select without a mouse"],
  ["save", ["mod+s"], "save now", "Page"],
  ["escape", ["Escape"], "select nothing", "Page"],
  ["help", ["?"], "this list", "Page"],
];
/** With Shift these move by a character. */
const BY_CHARACTER = ["startLeft", "startRight", "endLeft", "endRight"];

const commands = new Map();
for (const [name, keys] of KEYS) {
  for (const key of keys) {
    commands.set(key, [name, key]);
    if (BY_CHARACTER.includes(name)) commands.set(key.toUpperCase(), [name, "character"]);
  }
}

/** The command of a key press as [name, key], or null. `place`: text, list or other. */
export function commandOf(event, place) {
  if (event.altKey || event.isComposing) return null;
  const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
  const named = event.key.length > 1;
  const shift = event.shiftKey && (named || mod) ? "Shift+" : "";
  const key = mod ? event.key.toLowerCase().replace("enter", "Enter") : event.key;
  if (!mod && !named && !keysOn()) return null;
  return commands.get(mod + shift + key) ?? commands.get(`${mod}${shift}${key}:${place}`) ?? null;
}

export const keysOn = () => !localStorage.getItem(SWITCH);

const NAMES = { mod: "Ctrl", ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
const shown = (key) => key.replace(/:.*/, "").split("+").map((part) => make("kbd", {}, NAMES[part] ?? part));

/** Shows the list of keys. */
export function showKeys() {
  const groups = Map.groupBy(KEYS, ([, , , group]) => group);
  $("keys-list").replaceChildren(...[...groups].map(([group, rows]) => make("section", {}, make("h3", {}, group),
    make("dl", {}, ...rows.flatMap(([name, keys, words]) => {
      const told = name === "label" ? [make("kbd", {}, "1"), "–", make("kbd", {}, "9")]
        : keys.flatMap((key, at) => [at ? " or " : "", ...shown(key)]);
      return [make("dt", {}, ...told), make("dd", {}, words)];
    })))));
  $("keys-on").checked = keysOn();
  $("keys").showModal();
}

$("keys-on").addEventListener("change", (event) => {
  if (event.target.checked) localStorage.removeItem(SWITCH);
  else localStorage.setItem(SWITCH, "1");
});
