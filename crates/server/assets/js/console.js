// The live side of the console: one stream of figures for every page.
//
// Pages say in markup what they want, this file knows no page:
//   <span data-live="events_per_s">            the newest value of a figure
//   <figure data-chart data-series="key=Name, …" data-unit="ms">   the last five minutes of figures
//   <tbody data-list="top"> + <template id="row-top">              a list of rows, filled in place
//   <time data-ago="epoch ms">                 a time that ages
// Everything is set as text, never as markup.

const KEEP_S = 300;
const COLUMNS = [
  "at_ms", "events_per_s", "answers_per_s", "freshness_p50_ms", "freshness_p95_ms",
  "freshness_p99_ms", "answer_p50_ms", "answer_p99_ms", "lag",
  "lag_users", "lag_products", "lag_slates", "lag_rows", "lag_shop", "lag_sinks",
  "delay_users_s", "delay_products_s", "delay_slates_s", "delay_rows_s",
];

const history = Object.fromEntries(COLUMNS.map((key) => [key, []]));
let nowMs = null;

/* numbers: the same rule as `format::short` on the server */
function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 99.95) return Math.round(value).toLocaleString("en-US");
  const text = size >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  const trimmed = text.replace(/0+$/, "").replace(/\.$/, "");
  return trimmed === "-0" || trimmed === "" ? "0" : trimmed;
}

function ago(atMs) {
  const ms = nowMs - atMs;
  const s = Math.floor(Math.abs(ms) / 1000);
  if (s < 2) return "just now";
  const span = s < 60 ? `${s} s`
    : s < 3600 ? `${Math.floor(s / 60)} min`
    : s < 172800 ? `${Math.floor(s / 3600)} h`
    : `${Math.floor(s / 86400)} d`;
  return ms < 0 ? `in ${span}` : `${span} ago`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/* charts ------------------------------------------------------------------------------------- */

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.unit = figure.dataset.unit;
    this.series = figure.dataset.series.split(",").map((part) => {
      const [key, name] = part.trim().split("=");
      return { key, name };
    });
    const caption = figure.querySelector("figcaption");
    const key = document.createElement("ul");
    key.className = "key";
    this.values = this.series.map(({ name }, n) => {
      const item = document.createElement("li");
      const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      swatch.setAttribute("viewBox", "0 0 10 10");
      swatch.setAttribute("aria-hidden", "true");
      rect.setAttribute("class", `p${n}`);
      rect.setAttribute("width", "10");
      rect.setAttribute("height", "10");
      rect.setAttribute("rx", "2");
      swatch.append(rect);
      const value = document.createElement("b");
      item.append(swatch, name, value);
      key.append(item);
      return value;
    });
    caption.append(key);
    this.holder = document.createElement("div");
    this.holder.className = "plot";
    this.holder.setAttribute("role", "img");
    this.holder.setAttribute("aria-label", `${caption.firstChild.textContent.trim()}, last five minutes`);
    figure.append(this.holder);
    this.build();
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.holder);
  }

  size() {
    return { width: this.holder.clientWidth, height: this.holder.clientHeight };
  }

  columns() {
    return [history.at_ms.map((ms) => ms / 1000), ...this.series.map(({ key }) => history[key])];
  }

  build() {
    this.plot?.destroy();
    const axis = { stroke: colour("--ink-3"), font: `11px ${colour("--sans")}`, ticks: { show: false } };
    const grid = { stroke: colour("--grid"), width: 1 };
    const options = {
      ...this.size(),
      padding: [8, 6, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
      scales: {
        x: { time: true, range: () => this.span() },
        y: { range: (_, low, high) => [0, !high || high <= 0 ? 1 : high * 1.15] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: 70, size: 26, values: (_, at) => at.map(clock) },
        { ...axis, grid, space: 34, size: 46, values: (_, at) => at.map(short) },
      ],
      series: [
        {},
        ...this.series.map(({ name }, n) => ({
          label: name,
          stroke: colour(`--c${n}`),
          width: 1.75,
          fill: n === 0 ? `${colour("--c0")}1a` : undefined,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: { setLegend: [() => this.legend()] },
    };
    this.plot = new uPlot(options, this.columns(), this.holder);
  }

  /* five minutes up to now, also when there are only a few points yet */
  span() {
    const end = (history.at_ms.at(-1) ?? Date.now()) / 1000;
    return [end - KEEP_S, end];
  }

  legend() {
    const at = this.plot?.cursor.idx ?? history.at_ms.length - 1;
    this.values.forEach((element, n) => {
      setText(element, short(history[this.series[n].key][at]));
    });
  }

  draw() {
    this.plot.setData(this.columns());
    if (this.plot.cursor.idx === null || this.plot.cursor.idx === undefined) this.legend();
  }
}

function clock(seconds) {
  const at = new Date(seconds * 1000);
  return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.forEach((chart) => chart.build());
});

/* lists: rows are changed in place, so that focus and selection stay ------------------------- */

function fillRow(row, item, place, most) {
  const read = (key) => (key === "#" ? place : item[key]);
  row.querySelectorAll("[data-field]").forEach((element) => {
    const { field, as, unless } = element.dataset;
    const value = read(field);
    const shown = as === "ago" ? ago(value) : as === "number" ? short(value) : value ?? element.dataset.else ?? "";
    setText(element, String(unless && item[unless].includes(value) ? "" : shown));
    if (as === "ago") {
      element.dateTime = new Date(value).toISOString();
      element.title = element.dateTime;
    }
  });
  row.querySelectorAll("[data-href]").forEach((link) => {
    let known = true;
    const href = link.dataset.href.replace(/\{(\w+)\}/g, (_, key) => {
      known &&= item[key] !== null && item[key] !== undefined;
      return encodeURIComponent(item[key] ?? "");
    });
    if (!known) link.removeAttribute("href");
    else if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  });
  row.querySelectorAll("[data-width]").forEach((rect) => {
    rect.setAttribute("width", String(Math.max(0, (100 * item[rect.dataset.width]) / most)));
  });
}

function fillList(body, items) {
  const name = body.dataset.list;
  const template = document.getElementById(`row-${name}`);
  const most = Math.max(...items.map((item) => item[body.dataset.max] ?? 0), Number.MIN_VALUE);
  if (!body.dataset.ours) {
    body.replaceChildren(); // rows rendered by the server have no fields to fill
    body.dataset.ours = "yes";
  }
  while (body.children.length > items.length) body.lastElementChild.remove();
  while (body.children.length < items.length) body.append(template.content.cloneNode(true));
  items.forEach((item, n) => fillRow(body.children[n], item, n + 1, most));
  const none = document.querySelector(`[data-none="${name}"]`);
  if (none) none.hidden = items.length > 0;
}

/* the stream --------------------------------------------------------------------------------- */

const pulse = document.querySelector(".pulse");

function setPulse(state, words) {
  pulse.dataset.state = state;
  setText(pulse.querySelector("[data-pulse]"), words);
}

function onHistory(columns) {
  for (const key of COLUMNS) history[key] = columns[key] ?? [];
  nowMs = history.at_ms.at(-1) ?? Date.now();
  charts.forEach((chart) => chart.draw());
  setPulse("live", "live");
}

function onFigures(figures) {
  if (figures.at_ms <= (history.at_ms.at(-1) ?? 0)) return;
  nowMs = figures.at_ms;
  const cut = history.at_ms.findIndex((ms) => ms > nowMs - KEEP_S * 1000);
  for (const key of COLUMNS) {
    history[key].push(figures[key] ?? null);
    if (cut > 0) history[key].splice(0, cut);
  }
  document.querySelectorAll("[data-live]").forEach((element) => {
    setText(element, short(figures[element.dataset.live]));
  });
  document.querySelectorAll("[data-ago]").forEach((element) => {
    setText(element, ago(Number(element.dataset.ago)));
  });
  document.querySelectorAll("[data-list]").forEach((body) => {
    fillList(body, figures[body.dataset.list] ?? []);
  });
  charts.forEach((chart) => chart.draw());
}

let stream = null;

function connect() {
  if (stream) return;
  stream = new EventSource("/console/live");
  stream.addEventListener("history", (event) => onHistory(JSON.parse(event.data)));
  stream.addEventListener("figures", (event) => {
    onFigures(JSON.parse(event.data));
    setPulse("live", "live");
  });
  stream.addEventListener("error", () => {
    setPulse("lost", "connection lost, trying again");
    // A refusal closes the stream for good; ask again, slowly.
    if (stream?.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(() => document.hidden || connect(), 5000);
    }
  });
}

function disconnect() {
  stream?.close();
  stream = null;
}

// A hidden page needs no figures, and browsers allow only six connections to a host.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
connect();

/* changes that failed say so ----------------------------------------------------------------- */

const toast = document.querySelector(".toast");
let toastTimer = 0;

function complain(words) {
  clearTimeout(toastTimer);
  toast.textContent = words;
  toast.hidden = false;
  toastTimer = setTimeout(() => { toast.hidden = true; }, 8000);
}

document.body.addEventListener("htmx:sendError", () => complain("Vitrina cannot be reached. Is it running?"));
document.body.addEventListener("htmx:responseError", (event) => {
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const fact = page.querySelector(".fact")?.textContent ?? event.detail.xhr.statusText;
  complain(`Not done: ${fact}.`);
});
