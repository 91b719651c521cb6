// Runs the lanes of a run one after another, each as a real request, and shows what was measured.
"use strict";

const IDLE_FOR = 1200; // milliseconds of pings before the first lane
const LOOK_EVERY = 400; // milliseconds between two looks at the lane that is under way
const WATCH_EVERY = 1000; // milliseconds between two looks at work that still waits
const BANNER_EVERY = 3000; // milliseconds between two looks for a cluster
const LONGEST_LANE = 120000; // milliseconds until the page goes on without a lane

const banner = document.querySelector("[data-banner]");
const labForm = document.querySelector("[data-lab-form]");
const crashForm = document.querySelector("[data-crash-form]");
const region = document.querySelector("[data-result]");
const live = document.querySelector("[data-live]");
const announce = document.querySelector("[data-announce]");

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function fields() {
  const data = new FormData();
  data.set("csrfmiddlewaretoken", labForm.elements.csrfmiddlewaretoken.value);
  data.set("script", "1");
  return data;
}

function say(words, on) {
  live.hidden = false;
  live.classList.toggle("live-on", on);
  live.querySelector("[data-live-words]").textContent = words;
}

async function look() {
  const answer = await fetch(region.dataset.state, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The site answered with ${answer.status}.`);
  const state = await answer.json();
  banner.hidden = state.cluster;
  return state;
}

async function refresh() {
  const answer = await fetch(region.dataset.result, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The site answered with ${answer.status}.`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  region.replaceChildren(...page.body.childNodes);
  drawPlots(region);
}

async function keep(stretch, samples) {
  const address = `${region.dataset.run}pings/${stretch}/`;
  const headers = { "X-CSRFToken": labForm.elements.csrfmiddlewaretoken.value };
  await fetch(address, { method: "POST", headers, body: JSON.stringify(samples) });
}

// What waits for a cluster that is not there is left to wait; watch() sees it finished.
async function untilOver(way) {
  const end = performance.now() + LONGEST_LANE;
  while (performance.now() < end) {
    const state = await look();
    if (state.lanes[way] === "over" || (way === "queued" && !state.cluster)) return;
    await pause(LOOK_EVERY);
  }
}

async function runLane(lane) {
  const { way, address } = lane.dataset;
  say(`${lane.querySelector("h3").textContent} …`, true);
  const pinger = new Pinger(region.dataset.ping).start();
  try {
    const answer = await fetch(address, { method: "POST", body: fields() });
    if (!answer.ok) throw new Error(await answer.text());
    await untilOver(way);
  } finally {
    await keep(way, pinger.stop());
  }
  await refresh();
}

async function go() {
  history.replaceState(null, "", location.pathname);
  say("Measuring the idle site …", true);
  const pinger = new Pinger(region.dataset.ping).start();
  await pause(IDLE_FOR);
  await keep("idle", pinger.stop());
  for (const way of [...region.querySelectorAll(".lane")].map((lane) => lane.id)) {
    await runLane(document.getElementById(way));
  }
}

async function watch() {
  let seen = JSON.stringify((await look()).lanes);
  for (;;) {
    if (region.querySelector(".result").dataset.over === "true") {
      say("all done", false);
      announce.textContent = "All lanes are over.";
      return;
    }
    say("waiting for the rest", true);
    await pause(WATCH_EVERY);
    if (document.hidden) continue;
    const now = JSON.stringify((await look()).lanes);
    if (now !== seen) await refresh();
    seen = now;
  }
}

async function followRun() {
  try {
    if (location.hash === "#go") await go();
    await refresh();
    if (region.querySelector('[data-state="running"]')) await watch();
    else say(region.querySelector(".result").dataset.over === "true" ? "all done" : "not all lanes were run", false);
  } catch (error) {
    say(`Stopped: ${error.message}`, false);
  }
}

async function watchForClusters() {
  for (;;) {
    await pause(BANNER_EVERY);
    if (document.hidden) continue;
    try {
      const answer = await fetch(banner.dataset.cluster, { cache: "no-store" });
      if (answer.ok) banner.hidden = (await answer.json()).cluster;
    } catch {
      // the site itself is away; nothing is known of clusters
    }
  }
}

function takeOver() {
  const mark = document.createElement("input");
  Object.assign(mark, { type: "hidden", name: "script", value: "1" });
  labForm.append(mark);
  crashForm.addEventListener("submit", () => {
    crashForm.querySelector("[data-crash-words]").hidden = false;
    crashForm.querySelector("button").disabled = true;
  });
  document.getElementById("problems")?.focus();
}

takeOver();
watchForClusters();
if (region) followRun();
