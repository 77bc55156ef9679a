"use strict";

// The threshold slider. Counts come from the page's data and are exact. Each figure is computed with
// the same operations in the same order as in report/metrics/proportions.py, so that both give the
// same float64.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const slider = find("slider");
  const typed = find("typed");
  const kindAtStart = find("kind").textContent;
  const MOVED = "exploratory: moved on this page, so it may have been chosen on these images";
  const ANNOUNCE_AFTER = 400; // milliseconds without a change, so that a screen reader can keep up
  let current = data.start;
  let announcing = 0;

  // truePositives[i]: malignant images that score thresholds[i] or more; 0 after the last.
  const fromTheEnd = (counts) => {
    const sums = new Array(counts.length + 1).fill(0);
    for (let i = counts.length - 1; i >= 0; i -= 1) sums[i] = sums[i + 1] + counts[i];
    return sums;
  };
  const thresholds = data.thresholds;
  const truePositives = fromTheEnd(data.malignant);
  const falsePositives = fromTheEnd(data.benign);
  // Images without a label; null if there are none.
  const unlabelledPositives = fromTheEnd(data.unlabelled ?? thresholds.map(() => 0));
  const malignant = truePositives[0];
  const benign = falsePositives[0];
  const scored = malignant + benign + unlabelledPositives[0];

  // Index of the first threshold >= value.
  const firstNotBelow = (value) => {
    let low = 0;
    let high = thresholds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (thresholds[middle] >= value) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  // If the list is cut short, only its own thresholds have exact counts.
  const nearest = (value) => {
    if (data.complete) return value;
    const at = firstNotBelow(value);
    const candidates = thresholds.slice(Math.max(at - 1, 0), at + 1);
    return candidates.reduce((a, b) => (Math.abs(b - value) < Math.abs(a - value) ? b : a));
  };

  const countCells = (threshold) => {
    const at = firstNotBelow(threshold);
    const tp = truePositives[at];
    const fp = falsePositives[at];
    const positive = tp + fp + unlabelledPositives[at];
    return { tp, fp, tn: benign - fp, fn: malignant - tp, positive };
  };

  // Three decimals as Python prints them: a value that is exactly half-way goes to the even digit.
  const three = (value) => {
    const scaled = value * 1000;
    const below = Math.floor(scaled);
    const halfway = scaled - below === 0.5 && Number.isInteger(value * 16);
    return (halfway ? (below + (below % 2)) / 1000 : value).toFixed(3);
  };

  // Wilson 1927, in statsmodels' order of operations; exactly 0 and 1 where rounding would miss them.
  const proportion = (count, total) => {
    const z2 = data.z * data.z;
    const q = count / total;
    const denominator = 1 + z2 / total;
    const center = (q + z2 / (2 * total)) / denominator;
    const distance =
      (data.z * Math.sqrt((q * (1 - q)) / total + z2 / (4 * (total * total)))) / denominator;
    const low = count === 0 ? 0 : center - distance;
    const high = count === total ? 1 : center + distance;
    return { value: q, low, high };
  };

  const FIGURES = {
    sensitivity: (cells) => [cells.tp, malignant],
    specificity: (cells) => [cells.tn, benign],
    ppv: (cells) => [cells.tp, cells.tp + cells.fp],
    npv: (cells) => [cells.tn, cells.tn + cells.fn],
    accuracy: (cells) => [cells.tp + cells.tn, malignant + benign],
  };

  const exact = (value) => {
    const element = document.createElement("data");
    element.value = String(value);
    element.textContent = three(value);
    return element;
  };

  const showFigure = (key, count, total) => {
    const row = document.querySelector(`[data-figure="${key}"]`);
    if (row === null) return null; // without labelled images there are no figures
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    if (total === 0) {
      part("value").replaceChildren("n/a");
      part("images").replaceChildren();
      part("interval").replaceChildren(data.reasons[key]);
      return `${key} n/a, ${data.reasons[key]}`;
    }
    const { value, low, high } = proportion(count, total);
    part("value").replaceChildren(exact(value));
    part("images").replaceChildren(`${count}/${total}`);
    part("interval").replaceChildren(exact(low), " to ", exact(high));
    return `${key} ${three(value)}`;
  };

  const showCell = (name, count, total) => {
    const cell = document.querySelector(`[data-cell="${name}"]`);
    if (cell === null) return;
    cell.querySelector("b").textContent = count;
    cell.querySelector("small").textContent = total === 0 ? "n/a" : three(count / total);
  };

  const placePoint = (key, x, y) => {
    const point = document.querySelector(`circle[data-point="${key}"]`);
    if (point === null) return;
    const known = Number.isFinite(x) && Number.isFinite(y);
    point.setAttribute("visibility", known ? "visible" : "hidden");
    if (!known) return;
    point.setAttribute("cx", data.plot.left + data.plot.side * x);
    point.setAttribute("cy", data.plot.top + data.plot.side * (1 - y));
  };

  const placeMarkers = (threshold, cells) => {
    const sensitivity = cells.tp / malignant; // NaN without malignant images
    placePoint("roc", 1 - cells.tn / benign, sensitivity);
    placePoint("precision-recall", sensitivity, cells.tp / (cells.tp + cells.fp));
    const at = data.plot.left + data.plot.side * threshold;
    for (const line of document.querySelectorAll("[data-upright]")) {
      line.setAttribute("x1", at);
      line.setAttribute("x2", at);
    }
  };

  const filterGallery = (kind, total, isError) => {
    const gallery = document.querySelector(`[data-gallery="${kind}"]`);
    if (gallery === null) return;
    let shown = 0;
    for (const card of gallery.children) {
      card.hidden = !isError(Number(card.dataset.score));
      shown += card.hidden ? 0 : 1;
    }
    document.querySelector(`[data-gallery-count="${kind}"]`).textContent =
      total === 0 ? "None at this threshold." : `${shown} of ${total} at this threshold.`;
  };

  const announce = (sentence) => {
    clearTimeout(announcing);
    announcing = setTimeout(() => {
      find("announcement").textContent = sentence;
    }, ANNOUNCE_AFTER);
  };

  const show = (threshold) => {
    current = threshold;
    const atStart = threshold === data.start;
    const cells = countCells(threshold);
    find("threshold").value = String(threshold);
    find("threshold").textContent = String(threshold);
    find("kind").textContent = atStart ? kindAtStart : MOVED;
    find("kind").classList.toggle("moved", !atStart);
    slider.setAttribute("aria-valuetext", `${threshold}${atStart ? "" : ", exploratory"}`);
    find("positive").textContent = cells.positive;
    showCell("tp", cells.tp, malignant);
    showCell("fn", cells.fn, malignant);
    showCell("fp", cells.fp, benign);
    showCell("tn", cells.tn, benign);
    const figures = Object.entries(FIGURES).map(([key, of]) => showFigure(key, ...of(cells)));
    const spoken = figures.filter((words) => words !== null);
    if (spoken.length === 0) spoken.push(`${cells.positive} of ${scored} scored images are positive`);
    placeMarkers(threshold, cells);
    filterGallery("fn", cells.fn, (score) => score < threshold);
    filterGallery("fp", cells.fp, (score) => score >= threshold);
    return `threshold ${threshold}${atStart ? "" : ", exploratory"}: ${spoken.join(", ")}`;
  };

  const complain = (problem) => {
    find("typed-error").textContent = problem;
    typed.setAttribute("aria-invalid", problem === "" ? "false" : "true");
  };

  // Shows the nearest threshold that has exact counts.
  const move = (wanted) => {
    const threshold = nearest(wanted);
    // The control that is being dragged is already in place.
    if (Number(slider.value) !== threshold) slider.value = String(threshold);
    typed.value = String(threshold);
    complain("");
    return show(threshold);
  };
  const moveAndTell = (wanted) => announce(move(wanted));

  const applyTyped = () => {
    const words = typed.value.trim().replace(",", ".");
    const value = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(words) ? Number(words) : NaN;
    if (!(value >= 0 && value <= 1)) {
      complain("Type a number between 0 and 1.");
      return;
    }
    moveAndTell(value);
    if (current !== value) {
      find("typed-error").textContent = `No exact counts at ${words}: this is the nearest threshold that has them.`;
    }
  };

  const stepBy = (direction) => {
    const at = firstNotBelow(current);
    const here = thresholds[at] === current ? 1 : 0;
    const next = direction < 0 ? (thresholds[at - 1] ?? 0) : (thresholds[at + here] ?? 1);
    moveAndTell(next);
  };

  slider.addEventListener("input", () => moveAndTell(Number(slider.value)));
  typed.addEventListener("keydown", (event) => {
    if (event.key === "Enter") applyTyped();
  });
  find("apply").addEventListener("click", applyTyped);
  find("lower").addEventListener("click", () => stepBy(-1));
  find("higher").addEventListener("click", () => stepBy(1));
  find("reset").addEventListener("click", () => moveAndTell(data.start));

  // A closed <details> prints as its summary only.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });

  find("still").hidden = true;
  find("control").hidden = false;
  move(data.start); // also if the browser kept a position from before a reload
})();
