// Runs the lanes of a run one after another, each as a real request, and shows what was measured.
"use strict";

const IDLE_FOR = 1200; // milliseconds of pings before the first lane
const LOOK_EVERY = 250; // milliseconds between two looks at the lane that is under way
const WATCH_EVERY = 1000; // milliseconds between two looks at work that still waits
const BANNER_EVERY = 3000; // milliseconds between two looks for a cluster
const LONGEST_LANE = 120000; // milliseconds until the page goes on without a lane

const banner = document.querySelector("[data-banner]");
const crashForm = document.querySelector("[data-crash-form]");
const region = document.querySelector("[data-result]");
const live = document.querySelector("[data-live]");
const announce = document.querySelector("[data-announce]");
const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function say(words, on) {
  live.hidden = false;
  live.classList.toggle("live-on", on);
  live.querySelector("[data-live-words]").textContent = words;
}

async function ask(address, options = {}) {
  const answer = await fetch(address, { cache: "no-store", ...options });
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 200) || `The site answered with ${answer.status}.`);
  return answer;
}

function post(address) {
  return ask(address, { method: "POST", body: new URLSearchParams({ csrfmiddlewaretoken: token(), script: "1" }) });
}

async function look() {
  const state = await (await ask(region.dataset.state)).json();
  banner.hidden = state.cluster;
  return state;
}

async function refresh() {
  const page = new DOMParser().parseFromString(await (await ask(region.dataset.result)).text(), "text/html");
  const open = document.getElementById("all-figures")?.open;
  region.replaceChildren(...page.body.childNodes);
  if (open) document.getElementById("all-figures").open = true;
  drawPlots(region);
}

async function keep(stretch, samples) {
  const address = `${region.dataset.run}pings/${stretch}/`;
  await fetch(address, { method: "POST", headers: { "X-CSRFToken": token() }, body: JSON.stringify(samples) });
}

// What waits for a cluster that is not there is left to wait; watch() sees it finished.
async function untilOver(way) {
  const end = performance.now() + LONGEST_LANE;
  while (performance.now() < end) {
    const state = await look();
    if (state.lanes[way] === "over" || (["queued", "task"].includes(way) && !state.cluster)) return;
    await pause(LOOK_EVERY);
  }
}

async function runLane(lane) {
  const { way, address } = lane.dataset;
  say(`${lane.querySelector("h3").textContent} …`, true);
  const pinger = new Pinger(region.dataset.ping).start();
  try {
    await post(address);
    await untilOver(way);
  } finally {
    await keep(way, pinger.stop());
  }
  await refresh();
}

async function go() {
  history.replaceState(null, "", location.pathname);
  region.parentElement.scrollIntoView();
  say("Measuring the idle site …", true);
  const pinger = new Pinger(region.dataset.ping).start();
  await pause(IDLE_FOR);
  await keep("idle", pinger.stop());
  for (const way of [...region.querySelectorAll("[data-address]")].map((lane) => lane.id)) {
    await runLane(document.getElementById(way));
  }
  const crash = region.querySelector("[data-crash]")?.dataset.crash;
  if (crash) {
    say("The crash …", true);
    await post(crash);
  }
}

async function watch() {
  let seen = JSON.stringify((await look()).lanes);
  for (;;) {
    if (!region.querySelector('[data-state="running"]')) return;
    say("waiting for the rest", true);
    await pause(WATCH_EVERY);
    if (document.hidden) continue;
    const now = JSON.stringify((await look()).lanes);
    if (now !== seen) await refresh();
    seen = now;
  }
}

function showVerdict() {
  const verdict = document.getElementById("verdict");
  region.parentElement.scrollIntoView();
  verdict.focus({ preventScroll: true });
}

async function followRun() {
  const begun = location.hash === "#go";
  try {
    if (begun) await go();
    await refresh();
    if (begun) showVerdict();
    await watch();
    const over = region.querySelector(".result").dataset.over === "true";
    say(over ? "all done" : "not everything was run", false);
    if (over) announce.textContent = "All lanes are over.";
  } catch (error) {
    await refresh().catch(() => {});
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
  for (const form of document.querySelectorAll("[data-runs]")) {
    const mark = document.createElement("input");
    Object.assign(mark, { type: "hidden", name: "script", value: "1" });
    form.append(mark);
  }
  crashForm.addEventListener("submit", () => {
    crashForm.querySelector("[data-crash-words]").hidden = false;
    crashForm.querySelector("button").disabled = true;
  });
  document.getElementById("problems")?.focus();
}

takeOver();
watchForClusters();
if (region) followRun();
