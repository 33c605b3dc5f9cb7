// The points of a run by metric and step.

const series = new Map();
let bestStep = null;

function of(name) {
  if (!series.has(name)) series.set(name, new Map());
  return series.get(name);
}

function sorted(name) {
  return [...of(name).entries()].sort(([left], [right]) => left - right);
}

const NOT_FINITE = { nan: "NaN", inf: "∞", "-inf": "−∞" };

function worded({ value, kind }, written) {
  return value == null ? NOT_FINITE[kind] : written(value);
}

export const store = {
  // A history from SQL goes under what the stream has brought: the two overlap and agree.
  replace(body) {
    bestStep = body.best_step;
    for (const [name, points] of Object.entries(body.series)) {
      for (const [step, value, , , kind] of points) of(name).set(step, { value, kind });
    }
  },

  add(points) {
    for (const [name, step, value, kind] of points) of(name).set(step, { value, kind });
  },

  points: (name) => sorted(name),

  steps(names) {
    return [...new Set(names.flatMap((name) => [...of(name).keys()]))].sort((left, right) => left - right);
  },

  value: (name, step) => of(name).get(step)?.value ?? null,

  text(name, step, written) {
    const point = of(name).get(step);
    if (!point) return null;
    return worded(point, written);
  },

  best() {
    const measured = sorted("eval/loss").filter(([step, { value }]) => value != null && step > 0);
    if (!measured.length) return null;
    const lowest = measured.reduce((best, next) => (next[1].value < best[1].value ? next : best));
    const kept = of("eval/loss").get(bestStep);
    if (kept?.value != null && kept.value <= lowest[1].value) return { step: bestStep, value: kept.value };
    return { step: lowest[0], value: lowest[1].value };
  },

  notFinite(names) {
    return names.flatMap((name) => sorted(name).filter(([, { value }]) => value == null).map(([step, { kind }]) => ({ step, word: NOT_FINITE[kind] })));
  },
};

export function latest(name, written) {
  const last = sorted(name).at(-1);
  if (!last) return null;
  return worded(last[1], written);
}
