// Keeps an open page up to date: listens for changed verdicts and replaces the parts they concern.
// Without this script the page is complete, but does not update.
"use strict";

const language = document.documentElement.lang;
const POLL_MS = 30_000; // while the event stream is down
const PENDING_POLL_MS = 3_000; // while a part of the page is being computed
const REFRESH_MS = 300_000; // latencies and times change even if no verdict does
// Relative times use the server's clock, because the reader's may be wrong.
const clockOffset = Date.parse(document.body.dataset.now) - Date.now();
let poll = null;

function withLanguage(path) {
  return `${path}?lang=${encodeURIComponent(language)}`;
}

async function refresh(part) {
  const response = await fetch(withLanguage(part.dataset.live), { cache: "no-store" });
  if (!response.ok) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById(part.id);
  const old = document.getElementById(part.id);
  if (fresh === null || old === null) return null;
  const opened = [...old.querySelectorAll("details")].map((each) => each.open);
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const placed = document.importNode(fresh, true);
  placed.querySelectorAll("details").forEach((each, n) => { each.open = opened[n] ?? false; });
  old.replaceWith(placed);
  if (focused) placed.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  updateTimes(placed);
  return placed;
}

function parts(service) {
  const all = [...document.querySelectorAll("[data-live]")];
  return service === null
    ? all
    : all.filter((part) => part.dataset.service === service || part.dataset.service === "*");
}

async function refreshAll(service = null) {
  await Promise.allSettled(parts(service).map(refresh));
  showLiveIndicator();
  schedulePendingRefresh();
}

let pendingTimer = null;

function schedulePendingRefresh() {
  const part = document.querySelector("[data-pending]");
  if (part === null || pendingTimer !== null) return;
  pendingTimer = setTimeout(async () => {
    await Promise.allSettled([refresh(part)]);
    pendingTimer = null;
    schedulePendingRefresh();
  }, PENDING_POLL_MS);
}

async function onVerdict(event) {
  const verdict = JSON.parse(event.data);
  await refreshAll(verdict.id);
  const card = document.getElementById(`service-${verdict.id}`);
  if (card) {
    card.classList.add("changed");
    card.addEventListener("animationend", () => card.classList.remove("changed"), { once: true });
  }
  document.getElementById("announcer").textContent = `${verdict.name}: ${verdict.word}`;
}

function showLiveIndicator() {
  const live = poll === null && source !== null && source.readyState === EventSource.OPEN;
  document.body.classList.toggle("is-live", live);
  const indicator = document.querySelector("[data-live-indicator]");
  if (indicator && source !== null) indicator.textContent = live ? document.body.dataset.liveOn : document.body.dataset.liveOff;
}

function startPolling() {
  poll ??= setInterval(refreshAll, POLL_MS);
  showLiveIndicator();
}

function stopPolling() {
  clearInterval(poll);
  poll = null;
  showLiveIndicator();
}

let source = null;
let wasConnected = false;

function listen() {
  source = new EventSource(withLanguage(`${document.body.dataset.base}/api/events`));
  source.addEventListener("hello", () => {
    if (wasConnected) refreshAll(); // events in between were missed
    wasConnected = true;
    stopPolling();
  });
  source.addEventListener("verdict", onVerdict);
  source.addEventListener("error", () => {
    startPolling();
    // A browser does not retry a response that is not a stream (503: too many clients).
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, POLL_MS);
  });
}

const near = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const far = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

function largestUnit(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return [Math.trunc(seconds / length), unit];
  }
  return [Math.trunc(seconds), "second"];
}

function ago(seconds) {
  const [count, unit] = largestUnit(seconds);
  return near.format(-count, unit);
}

function age(seconds) {
  const [count, unit] = largestUnit(Math.max(seconds, 0));
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count);
}

function updateTimes(root) {
  root.querySelectorAll("time[data-ago], time[data-age]").forEach((time) => {
    const seconds = (Date.now() + clockOffset - Date.parse(time.dateTime)) / 1000;
    time.textContent = "age" in time.dataset ? age(seconds) : ago(seconds);
    time.title = far.format(new Date(time.dateTime));
  });
  root.querySelectorAll("time[data-when]").forEach((time) => {
    time.title = far.format(new Date(time.dateTime)); // the text stays in UTC, because reports quote it
  });
}

updateTimes(document);
setInterval(() => updateTimes(document), 15_000);
setInterval(() => { if (document.visibilityState === "visible") refreshAll(); }, REFRESH_MS);
listen();
schedulePendingRefresh();
