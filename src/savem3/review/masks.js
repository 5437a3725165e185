// Masks as run lengths and as pixels, and the lines around them.

export function maskOf(runs, size) {
  const mask = new Uint8Array(size);
  let at = 0;
  runs.forEach((run, i) => {
    if (i % 2) mask.fill(1, at, at + run);
    at += run;
  });
  return mask;
}

export function runsOf(mask) {
  const runs = [];
  let value = 0, run = 0;
  for (const pixel of mask) {
    if (pixel !== value) {
      runs.push(run);
      run = 0;
      value = pixel;
    }
    run += 1;
  }
  runs.push(run);
  return runs;
}

// The edges between pixels inside and outside, in pixels from the corner of the window; straight ones in one piece.
export function outlineOf(mask, height, width, top, left) {
  const path = new Path2D();
  const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : mask[y * width + x]);
  trace(height, width, (y, x) => at(y - 1, x) !== at(y, x), (y, a, b) => {
    path.moveTo(left + a, top + y);
    path.lineTo(left + b, top + y);
  });
  trace(width, height, (x, y) => at(y, x - 1) !== at(y, x), (x, a, b) => {
    path.moveTo(left + x, top + a);
    path.lineTo(left + x, top + b);
  });
  return path;
}

function trace(lines, length, differs, draw) {
  for (let line = 0; line <= lines; line += 1) {
    let begun = -1;
    for (let i = 0; i <= length; i += 1) {
      const edge = i < length && differs(line, i);
      if (edge && begun < 0) begun = i;
      if (!edge && begun >= 0) {
        draw(line, begun, i);
        begun = -1;
      }
    }
  }
}

export function countOf(mask) {
  return mask.reduce((sum, pixel) => sum + pixel, 0);
}

// Where a brush of some radius is between two points, both in pixels of the crop.
export function stroke(mask, height, width, from, to, radius, value, isTaken) {
  const [y0, x0] = from, [y1, x1] = to;
  const length2 = (y1 - y0) ** 2 + (x1 - x0) ** 2;
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius)), bottom = Math.min(height - 1, Math.ceil(Math.max(y0, y1) + radius));
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius)), right = Math.min(width - 1, Math.ceil(Math.max(x0, x1) + radius));
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const py = y + 0.5, px = x + 0.5;
      const share = length2 ? Math.min(1, Math.max(0, ((py - y0) * (y1 - y0) + (px - x0) * (x1 - x0)) / length2)) : 0;
      const near = (py - y0 - share * (y1 - y0)) ** 2 + (px - x0 - share * (x1 - x0)) ** 2 <= radius * radius;
      if (near && !(value && isTaken(y, x))) mask[y * width + x] = value;
    }
  }
}
