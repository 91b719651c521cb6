// Other visitors: asks for a trivial page again and again, and draws how long each answer took.
"use strict";

const PING_EVERY = 10; // milliseconds
const MOST_OPEN = 3; // pings on their way at a time; a slow site is not asked even more
const MOST_SAMPLES = 2400;
const PLOT_HEIGHT = 34;

class Pinger {
  constructor(address) {
    this.address = address;
    this.samples = [];
    this.open = 0;
  }

  start() {
    this.timer = setInterval(() => this.once(), PING_EVERY);
    return this;
  }

  stop() {
    clearInterval(this.timer);
    return this.samples;
  }

  async once() {
    if (this.open >= MOST_OPEN || this.samples.length >= MOST_SAMPLES || document.hidden) return;
    this.open += 1;
    const begin = performance.now();
    try {
      const answer = await fetch(this.address, { cache: "no-store", credentials: "omit" });
      if (answer.ok) this.samples.push(performance.now() - begin);
    } catch {
      // a ping that is lost is no latency
    } finally {
      this.open -= 1;
    }
  }
}

function percentileOf(samples, percent) {
  const sorted = [...samples].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

// Sets attributes only: an inline style would break the Content-Security-Policy.
function drawPlot(svg, samples, top) {
  svg.setAttribute("viewBox", `0 0 100 ${PLOT_HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const step = 100 / Math.max(samples.length, 1);
  const path = samples.map((sample, index) => {
    const height = (Math.min(sample, top) / top) * (PLOT_HEIGHT - 2);
    return `M${(index * step).toFixed(2)} ${PLOT_HEIGHT}V${(PLOT_HEIGHT - Math.max(height, 0.5)).toFixed(2)}`;
  });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path.join(""));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.replaceChildren(line);
}

function drawPlots(region) {
  const plots = [...region.querySelectorAll("svg[data-points]")].map((svg) => [
    svg,
    svg.dataset.points.split(",").filter(Boolean).map(Number),
  ]);
  const top = Math.max(5, ...plots.map(([, samples]) => (samples.length ? percentileOf(samples, 99) : 0)));
  for (const [svg, samples] of plots) drawPlot(svg, samples, top);
}
