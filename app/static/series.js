// The points of a run by metric and step: what is sent twice is there once.

const PATIENCE_MS = 20_000;
const NOT_FINITE = { nan: "NaN", inf: "∞", "-inf": "−∞" };

// What a metric may grow to before its history is asked for anew, which the server thins to 2,000 points.
const CROWDED = 6000;

export class Series {
  #metrics = new Map();
  #bestStep = null;
  // Everything up to this number of the run is here.
  #seq = 0;
  #kept = null;
  isRead = false;

  // Points that arrive until the next `take` are kept for it: its reply may be older than they are.
  expect() {
    this.#kept ??= [];
  }

  // Takes a reply of /series in the place of all points: what it does not hold is hidden now.
  take({ seq, best_step: bestStep, series }) {
    const kept = this.#kept ?? [];
    this.#kept = null;
    this.#metrics.clear();
    this.#seq = seq;
    this.#bestStep = bestStep;
    this.isRead = true;
    for (const [name, points] of Object.entries(series)) {
      for (const [step, value, , , kind] of points) this.#of(name).set(step, { value, kind });
    }
    for (const [points, number] of kept) this.add(points, number);
  }

  // Takes points of the stream; with them everything up to the number `seq` is here.
  add(points, seq) {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#kept?.push([points, seq]);
    for (const [name, step, value, kind] of points) this.#of(name).set(step, { value, kind });
  }

  get isCrowded() {
    return [...this.#metrics.values()].some((points) => points.size > CROWDED);
  }

  points(name) {
    return [...this.#of(name).entries()].sort(([left], [right]) => left - right);
  }

  steps(names) {
    return [...new Set(names.flatMap((name) => [...this.#of(name).keys()]))].sort((left, right) => left - right);
  }

  value(name, step) {
    return this.#of(name).get(step)?.value ?? null;
  }

  text(name, step, written) {
    const point = this.#of(name).get(step);
    return point ? worded(point, written) : null;
  }

  latest(name, written) {
    const last = this.points(name).at(-1);
    return last ? worded(last[1], written) : null;
  }

  best() {
    const measured = this.points("eval/loss").filter(([step, { value }]) => value != null && step > 0);
    if (!measured.length) return null;
    const lowest = measured.reduce((best, next) => (next[1].value < best[1].value ? next : best));
    const kept = this.value("eval/loss", this.#bestStep);
    if (kept != null && kept <= lowest[1].value) return { step: this.#bestStep, value: kept };
    return { step: lowest[0], value: lowest[1].value };
  }

  notFinite(names) {
    return names.flatMap((name) => this.points(name).filter(([, { value }]) => value == null).map(([step, { kind }]) => ({ step, word: NOT_FINITE[kind] })));
  }

  #of(name) {
    if (!this.#metrics.has(name)) this.#metrics.set(name, new Map());
    return this.#metrics.get(name);
  }
}

// Asks for the histories of a run, or for those of a range of steps, `{ from, to }`; null when nobody answers.
export async function askForSeries(address, range = {}) {
  try {
    const response = await fetch(`${address}?${new URLSearchParams(range)}`, {
      headers: { Accept: "application/json" },
      // On a connection that died without a word the answer never comes.
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function worded({ value, kind }, written) {
  return value == null ? NOT_FINITE[kind] : written(value);
}
