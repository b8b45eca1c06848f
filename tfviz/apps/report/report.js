// Draws the maps of a report over their pictures, and reads their values out. It loads nothing, and texts become text
// alone, never HTML.
"use strict";
(() => {
  const page = document.documentElement;
  page.classList.add("has-scripts");

  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const find = (name, inside) => inside.querySelector(name);
  const shared = JSON.parse(document.getElementById("shared").textContent);
  const tables = new Map();
  const diverging = bytes(shared.diverging);
  const opacity = document.getElementById("opacity");
  const colormap = document.getElementById("colormap");
  const status = document.getElementById("status");
  const THUMB = 112;
  const AHEAD = "800px"; // pictures so close to what is seen are drawn already

  /** The colours of the chosen colour map, three bytes for each of 256 steps. */
  function chosenTable() {
    const name = colormap.value;
    if (!tables.has(name)) tables.set(name, bytes(shared.colormaps[name]));
    return tables.get(name);
  }

  /** The value that a byte of a map stands for, and how far it may be from the true one. */
  function valueOf(map, code) {
    const size = Math.abs(code - map.zero);
    const at = (steps) => map.span * (clamp(steps, 0, map.steps) / map.steps) ** 2;
    const error = Math.max(at(size + 0.5) - at(size), at(size) - at(size - 0.5));
    return { value: map.base + Math.sign(code - map.zero) * at(size), error };
  }

  /** The values of a map, row by row, decoded once. */
  function valuesOf(map) {
    if (!map.decoded) {
      map.raw = bytes(map.codes);
      const known = Float64Array.from({ length: 256 }, (_, code) => valueOf(map, code).value);
      map.decoded = Float64Array.from(map.raw, (code) => known[code]);
      delete map.codes;
    }
    return map.decoded;
  }

  /** A number in as many digits as its error leaves it; the error is rounded up. */
  function inWords({ value, error }) {
    if (!error) return value.toPrecision(3);
    const unit = 10 ** (Math.floor(Math.log10(error)) - 1);
    const shownError = Number((Math.ceil(error / unit) * unit).toPrecision(2));
    const digits = value ? Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(unit)) + 1 : 1;
    return `${Number(value.toPrecision(clamp(digits, 1, 9)))} ± ${shownError}`;
  }

  /** Where the values of a map lie in its colours: 0 to 1, or -1 to 1 if its sign means something. */
  function sharesOf(map) {
    return valuesOf(map).map((value) =>
      map.signed ? clamp(value / map.high, -1, 1) : clamp((value - map.low) / (map.high - map.low), 0, 1),
    );
  }

  /** The shares of a map at another size, bilinear with half-pixel centres. */
  function resized(map, width, height) {
    const values = sharesOf(map);
    if (map.width === width && map.height === height) return values;
    const taps = (count, from) =>
      Array.from({ length: count }, (_, place) => {
        const at = clamp(((place + 0.5) * from) / count - 0.5, 0, from - 1);
        const first = Math.floor(at);
        return [first, Math.min(first + 1, from - 1), at - first];
      });
    const columns = taps(width, map.width);
    const found = new Float64Array(width * height);
    taps(height, map.height).forEach(([above, below, down], row) => {
      columns.forEach(([left, right, across], column) => {
        const upper = values[above * map.width + left] * (1 - across) + values[above * map.width + right] * across;
        const lower = values[below * map.width + left] * (1 - across) + values[below * map.width + right] * across;
        found[row * width + column] = upper * (1 - down) + lower * down;
      });
    });
    return found;
  }

  /** Draws a map over the pixels of a picture; `share` 0 is the picture alone, 1 the map alone. */
  function paint(canvas, picture, map, share) {
    const { width, height, data } = picture;
    canvas.width = width;
    canvas.height = height;
    const drawn = new ImageData(new Uint8ClampedArray(data), width, height);
    if (map && map.high > map.low) {
      const mix = map.signed ? mixSigned : mixUnsigned;
      mix(drawn.data, resized(map, width, height), share);
    }
    canvas.getContext("2d").putImageData(drawn, 0, 0);
  }

  function mixUnsigned(data, values, share) {
    const table = chosenTable();
    for (let index = 0; index < values.length; index++) {
      const step = Math.round(255 * values[index]);
      for (let channel = 0; channel < 3; channel++) {
        const place = 4 * index + channel;
        data[place] = (1 - share) * data[place] + share * table[3 * step + channel];
      }
    }
  }

  // Halfway, the picture is pale grey under full colours; beyond that it fades to white.
  function mixSigned(data, values, share) {
    const own = Math.min(1, 2 * share);
    const fading = Math.max(0, 2 * share - 1);
    for (let index = 0; index < values.length; index++) {
      const place = 4 * index;
      const grey = 0.299 * data[place] + 0.587 * data[place + 1] + 0.114 * data[place + 2];
      const pale = 127.5 + grey / 2;
      const paper = pale + fading * (255 - pale);
      const step = 255 + Math.round(255 * values[index]);
      for (let channel = 0; channel < 3; channel++) {
        const tile = (paper * diverging[3 * step + channel]) / 255;
        data[place + channel] = (1 - own) * data[place + channel] + own * tile;
      }
    }
  }

  /** The pixels of an image element, at its own size or at that of a thumbnail. */
  function pixelsOf(image, width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }

  class Card {
    constructor(article) {
      this.article = article;
      this.data = JSON.parse(find(".data", article).textContent);
      this.canvas = find("canvas.map", article);
      this.reading = find(".reading", article);
      this.image = find("img.original", article);
      this.place = null; // of the crosshair, as parts of width and height
      this.isPinned = false; // by the keyboard
      this.isReady = false;
      for (const input of article.querySelectorAll("input")) {
        input.addEventListener("change", () => this.show());
      }
      this.canvas.addEventListener("pointermove", (event) => this.point(event));
      this.canvas.addEventListener("pointerdown", (event) => this.point(event));
      this.canvas.addEventListener("pointerleave", () => this.leave());
      this.canvas.addEventListener("keydown", (event) => this.press(event));
    }

    async prepare() {
      if (this.isReady) return;
      this.isReady = true;
      await this.image.decode();
      const { naturalWidth: width, naturalHeight: height } = this.image;
      const scale = THUMB / Math.max(width, height);
      this.picture = pixelsOf(this.image, width, height);
      this.small = pixelsOf(this.image, Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
      this.show();
    }

    chosen(name) {
      return Number(find(`.${name} input:checked`, this.article).value);
    }

    get target() {
      return this.data.targets[this.chosen("targets")];
    }

    get found() {
      return this.target.maps[this.chosen("methods")];
    }

    show() {
      this.draw();
      this.drawThumbs();
      this.describe();
      this.read();
    }

    draw() {
      if (this.picture) paint(this.canvas, this.picture, this.found.values, opacity.value / 100);
      this.drawScale();
    }

    drawThumbs() {
      if (!this.small) return;
      const labels = this.article.querySelectorAll(".methods label");
      this.target.maps.forEach((each, number) => {
        paint(find("canvas", labels[number]), this.small, each.values, opacity.value / 100);
        find(".flag", labels[number]).hidden = !each.notes.length;
      });
    }

    drawScale() {
      const map = this.found.values;
      const scale = find(".scale", this.article);
      scale.hidden = !map || map.low === map.high;
      if (scale.hidden) return;
      const [table, first, steps] = map.signed ? [diverging, 0, 510] : [chosenTable(), 0, 255];
      const bar = find("canvas.bar", scale);
      const drawn = new ImageData(bar.width, 1);
      for (let column = 0; column < bar.width; column++) {
        const step = first + Math.round((steps * column) / (bar.width - 1));
        drawn.data.set([table[3 * step], table[3 * step + 1], table[3 * step + 2], 255], 4 * column);
      }
      bar.getContext("2d").putImageData(drawn, 0, 0);
      find(".low", scale).textContent = Number(map.low.toPrecision(3));
      find(".high", scale).textContent = Number(map.high.toPrecision(3));
    }

    describe() {
      const method = shared.methods[this.chosen("methods")];
      find(".title", this.article).textContent = `${method.title}, for ${this.target.name}`;
      const reduced = method.reduced ? `; shown is the ${method.reduced} of each pixel` : "";
      find(".sign", this.article).textContent = `A value is ${method.sign}${reduced}.`;
      find(".caution-text", this.article).textContent = `${method.caution}.`;
      const items = this.found.notes.map((note) => filled("li", note));
      find(".notes", this.article).replaceChildren(...items);
      const numbers = this.found.diagnostics.map(([name, value]) => {
        const pair = document.createElement("div");
        pair.append(filled("dt", name.replaceAll("_", " ")), filled("dd", value));
        return pair;
      });
      find(".diagnostics", this.article).replaceChildren(...numbers);
      this.canvas.setAttribute("aria-label", `Map of ${method.title} for ${this.target.name}, over ${this.data.name}`);
    }

    point(event) {
      const box = this.canvas.getBoundingClientRect();
      this.isPinned = false;
      this.place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      this.read();
    }

    leave() {
      if (this.isPinned) return;
      this.place = null;
      this.read();
    }

    press(event) {
      const map = this.found.values;
      if (!map || event.altKey || event.ctrlKey || event.metaKey) return;
      const step = event.shiftKey ? 10 : 1;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (event.key in moves) this.move(map, moves[event.key]);
      else if (event.key === "Home" || event.key === "End") this.seek(map, event.key === "Home" ? 1 : -1);
      else if (event.key === "Escape") this.place = null;
      else return;
      event.preventDefault();
      this.isPinned = this.place !== null;
      this.read();
      announce(this.reading.textContent);
    }

    move(map, [right, down]) {
      const [column, row] = this.place ? this.cell(map) : [Math.floor(map.width / 2), Math.floor(map.height / 2)];
      const moved = this.place ? [column + right, row + down] : [column, row];
      this.put(map, clamp(moved[0], 0, map.width - 1), clamp(moved[1], 0, map.height - 1));
    }

    /** Puts the crosshair on the largest value, or with -1 on the smallest. */
    seek(map, sign) {
      const values = valuesOf(map);
      const best = values.reduce((found, value, index) => (sign * value > sign * values[found] ? index : found), 0);
      this.put(map, best % map.width, Math.floor(best / map.width));
    }

    put(map, column, row) {
      this.place = [(column + 0.5) / map.width, (row + 0.5) / map.height];
    }

    cell(map) {
      const at = (part, count) => clamp(Math.floor(part * count), 0, count - 1);
      return [at(this.place[0], map.width), at(this.place[1], map.height)];
    }

    /** Says the value under the crosshair, and draws it. */
    read() {
      const map = this.found.values;
      const lines = [find(".across", this.article), find(".down", this.article)];
      lines.forEach((line) => (line.hidden = !this.place || !map));
      if (!map) {
        this.reading.textContent = "zero everywhere";
        return;
      }
      if (!this.place) {
        this.reading.textContent = "point at the map to read a value";
        return;
      }
      const [column, row] = this.cell(map);
      valuesOf(map);
      const words = inWords(valueOf(map, map.raw[row * map.width + column]));
      this.reading.textContent = `row ${row}, column ${column}: ${words}`;
      lines[0].style.top = `${(100 * (row + 0.5)) / map.height}%`;
      lines[1].style.left = `${(100 * (column + 0.5)) / map.width}%`;
    }
  }

  function filled(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }

  // A held key would otherwise be read out at every step.
  let waiting = 0;
  function announce(text) {
    clearTimeout(waiting);
    waiting = setTimeout(() => (status.textContent = text), 250);
  }

  const cards = [...document.querySelectorAll("article.picture")].map((article) => new Card(article));
  const isNear = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const card = cards.find((each) => each.article === target);
        if (isIntersecting) {
          isNear.add(card);
          card.prepare().then(() => card.show());
        } else isNear.delete(card);
      }
    },
    { rootMargin: AHEAD },
  );
  cards.forEach((card) => watcher.observe(card.article));
  cards.forEach((card) => card.describe());

  let isAsked = false;
  function redraw() {
    document.getElementById("opacity-value").textContent = `${opacity.value} %`;
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      isNear.forEach((card) => card.show());
    });
  }
  opacity.addEventListener("input", redraw);
  colormap.addEventListener("change", redraw);
  redraw();
  window.addEventListener("beforeprint", () => cards.forEach((card) => (card.isReady ? card.show() : card.prepare())));
})();
