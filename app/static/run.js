// The run page, live. The histories come from /series, what follows them over the stream, each event with its number;
// after a cut the stream goes on where it broke off. `reset` says that what was drawn may be hidden now.
import { Chart, written } from "./chart.js";
import { Series, askForSeries } from "./series.js";

// The server says something at least every 15 s: a connection that is silent for longer is dead.
const SILENT_MS = 20_000;
export const series = new Series();
const charts = [...document.querySelectorAll("[data-chart]")].map((element) => new Chart(element, series));
const live = document.getElementById("run-live");
let heard = performance.now();
let isAsking = false;
let isWanted = false;
let drawing = 0;
let connection = null;

function redraw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    for (const place of document.querySelectorAll("[data-latest]")) {
      place.textContent = series.latest(place.dataset.latest, written) ?? (series.isRead ? "–" : place.textContent);
    }
    for (const chart of charts) chart.draw();
    if (series.isCrowded) catchUp();
  });
}

// Reads the histories anew; gives whether they came. A call during another is not lost.
async function catchUp() {
  isWanted = true;
  if (isAsking) return false;
  isAsking = true;
  let body = null;
  while (isWanted) {
    isWanted = false;
    series.expect();
    body = await askForSeries(charts[0].element.dataset.chart);
    if (body) series.take(body);
  }
  isAsking = false;
  // Without an answer the next look at the clock asks again.
  heard = body ? performance.now() : -Infinity;
  redraw();
  return body !== null;
}

// Cuts the wait short, or the connection, which may be dead without the browser's knowledge; or makes the first one.
function reconnect() {
  if (connection?.delayCanceller) connection.delayCanceller();
  else if (connection?.reader) connection.reader.cancel();
  else htmx.trigger(live, "connect");
}

async function look() {
  if (document.hidden) return;
  const isOver = ["succeeded", "failed", "cancelled"].includes(document.getElementById("run-status").dataset.status);
  if (!isOver && performance.now() - heard < SILENT_MS) return;
  if (!isOver) reconnect();
  if (await catchUp() && isOver) clearInterval(clock);
}

function follow() {
  for (const kind of ["points", "changed", "reset", "ping"]) {
    live.addEventListener(kind, () => { heard = performance.now(); });
  }
  live.addEventListener("points", ({ detail }) => {
    series.add(JSON.parse(detail.data), Number(detail.id));
    redraw();
  });
  live.addEventListener("reset", () => {
    for (const chart of charts) chart.showWhole();
    catchUp();
  });
  live.addEventListener("htmx:sse:after:connection", ({ detail }) => {
    connection = detail.connection;
    heard = performance.now();
  });
  addEventListener("online", reconnect);
}

catchUp();
if (live) follow();
const clock = live && setInterval(look, SILENT_MS / 5);
