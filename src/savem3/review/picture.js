// One section with its outlines on a canvas. All pictures of an item share one view: what is zoomed, what is moved.

import {maskOf, outlineOf} from "./masks.js";

export const COLOURS = {old: "#e69f00", new: "#56b4e9", edit: "#f0e442", same: "#ffffff"};

const SHARP = 9;  // from this zoom on, pixels are shown as they are

// An item as the server sends it: the length of its facts, the facts, grey values of its sections.
export function itemOf(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const [, , height, width] = facts.window, size = height * width;
  const grey = facts.sections.map((_, i) => new Uint8Array(buffer, 4 + length + i * size, size));
  const [top, left, rows, columns] = facts.crop;
  const masks = {old: maskOf(facts.old, rows * columns), new: maskOf(facts.new, rows * columns)};
  const lines = {
    old: outlineOf(masks.old, rows, columns, top, left),
    new: outlineOf(masks.new, rows, columns, top, left),
    same: facts.same.map((runs) => outlineOf(maskOf(runs, size), height, width, 0, 0)),
  };
  const taken = maskOf(facts.taken, size), shade = tintOf(taken, height, width, [0, 0, 0, 110]);
  return {facts, grey, masks, lines, taken, shade, height, width};
}

// The grey values below and above which one in a hundred lie.
export function contrastOf(grey) {
  const counts = new Array(256).fill(0);
  for (const value of grey) counts[value] += 1;
  const share = grey.length / 100;
  let low = 0, high = 255, below = counts[0], above = counts[255];
  while (low < 254 && below < share) below += counts[(low += 1)];
  while (high > low + 1 && above < share) above += counts[(high -= 1)];
  return [low, high];
}

// A middle such that what is shown to both of its sides lies inside, as far as it can.
function within(middle, half, size) {
  return half * 2 >= size ? size / 2 : Math.min(size - half, Math.max(half, middle));
}

export class View {
  constructor() {
    Object.assign(this, {zoom: 1, y: 0, x: 0});
  }

  // The crop in the middle of a canvas, with as much around it; the canvas is filled where there is enough to show.
  fit(item, canvas) {
    const [top, left, rows, columns] = item.facts.crop, {clientWidth: width, clientHeight: height} = canvas;
    const cover = Math.max(width / item.width, height / item.height);
    this.zoom = Math.max(cover, Math.min(12, width / (1.8 * columns), height / (1.8 * rows)));
    this.y = within(top + rows / 2, height / this.zoom / 2, item.height);
    this.x = within(left + columns / 2, width / this.zoom / 2, item.width);
  }

  // A point of a canvas that has the focus, in pixels of the window.
  pixelAt(canvas, event) {
    const place = canvas.getBoundingClientRect();
    const y = (event.clientY - place.top - place.height / 2) / this.zoom + this.y;
    const x = (event.clientX - place.left - place.width / 2) / this.zoom + this.x;
    return [y, x];
  }

  zoomBy(factor, [y, x]) {
    const zoom = Math.min(64, Math.max(0.25, this.zoom * factor));
    this.y = y + ((this.y - y) * this.zoom) / zoom;
    this.x = x + ((this.x - x) * this.zoom) / zoom;
    this.zoom = zoom;
  }
}

// Grey values as a picture, with a contrast.
export function bitmapOf(grey, height, width, [low, high]) {
  const bitmap = new OffscreenCanvas(width, height), context = bitmap.getContext("2d");
  const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  const shades = Uint32Array.from({length: 256}, (_, value) => {
    const shade = Math.round(Math.min(1, Math.max(0, (value - low) / Math.max(1, high - low))) * 255);
    return (255 << 24) | (shade << 16) | (shade << 8) | shade;
  });
  for (let i = 0; i < grey.length; i += 1) pixels[i] = shades[grey[i]];
  context.putImageData(image, 0, 0);
  return bitmap;
}

// A mask as a picture of one colour, clear elsewhere.
export function tintOf(mask, height, width, [red, green, blue, alpha]) {
  const tint = new OffscreenCanvas(width, height), context = tint.getContext("2d");
  const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  const colour = ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  for (let i = 0; i < mask.length; i += 1) pixels[i] = mask[i] ? colour : 0;
  context.putImageData(image, 0, 0);
  return tint;
}

// Draw a section; `paint` draws what lies upon it, in pixels of the window.
export function draw(canvas, bitmap, view, scale, paint) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  const context = canvas.getContext("2d"), zoom = view.zoom * scale * ratio;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!bitmap) return;
  context.setTransform(zoom, 0, 0, zoom, width / 2 - view.x * zoom, height / 2 - view.y * zoom);
  context.imageSmoothingEnabled = zoom < SHARP;
  context.drawImage(bitmap, 0, 0);
  paint(context, 1 / (view.zoom * scale));
}

// A line that is seen on dark and on bright tissue.
export function line(context, path, colour, pixel, {dashed = false, width = 2} = {}) {
  context.lineCap = "butt";
  context.setLineDash([]);
  context.strokeStyle = "rgba(0, 0, 0, 0.55)";
  context.lineWidth = (width + 2) * pixel;
  context.stroke(path);
  context.setLineDash(dashed ? [7 * pixel, 4 * pixel] : []);
  context.strokeStyle = colour;
  context.lineWidth = width * pixel;
  context.stroke(path);
  context.setLineDash([]);
}
