// The page: keys and buttons, the queue, what is drawn. The server's log is the only memory; a reload loses nothing.

import {countOf, maskOf, outlineOf, runsOf, stroke} from "./masks.js";
import {bitmapOf, COLOURS, contrastOf, draw, itemOf, line, tintOf, View} from "./picture.js";

const told = JSON.parse(document.querySelector("meta[name=savem3]").content);
const id = (name) => document.getElementById(name);
const AHEAD = 4, KEPT = 24;
const NAMES = {open: "open", old: "old kept", new: "new taken", reject: "neither", skip: "skipped", mend: "mended"};

const queue = [];  // [dataset, z, IoU, state, conflict] of each item, by its number
const items = new Map();  // what was fetched, by number: a promise of an item
let seen = 0, shown = -1, item = null, edit = null, strokes = [], tool = null, last = null;
let contrast = [0, 255], bitmaps = [], hidden = false, work = Promise.resolve();
const visible = {old: true, new: true};
const view = new View();

async function ask(place, body) {
  const options = body === undefined ? {} : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  const answer = await fetch(`/${place.replace("/", `/${told.token}/`)}${place.includes("/") ? "" : `/${told.token}`}`, options);
  if (!answer.ok) throw Object.assign(new Error(`${place}: ${answer.status}`), {status: answer.status});
  return answer;
}

async function list() {
  let count = 1;
  for (let first = 0; first < count; ) {
    const part = await (await ask(`items/${first}`)).json();
    part.items.forEach((row, i) => { queue[first + i] = row; });
    ({count, seen} = part);
    first += part.items.length || count;
  }
}

// Items that the filters let through.
function isWanted(number) {
  const [dataset, , iou, state, conflict] = queue[number], wanted = id("wanted").value;
  if (id("dataset").value !== "" && Number(id("dataset").value) !== dataset) return false;
  if (iou < Number(id("lowest").value) || iou > Number(id("highest").value)) return false;
  if (wanted === "conflict") return Boolean(conflict);
  if (wanted === "decided") return state !== "open" && state !== "skip";
  return wanted === "" || wanted === state;
}

// The next wanted item in a direction; the end of the queue leads to its other end.
function find(from, step) {
  const count = queue.length;
  for (let i = 1; i <= count; i += 1) {
    const number = (((from + step * i) % count) + count) % count;
    if (isWanted(number)) return number;
  }
  return -1;
}

function fetchItem(number) {
  if (!items.has(number)) {
    const coming = ask(`item/${number}`).then(async (answer) => itemOf(await answer.arrayBuffer()));
    coming.catch(() => items.delete(number));
    items.set(number, coming);
    for (const old of items.keys()) {
      if (items.size <= KEPT) break;
      if (old !== shown && old !== number) items.delete(old);
    }
  }
  return items.get(number);
}

function prefetch(from) {
  let number = from;
  for (let i = 0; i < AHEAD; i += 1) {
    number = find(number, 1);
    if (number < 0) return;
    fetchItem(number).catch(() => {});
  }
}

async function show(number) {
  if (number < 0) {
    refresh();
    return;
  }
  const begun = performance.now();
  const coming = await fetchItem(number);
  shown = number;
  item = coming;
  edit = tool = null;
  strokes = [];
  const drawn = item.facts.edit;
  if (drawn) edit = {mask: maskOf(drawn, item.facts.crop[2] * item.facts.crop[3]), isNew: false};
  if (edit) outline();
  contrast = contrastOf(item.grey[item.facts.sections.indexOf(item.facts.z)]);
  view.fit(item, id("middle"));
  shade();
  refresh();
  document.documentElement.dataset.item = number;
  document.documentElement.dataset.waited = (performance.now() - begun).toFixed(1);
  prefetch(number);
}

function shade() {
  bitmaps = item.grey.map((grey) => bitmapOf(grey, item.height, item.width, contrast));
  [id("black").value, id("white").value] = contrast;
  paint();
}

function outline() {
  const [top, left, rows, columns] = item.facts.crop;
  edit.line = outlineOf(edit.mask, rows, columns, top, left);
  edit.tint = tintOf(edit.mask, rows, columns, [240, 228, 66, 52]);
}

function paint() {
  if (!item) return;
  const middle = item.facts.sections.indexOf(item.facts.z);
  draw(id("middle"), bitmaps[middle], view, 1, paintMiddle);
  const scale = id("above").clientWidth / id("middle").clientWidth;
  for (const [canvas, at] of [["above", middle - 1], ["below", middle + 1]]) {
    draw(id(canvas), bitmaps[at], view, scale, (context, pixel) => {
      if (!hidden) line(context, item.lines.same[at], COLOURS.same, pixel, {width: 1});
    });
  }
  scaleBar();
}

function paintMiddle(context, pixel) {
  const [top, left, rows, columns] = item.facts.crop;
  if (hidden) return;
  context.imageSmoothingEnabled = false;
  if (tool) context.drawImage(item.shade, 0, 0);  // pixels of other labels, which a brush cannot take
  context.lineWidth = pixel;
  context.strokeStyle = tool ? "rgba(255, 255, 255, 0.55)" : "rgba(255, 255, 255, 0.14)";
  context.strokeRect(left, top, columns, rows);
  if (visible.new) line(context, item.lines.new, COLOURS.new, pixel, {width: edit ? 1 : 2});
  if (visible.old) line(context, item.lines.old, COLOURS.old, pixel, {dashed: true, width: edit ? 1 : 2});
  if (edit) {
    context.drawImage(edit.tint, left, top);
    line(context, edit.line, COLOURS.edit, pixel);
  }
}

function scaleBar() {
  const nm = item.facts.voxel_nm[2] / view.zoom, wanted = 120 * nm;
  const length = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000].filter((size) => size <= wanted).pop() || 5;
  id("bar").querySelector("i").style.width = `${length / nm}px`;
  id("bar").querySelector("b").textContent = length < 1000 ? `${length} nm` : `${length / 1000} µm`;
}

function refresh() {
  const decided = queue.filter((row) => row[3] !== "open").length;
  const matching = queue.filter((_, number) => isWanted(number)).length;
  document.querySelector(".progress div").style.width = `${(100 * decided) / Math.max(1, queue.length)}%`;
  document.querySelector(".progress").setAttribute("aria-valuenow", decided);
  document.querySelector(".progress").setAttribute("aria-valuemax", queue.length);
  id("progress").textContent = `${decided} of ${queue.length} settled`;
  id("matching").textContent = `${matching} of ${queue.length} match`;
  if (item) describe();
  for (const name of ["brush", "eraser"]) button(name).setAttribute("aria-pressed", tool === name);
  for (const name of ["old", "new"]) button(`toggle-${name}`).setAttribute("aria-pressed", visible[name]);
  for (const name of ["mend", "discard"]) button(name).disabled = !(edit && edit.isNew);
  id("middle").classList.toggle("drawing", Boolean(tool));
}

function button(name) {
  return document.querySelector(`button[data-do="${name}"]`);
}

function describe() {
  const {facts, masks} = item, state = queue[shown][3], middle = facts.sections.indexOf(facts.z);
  id("where").textContent = `${facts.dataset} · z ${facts.z} · label ${facts.label}`;
  id("state").textContent = NAMES[state];
  id("state").className = `badge ${state}`;
  const section = (at) => (facts.sections[at] === undefined ? "no section" : `z ${facts.sections[at]}`);
  id("before").textContent = section(middle - 1);
  id("after").textContent = section(middle + 1);
  const [before, after] = [countOf(masks.old), countOf(masks.new)];
  const change = after - before;
  const rows = {
    item: `${shown + 1} of ${queue.length}`,
    IoU: facts.iou.toFixed(3),
    score: facts.score.toFixed(3),
    pixels: `${before} → ${after} (${change < 0 ? "−" : "+"}${Math.abs(change)})`,
    why: facts.reason,
    ...(id("wanted").value === "conflict" ? facts.others_said : {}),
  };
  id("facts").replaceChildren(...Object.entries(rows).filter(([, value]) => value !== "").flatMap(([name, value]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = NAMES[value] || value;
    return [term, text];
  }));
  for (const name of ["old", "new", "reject", "skip", "mend"]) button(name).classList.toggle("said", state === name);
}

let hiding = 0;
function say(text) {
  id("message").textContent = text;
  id("message").classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => id("message").classList.remove("shown"), 2400);
}

// What the server wrote down.
function take(answer) {
  ({seen} = answer);
  if (answer.number === null) return;
  queue[answer.number][3] = answer.state;
  items.get(answer.number)?.then((known) => Object.assign(known.facts, {edit: answer.edit}));
}

async function tell(place, body) {
  try {
    return await (await ask(place, body)).json();
  } catch (error) {
    if (error.status === 409) {
      items.clear();
      await list();
      await show(shown);
      say("another page of yours said something since; look again");
    } else {
      say(error.status ? `not written (${error.status}): is the disk full?` : "not written: the server is gone");
    }
    return null;
  }
}

async function decide(verdict, meant) {
  if (!item || meant !== shown || (verdict === "mend" && !(edit && edit.isNew))) return;
  const body = {number: shown, verdict, seen};
  if (verdict === "mend") body.edit = runsOf(edit.mask);
  const answer = await tell("say", body);
  if (!answer) return;
  take(answer);
  const next = find(shown, 1);
  if (next < 0 || next === shown) {
    edit = null;
    refresh();
    paint();
    say("nothing else matches what is shown at the right");
  } else {
    await show(next);
  }
}

async function undo() {
  const answer = await tell("undo", {seen});
  if (!answer) return;
  take(answer);
  if (answer.number === null) say("nothing to take back");
  else await show(answer.number);
}

async function move(step) {
  if (edit && edit.isNew) say("what was drawn is not taken yet: ↵ takes it, Esc discards it");
  else await show(find(shown, step));
}

function choose(name) {
  tool = tool === name ? null : name;
  refresh();
  paint();
}

function discard() {
  tool = null;
  if (edit && edit.isNew) edit = null;
  strokes = [];
  refresh();
  paint();
}

function begin() {
  const base = edit ? edit.mask : item.masks.new;
  strokes.push(edit);
  edit = {mask: base.slice(), isNew: true};
}

function takeStrokeBack() {
  if (!strokes.length) return;
  edit = strokes.pop();
  refresh();
  paint();
}

function drawTo(event) {
  const [top, left, rows, columns] = item.facts.crop, [y, x] = view.pixelAt(id("middle"), event);
  const here = [y - top, x - left];
  const isTaken = (row, column) => item.taken[(row + top) * item.width + column + left];
  stroke(edit.mask, rows, columns, last || here, here, Number(id("size").value) / 2, tool === "brush" ? 1 : 0, isTaken);
  last = here;
  outline();
  paint();
}

function size(step) {
  id("size").value = Number(id("size").value) + step;
}

function toggle(name) {
  visible[name] = !visible[name];
  refresh();
  paint();
}

function zoom(factor, at) {
  view.zoomBy(factor, at || [view.y, view.x]);
  paint();
}

const doing = {
  old: (meant) => decide("old", meant), new: (meant) => decide("new", meant), mend: (meant) => decide("mend", meant),
  reject: (meant) => decide("reject", meant), skip: (meant) => decide("skip", meant), undo, previous: () => move(-1), next: () => move(1),
  brush: () => choose("brush"), eraser: () => choose("eraser"), discard, back: takeStrokeBack,
  "toggle-old": () => toggle("old"), "toggle-new": () => toggle("new"),
  smaller: () => size(-1), larger: () => size(1), closer: () => zoom(1.3), farther: () => zoom(1 / 1.3),
  fit: () => { view.fit(item, id("middle")); paint(); },
  contrast: () => { contrast = contrastOf(item.grey[item.facts.sections.indexOf(item.facts.z)]); shade(); },
  help: () => (id("help").open ? id("help").close() : id("help").showModal()),
};
const KEYS = {
  1: "old", o: "old", 2: "new", n: "new", 3: "reject", x: "reject", 4: "skip", s: "skip", u: "undo", Enter: "mend",
  ArrowLeft: "previous", ArrowRight: "next", b: "brush", e: "eraser", z: "back", Escape: "discard", "[": "smaller",
  "]": "larger", q: "toggle-old", w: "toggle-new", "+": "closer", "=": "closer", "-": "farther", f: "fit",
  c: "contrast", "?": "help",
};

// One after another. A verdict is on the item that was shown when its key was pressed, never on one that comes later.
function run(name) {
  const meant = shown;
  work = work.then(() => doing[name](meant)).catch((error) => say(String(error.message)));
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("select, input[type=number]");
  const presses = (event.key === "Enter" || event.key === " ") && event.target.matches("button");
  if (typing || presses || event.ctrlKey || event.metaKey || event.altKey || (id("help").open && event.key !== "?")) return;
  if (event.key === " ") {
    event.preventDefault();
    if (!hidden) { hidden = true; paint(); }
    return;
  }
  const name = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!name || (event.repeat && !["smaller", "larger", "closer", "farther", "previous", "next"].includes(name))) return;
  event.preventDefault();
  run(name);
});
document.addEventListener("keyup", (event) => {
  if (event.key === " ") { hidden = false; paint(); }
});
document.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-do]");
  if (!pressed) return;
  pressed.blur();
  run(pressed.dataset.do);
});

const middle = id("middle");
let held = null;
middle.addEventListener("pointerdown", (event) => {
  if (!item) return;
  middle.setPointerCapture(event.pointerId);
  held = tool && event.button === 0 ? "draw" : "move";
  last = null;
  if (held === "draw") {
    begin();
    drawTo(event);
    refresh();
  } else {
    middle.classList.add("moving");
  }
});
middle.addEventListener("pointermove", (event) => {
  if (held === "draw") drawTo(event);
  if (held !== "move") return;
  view.y -= event.movementY / view.zoom;
  view.x -= event.movementX / view.zoom;
  paint();
});
for (const name of ["pointerup", "pointercancel"]) {
  middle.addEventListener(name, () => {
    held = last = null;
    middle.classList.remove("moving");
  });
}
middle.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (item) zoom(Math.exp(-event.deltaY / 400), view.pixelAt(middle, event));
}, {passive: false});

for (const name of ["black", "white"]) {
  id(name).addEventListener("input", () => {
    contrast = [Number(id("black").value), Math.max(Number(id("black").value) + 1, Number(id("white").value))];
    if (item) shade();
  });
}
for (const name of ["dataset", "wanted", "lowest", "highest"]) {
  id(name).addEventListener("change", () => {
    id(name).blur();
    work = work.then(async () => {
      if (shown < 0 || !isWanted(shown)) await show(find(shown, 1));
      refresh();
      prefetch(shown);
    });
  });
}
window.addEventListener("resize", paint);
window.addEventListener("beforeunload", (event) => {
  if (edit && edit.isNew) event.preventDefault();
});

told.datasets.forEach((name, place) => id("dataset").append(new Option(name, place)));
work = work.then(list).then(() => show(find(-1, 1)))
  .then(() => {
    if (shown < 0 && queue.length) {
      id("wanted").value = "";
      return show(find(-1, 1));
    }
    return undefined;
  })
  .then(() => { document.documentElement.dataset.ready = "yes"; })
  .catch((error) => say(String(error.message)));
