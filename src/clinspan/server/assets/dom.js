/** Elements. Whatever a note or a label set says comes in as text, never as markup. */

export const $ = (id) => document.getElementById(id);

/** An element with properties, attributes (`aria-…`, `data-…`, role), and children: elements or texts. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let timer = 0;

/** Says what happened, for eyes and ears. */
export function tell(words) {
  clearTimeout(timer);
  $("told").textContent = words;
  timer = setTimeout(() => { $("told").textContent = ""; }, 5000);
}

/** Says that something is wrong, until it is told otherwise. */
export function alarm(words) {
  $("alarm").hidden = !words;
  $("alarm").textContent = words ?? "";
}

export const percent = (value) => (value === null || value === undefined ? "" : value.toFixed(2));
