// The run page, live. The histories come from /series once, then points arrive over the stream. Whatever may have
// been missed - a cut connection, a Redis that was away, a new attempt - is asked for again.
import { Chart, written } from "./chart.js";
import { Series, askForSeries } from "./series.js";

const ASK_AFTER_MS = 12_000;
const series = new Series();
const charts = [...document.querySelectorAll("[data-chart]")].map((element) => new Chart(element, series));
const live = document.getElementById("run-live");
let heard = performance.now();
let isOffline = false;
let isAsking = false;
let isWanted = false;
let drawing = 0;
let connection = null;

function redraw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    for (const place of document.querySelectorAll("[data-latest]")) {
      place.textContent = series.latest(place.dataset.latest, written) ?? place.textContent;
    }
    for (const chart of charts) chart.draw();
  });
}

// Fetches what SQL has from the last step it told of; gives whether it was told. A call during another is not lost.
async function catchUp() {
  isWanted = true;
  if (isAsking) return false;
  isAsking = true;
  let body = null;
  while (isWanted) {
    isWanted = false;
    body = await askForSeries(charts[0].element.dataset.chart, series.readTo);
    if (body && !series.take(body)) isWanted = true;
  }
  isAsking = false;
  // Without an answer the next look at the clock asks again.
  heard = body ? performance.now() : -Infinity;
  redraw();
  return body !== null;
}

// The parts of the page that htmx fetches refresh at this event, as if the stream had sent it.
function refreshParts() {
  live.dispatchEvent(new CustomEvent("changed"));
}

function follow() {
  live.addEventListener("points", (event) => {
    heard = performance.now();
    const points = JSON.parse(event.detail.data);
    if (isOffline || series.hasPassed(points)) catchUp();
    isOffline = false;
    series.add(points);
    redraw();
  });
  live.addEventListener("reset", catchUp);
  // Sent every few seconds while Redis is away; the first points after it come with a hole before them.
  live.addEventListener("offline", () => {
    isOffline = true;
    catchUp();
    refreshParts();
  });
  live.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
    if (connection.attempt === 0) return;
    catchUp();
    refreshParts();
  });
  addEventListener("online", () => {
    connection?.delayCanceller?.();
    catchUp();
    refreshParts();
  });
  const clock = setInterval(async () => {
    const isOver = ["succeeded", "failed", "cancelled"].includes(document.getElementById("run-status").dataset.status);
    if (!isOver && performance.now() - heard < ASK_AFTER_MS) return;
    if (isOver) series.readTo = 0;
    if (await catchUp() && isOver) clearInterval(clock);
  }, ASK_AFTER_MS / 4);
}

catchUp();
if (live) follow();
