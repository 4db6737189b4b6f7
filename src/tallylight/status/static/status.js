// Keeps an open page true: listens for changed verdicts and puts fresh parts in place of old ones.
// Without this script the page is whole, only still.
"use strict";

const language = document.documentElement.lang;
const POLL_MS = 30_000; // while nothing can be heard
const SOON_MS = 3_000; // while something is being computed
const FRESHEN_MS = 300_000; // latencies and times grow old even where no verdict changes
// The server's clock counts, not the reader's, which may be wrong.
const ahead = Date.parse(document.body.dataset.now) - Date.now();
let poll = null;

function withLanguage(path) {
  return `${path}?lang=${encodeURIComponent(language)}`;
}

async function freshen(part) {
  const answer = await fetch(withLanguage(part.dataset.live), { cache: "no-store" });
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part.id);
  const old = document.getElementById(part.id);
  if (fresh === null || old === null) return null;
  const opened = [...old.querySelectorAll("details")].map((each) => each.open);
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const placed = document.importNode(fresh, true);
  placed.querySelectorAll("details").forEach((each, n) => { each.open = opened[n] ?? false; });
  old.replaceWith(placed);
  if (focused) placed.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  tellTimes(placed);
  return placed;
}

function parts(service) {
  const all = [...document.querySelectorAll("[data-live]")];
  return service === null
    ? all
    : all.filter((part) => part.dataset.service === service || part.dataset.service === "*");
}

async function freshenAll(service = null) {
  await Promise.allSettled(parts(service).map(freshen));
  showPulse();
  askSoon();
}

let soon = null;

function askSoon() {
  const part = document.querySelector("[data-soon]");
  if (part === null || soon !== null) return;
  soon = setTimeout(async () => {
    await Promise.allSettled([freshen(part)]);
    soon = null;
    askSoon();
  }, SOON_MS);
}

async function onVerdict(event) {
  const verdict = JSON.parse(event.data);
  await freshenAll(verdict.id);
  const card = document.getElementById(`service-${verdict.id}`);
  if (card) {
    card.classList.add("flipped");
    card.addEventListener("animationend", () => card.classList.remove("flipped"), { once: true });
  }
  document.getElementById("announcer").textContent = `${verdict.name}: ${verdict.word}`;
}

function showPulse() {
  const live = poll === null && source !== null && source.readyState === EventSource.OPEN;
  document.body.classList.toggle("is-live", live);
  const pulse = document.querySelector("[data-pulse]");
  if (pulse && source !== null) pulse.textContent = live ? document.body.dataset.liveOn : document.body.dataset.liveOff;
}

function startPolling() {
  poll ??= setInterval(freshenAll, POLL_MS);
  showPulse();
}

function stopPolling() {
  clearInterval(poll);
  poll = null;
  showPulse();
}

let source = null;
let heardBefore = false;

function listen() {
  source = new EventSource(withLanguage("/api/events"));
  source.addEventListener("hello", () => {
    if (heardBefore) freshenAll(); // what happened meanwhile was not heard
    heardBefore = true;
    stopPolling();
  });
  source.addEventListener("verdict", onVerdict);
  source.addEventListener("error", () => {
    startPolling();
    // A browser gives up for good on an answer that is no stream (503: too many listen).
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, POLL_MS);
  });
}

const near = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const far = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

function ago(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return near.format(-Math.trunc(seconds / length), unit);
  }
  return near.format(-Math.trunc(seconds), "second");
}

function tellTimes(root) {
  root.querySelectorAll("time[data-ago]").forEach((time) => {
    time.textContent = ago((Date.now() + ahead - Date.parse(time.dateTime)) / 1000);
    time.title = far.format(new Date(time.dateTime));
  });
  root.querySelectorAll("time[data-when]").forEach((time) => {
    time.title = far.format(new Date(time.dateTime)); // the text stays in UTC, as reports quote it
  });
}

tellTimes(document);
setInterval(() => tellTimes(document), 15_000);
setInterval(() => { if (document.visibilityState === "visible") freshenAll(); }, FRESHEN_MS);
listen();
askSoon();
