// Keeps the order's deliveries up to date: asks for them every second until all are final.
"use strict";

const EVERY = 1000; // milliseconds
const AT_MOST = 30000; // between two tries while the site does not answer

const region = document.querySelector("[data-deliveries]");
const live = document.querySelector("[data-live]");
const liveWords = live.querySelector("[data-live-words]");
const announce = document.querySelector("[data-announce]");
let timer = 0;
let asking = false;
let misses = 0;

function current() {
  return region.querySelector(".deliveries");
}

function isFinal() {
  return current().dataset.final === "true";
}

function showLive(words, on) {
  live.hidden = false;
  live.classList.toggle("live-on", on);
  if (liveWords.textContent !== words) liveWords.textContent = words;
}

function shape(deliveries) {
  return [...deliveries.children, ...deliveries.querySelectorAll(".track")].map((part) => part.id || part.className).join();
}

// Only what changed is replaced, so that focus, selection and opened details stay where they are.
function update(fresh) {
  const old = current();
  if (shape(old) !== shape(fresh)) {
    keepOpen(old, fresh);
    old.replaceWith(fresh);
    return;
  }
  replaceChanged(old, fresh, ".deliveries-sum");
  for (const track of fresh.querySelectorAll(".track")) replaceChanged(old, fresh, `#${track.id}`);
  Object.assign(old.dataset, fresh.dataset);
}

function replaceChanged(old, fresh, selector) {
  const before = old.querySelector(selector);
  const after = fresh.querySelector(selector);
  if (!before || !after) return;
  keepOpen(before, after);
  if (before.outerHTML !== after.outerHTML) before.replaceWith(after);
}

function keepOpen(before, after) {
  for (const details of before.querySelectorAll("details[open]")) {
    const track = details.closest(".track");
    const home = after.id === track.id ? after : after.querySelector(`#${track.id}`);
    home?.querySelector("details")?.setAttribute("open", "");
  }
}

async function ask() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch(region.dataset.deliveries, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = document.importNode(page.querySelector(".deliveries"), true);
    const news = fresh.dataset.summary !== current().dataset.summary;
    update(fresh);
    if (news) announce.textContent = fresh.dataset.summary;
    misses = 0;
    showLive(isFinal() ? "all done" : "live", !isFinal());
  } catch {
    misses += 1;
    showLive("the site does not answer, trying again", false);
  } finally {
    asking = false;
    next();
  }
}

function next() {
  clearTimeout(timer);
  if (isFinal() || document.hidden) return;
  timer = setTimeout(ask, Math.min(EVERY * 2 ** misses, AT_MOST));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!isFinal()) ask();
});

showLive(isFinal() ? "all done" : "live", !isFinal());
next();
