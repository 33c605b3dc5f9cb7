// One chart of a run's metrics, drawn with uPlot. Dragging over it shows a range in detail.
import { Series, askForSeries } from "./series.js";

const NAMES = { "train/loss": "training", "eval/loss": "validation", "train/mean_token_accuracy": "training", "eval/mean_token_accuracy": "validation" };
const ANNOUNCE_AFTER_MS = 180;

function color(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export function written(value) {
  if (value == null) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 0.0995) return value.toFixed(3);
  return size === 0 ? "0" : size >= 0.001 ? value.toPrecision(3) : value.toExponential(2);
}

// Exponential moving average; the division takes out the pull of the zero that it starts from.
function smoothed(values, weight) {
  let sum = 0;
  let total = 1;
  return values.map((value) => {
    if (value == null) return null;
    sum = weight * sum + (1 - weight) * value;
    total *= weight;
    return sum / (1 - total);
  });
}

export class Chart {
  constructor(element, series) {
    this.element = element;
    this.series = series;
    this.detail = null;
    this.reading = element.parentElement.querySelector(".chart-reading");
    this.metrics = element.dataset.metrics.split(" ");
    this.weight = Number(element.dataset.smooth || 0);
    this.wholeButton = element.parentElement.querySelector("[data-whole]");
    this.wholeButton.addEventListener("click", () => { this.showWhole(); element.focus(); });
    element.addEventListener("dblclick", () => this.showWhole());
    new ResizeObserver(() => this.resize()).observe(element);
    element.addEventListener("keydown", (event) => this.move(event));
    element.addEventListener("mouseleave", () => this.say(""));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
  }

  draw() {
    const data = this.data();
    this.element.dataset.points = this.metrics.map((name) => this.series.points(name).length).join(" ");
    if (!(data[0].length || this.plot) || !this.element.clientWidth) return;
    this.element.querySelector(".chart-waiting")?.remove();
    this.plot ??= new uPlot(this.options(), data, this.element);
    this.plot.batch(() => {
      this.plot.setData(data, !this.detail);
      // Also tells uPlot which of the new points are in sight.
      if (this.detail) this.plot.setScale("x", this.range);
    });
  }

  // The histories are thinned to what a chart has pixels for; a range of them has room for every point.
  async showRange(plot) {
    const { left, width } = plot.select;
    const from = Math.max(0, Math.floor(plot.posToVal(left, "x")));
    const to = Math.max(from + 1, Math.ceil(plot.posToVal(left + width, "x")));
    const body = await askForSeries(this.element.dataset.chart, { from, to });
    if (!body) return;
    this.range = { min: from, max: to };
    this.detail = new Series();
    this.detail.take(body);
    this.wholeButton.hidden = false;
    this.draw();
  }

  showWhole() {
    this.detail = null;
    this.wholeButton.hidden = true;
    this.draw();
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }

  resize() {
    if (!this.plot) this.draw();
    else if (this.element.clientWidth) this.plot.setSize(this.size());
  }

  size() {
    return { width: this.element.clientWidth, height: this.element.classList.contains("small") ? 220 : 340 };
  }

  data() {
    const store = this.detail ?? this.series;
    const steps = store.steps(this.metrics);
    const columns = [steps];
    for (const name of this.metrics) {
      const values = steps.map((step) => store.value(name, step));
      columns.push(values);
      if (this.isSmooth(name)) columns.push(smoothed(values, this.weight));
    }
    return columns;
  }

  isSmooth(name) {
    return this.weight > 0 && name.startsWith("train/");
  }

  options() {
    const faint = { stroke: color("series-train"), width: 1, alpha: 0.4, spanGaps: true, points: { show: false } };
    const line = { stroke: color("series-smooth"), width: 2, spanGaps: true, points: { show: false } };
    const joined = { stroke: color("series-validation"), width: 2.5, dash: [7, 4], spanGaps: true,
      points: { show: true, size: 7, fill: color("series-validation") } };
    const series = [{}];
    for (const name of this.metrics) {
      if (name.startsWith("eval/")) series.push(joined);
      else if (this.isSmooth(name)) series.push(faint, line);
      else series.push(line);
    }
    const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false },
      font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 22 };
    const room = this.element.clientWidth < 480 ? 46 : 58;
    return {
      ...this.size(),
      series,
      padding: [12, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 8 }, drag: { x: true, y: false, dist: 8 } },
      scales: { x: { time: false }, y: { range: (plot, low, high) => uPlot.rangeNum(low, high, 0.1, true) } },
      axes: [
        { ...axis, label: "Step", size: 30, space: 60, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5] },
        { ...axis, label: this.element.dataset.axis, size: room, values: (plot, ticks) => ticks.map(tickText) },
      ],
      hooks: {
        draw: [(plot) => this.mark(plot)],
        setCursor: [(plot) => this.read(plot.cursor.idx)],
        setSelect: [(plot) => this.showRange(plot)],
      },
    };
  }

  // Circles the best checkpoint and puts a cross where a value was not finite.
  mark(plot) {
    const { ctx } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.lineWidth = 2.5 * ratio;
    if (this.metrics.includes("eval/loss")) {
      const best = this.series.best();
      if (best) {
        ctx.strokeStyle = color("series-best");
        ctx.beginPath();
        ctx.arc(plot.valToPos(best.step, "x", true), plot.valToPos(best.value, "y", true), 8 * ratio, 0, 2 * Math.PI);
        ctx.stroke();
      }
    }
    ctx.strokeStyle = ctx.fillStyle = color("bad");
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    for (const { step, word } of this.series.notFinite(this.metrics)) {
      const x = plot.valToPos(step, "x", true);
      const y = plot.bbox.top + 10 * ratio;
      const arm = 4 * ratio;
      ctx.beginPath();
      ctx.moveTo(x - arm, y - arm); ctx.lineTo(x + arm, y + arm);
      ctx.moveTo(x - arm, y + arm); ctx.lineTo(x + arm, y - arm);
      ctx.stroke();
      ctx.fillText(word, x, y + 20 * ratio);
    }
    ctx.restore();
  }

  move(event) {
    const jumps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    const last = this.plot ? this.plot.data[0].length - 1 : -1;
    if (last < 0 || !(event.key in jumps || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const from = this.plot.cursor.idx ?? (event.key === "ArrowRight" ? -1 : last + 1);
    const place = event.key === "Home" ? 0 : event.key === "End" ? last : Math.min(last, Math.max(0, from + jumps[event.key]));
    this.plot.setCursor({ left: this.plot.valToPos(this.plot.data[0][place], "x"), top: 10 });
    this.read(place);
  }

  read(place) {
    if (place == null) return this.say("");
    const step = this.plot.data[0][place];
    const parts = this.metrics
      .map((name) => [NAMES[name] ?? "", (this.detail ?? this.series).text(name, step, written)])
      .filter(([, text]) => text !== null)
      .map(([name, text]) => `${name} ${text}`.trim());
    return this.say(`Step ${step.toLocaleString("en")}: ${parts.join(", ")}`);
  }

  say(text) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => { this.reading.textContent = text; }, text ? ANNOUNCE_AFTER_MS : 0);
  }
}

function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return value.toLocaleString("en");
  return size < 0.001 ? value.toExponential(0) : String(Number(value.toPrecision(4)));
}
