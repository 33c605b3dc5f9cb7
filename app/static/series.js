// The points of a run by metric and step: what is sent twice is there once.

const NOT_FINITE = { nan: "NaN", inf: "∞", "-inf": "−∞" };

export class Series {
  #metrics = new Map();
  #attempt;
  #bestStep = null;
  // The last step that SQL has told of. Steps are recorded in order, so what may be missing is here or behind.
  readTo = 0;

  // Takes a reply of /series. False: it is of another attempt, whose points must be asked for from the beginning.
  take({ attempt, best_step: bestStep, series }) {
    const isOther = this.#attempt !== undefined && this.#attempt !== attempt;
    this.#attempt = attempt;
    if (isOther) {
      this.#metrics.clear();
      this.readTo = 0;
      return false;
    }
    this.#bestStep = bestStep;
    for (const [name, points] of Object.entries(series)) {
      this.add(points.map(([step, value, , , kind]) => [name, step, value, kind]));
      this.readTo = Math.max(this.readTo, ...points.slice(-1).map(([step]) => step));
    }
    return true;
  }

  add(points) {
    for (const [name, step, value, kind] of points) this.#of(name).set(step, { value, kind });
  }

  // Whether points are of a step that lies behind: sent again, or of a new attempt.
  hasPassed(points) {
    return points.some(([name, step]) => (this.points(name).at(-1)?.[0] ?? 0) > step);
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

// Asks for the histories of a run; null when nobody answers.
export async function askForSeries(address, from, to) {
  const query = new URLSearchParams(to == null ? { from } : { from, to });
  try {
    const response = await fetch(`${address}?${query}`, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function worded({ value, kind }, written) {
  return value == null ? NOT_FINITE[kind] : written(value);
}
