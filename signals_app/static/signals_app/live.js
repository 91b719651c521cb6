// Keeps the marked regions of a page up to date: asks for the page anew and changes what differs in them, so that
// focus, selection, scrolling and opened details stay where they are. A hidden tab asks nothing.
"use strict";

const KEY = "signals_app.live"; // in localStorage: the interval that was chosen, in seconds
const CHOICES = [2, 5, 15, 0]; // seconds; 0 is off
const DEFAULT = 5;
const AT_MOST = 60; // seconds between two tries while the site does not answer

const bar = document.querySelector("[data-live-bar]");
const select = bar?.querySelector("select");
const regions = [...document.querySelectorAll("[data-live]")];
let timer = 0;
let asking = false;
let misses = 0;

function chosen() {
  try {
    const value = Number(localStorage.getItem(KEY) ?? DEFAULT);
    return atLeast(CHOICES.includes(value) ? value : DEFAULT);
  } catch {
    return atLeast(DEFAULT); // storage may be forbidden
  }
}

// A page that costs much offers long intervals only; the shortest stands for those that it leaves out.
function atLeast(seconds) {
  const offered = [...select.options].map((option) => Number(option.value));
  return seconds && Math.max(seconds, Math.min(...offered.filter(Boolean)));
}

function remember(seconds) {
  try {
    localStorage.setItem(KEY, String(seconds));
  } catch {
    // then it is asked again next time
  }
}

function say(words) {
  const place = bar.querySelector("[data-live-words]");
  if (place.textContent !== words) place.textContent = words;
}

// What tells an element from its neighbours: its id, or the name its markup gives it.
function nameOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "";
}

function isSame(before, after) {
  return before.nodeType === after.nodeType && before.nodeName === after.nodeName && nameOf(before) === nameOf(after);
}

function updateAttributes(before, after) {
  for (const { name } of [...before.attributes]) {
    const keeps = name === "open" && before.localName === "details"; // the reader's choice
    if (!keeps && !after.hasAttribute(name)) before.removeAttribute(name);
  }
  for (const { name, value } of after.attributes) {
    if (before.getAttribute(name) !== value) before.setAttribute(name, value);
  }
}

function isBeingUsed(node) {
  return node.matches("select, textarea, input:not([type=hidden])");
}

function update(before, after) {
  if (before.nodeType !== Node.ELEMENT_NODE) {
    if (before.nodeValue !== after.nodeValue) before.nodeValue = after.nodeValue;
    return;
  }
  if (isBeingUsed(before)) return;
  updateAttributes(before, after);
  let old = before.firstChild;
  for (const fresh of [...after.childNodes]) {
    const match = findMatch(old, fresh);
    if (!match) {
      before.insertBefore(document.importNode(fresh, true), old);
      continue;
    }
    while (old !== match) old = drop(old);
    update(match, fresh);
    old = match.nextSibling;
  }
  while (old) old = drop(old);
}

// A named element may stand further on; for one without a name only the next place counts.
function findMatch(old, fresh) {
  if (!nameOf(fresh)) return old && isSame(old, fresh) ? old : null;
  for (let node = old; node; node = node.nextSibling) if (isSame(node, fresh)) return node;
  return null;
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

async function ask() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { "X-Requested-With": "live" } });
    if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of regions) {
      const fresh = page.getElementById(region.id);
      if (fresh) update(region, fresh);
    }
    misses = 0;
    say("");
  } catch {
    misses += 1;
    say(bar.dataset.liveFailed);
  } finally {
    asking = false;
    next();
  }
}

function next() {
  clearTimeout(timer);
  const seconds = chosen();
  if (!seconds || document.hidden) return;
  timer = setTimeout(ask, Math.min(seconds * 2 ** misses, Math.max(seconds, AT_MOST)) * 1000);
}

if (bar && regions.length) {
  select.value = String(chosen());
  select.addEventListener("change", () => {
    remember(Number(select.value));
    next();
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden && chosen()) ask();
  });
  bar.hidden = false;
  next();
}
