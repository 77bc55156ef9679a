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
  const wordsAtStart = find("threshold").textContent;
  const [FEWEST_DECIMALS, MOST_DECIMALS] = [4, 17];
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
    const words = (halfway ? (below + (below % 2)) / 1000 : value).toFixed(3);
    return Number(words) === 0 ? "0.000" : words.replace("-", "−");
  };

  // A threshold in few digits for reading; typed in, they select the same images.
  const rounded = (threshold) => {
    for (let digits = FEWEST_DECIMALS; digits < MOST_DECIMALS; digits += 1) {
      for (const lower of [0, 10 ** -digits / 2]) { // rounded, and rounded down
        const short = Number((threshold - lower).toFixed(digits));
        const same = firstNotBelow(nearest(short)) === firstNotBelow(threshold);
        if (same && ((short > 0 && short < 1) || short === threshold)) {
          return String(short);
        }
      }
    }
    return String(threshold);
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

  // By clusters there are none that could follow the slider.
  const interval = (low, high) =>
    data.intervals === null ? [exact(low), " to ", exact(high)] : [data.intervals];

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
    part("interval").replaceChildren(...interval(low, high));
    return `${key} ${three(value)}`;
  };

  // A ratio of two proportions with its ends on the log scale, as in report/metrics/likelihood.py.
  const ratio = (a, m, b, n) => {
    if (a === 0) return { value: 0, reason: data.at.reasons.zeroCount };
    const value = a / m / (b / n);
    const spread = Math.sqrt(Math.max(0, 1 / a - 1 / m + 1 / b - 1 / n));
    if (spread === 0) return { value, reason: data.at.reasons.noVariance };
    const half = data.at.z * spread;
    return { value, low: value * Math.exp(-half), high: value * Math.exp(half) };
  };
  const probability = (one) => (one * data.at.odds) / (1 + one * data.at.odds);
  const within = ({ reason, ...ends }, of) =>
    Object.fromEntries([["reason", reason], ...Object.entries(ends).map(([k, v]) => [k, of(v)])]);

  // At the prevalence given: value with low and high, or with a reason or note in their place.
  const MOVED_FIGURES = {
    ppv: ({ tp, fp }, reasons) => {
      if (tp + fp === 0) return { reason: reasons.noPositive };
      if (fp === 0) return { value: 1, reason: reasons.noFalsePositives };
      return within(ratio(tp, malignant, fp, benign), probability);
    },
    npv: ({ tn, fn }, reasons) => {
      if (tn + fn === 0) return { reason: reasons.noNegative };
      if (tn === 0) return { value: 0, reason: reasons.noTrueNegatives };
      const { low, high, ...rest } = ratio(fn, malignant, tn, benign);
      const turned = low === undefined ? rest : { ...rest, low: high, high: low };
      return within(turned, (one) => 1 - probability(one));
    },
    net_benefit: ({ tp, fp }, reasons, threshold) => {
      if (threshold === 1) return { reason: reasons.unbounded };
      const { sizes } = data.at;
      const odds = threshold / (1 - threshold);
      const all = malignant / sizes.malignant - (benign / sizes.benign) * odds;
      return {
        value: tp / sizes.malignant - (fp / sizes.benign) * odds,
        reason: `treat all: ${three(all)}`,
      };
    },
  };

  const showMoved = (key, cells, threshold) => {
    const row = document.querySelector(`[data-moved="${key}"]`);
    if (row === null || data.at.reasons.absent !== null) return;
    const { value, low, high, reason } = MOVED_FIGURES[key](cells, data.at.reasons, threshold);
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    part("value").replaceChildren(value === undefined ? "n/a" : exact(value));
    part("interval").replaceChildren(
      ...(low === undefined ? [reason] : interval(low, high)));
  };

  // As Python rounds: halves go to the even number.
  const whole = (value) => {
    const near = Math.round(value);
    return near - value === 0.5 && near % 2 !== 0 ? near - 1 : near;
  };

  // Numbers that add up, as in report/metrics/patients/natural_frequencies.py.
  const showPatients = (cells) => {
    if (data.patients === null) return;
    const { patients, melanoma } = data.patients;
    const found = whole(melanoma * (cells.tp / malignant));
    const others = patients - melanoma;
    const alarms = others - whole(others * (cells.tn / benign));
    const said = (count) => count.toLocaleString("en-US");
    find("patients").textContent =
      `Of ${said(patients)} patients, ${said(melanoma)} with melanoma: ${said(found)} found, ` +
      `${said(melanoma - found)} missed, ${said(alarms)} false alarm${alarms === 1 ? "" : "s"}`;
  };

  const showCell = (name, count, total) => {
    const cell = document.querySelector(`[data-cell="${name}"]`);
    if (cell === null) return;
    cell.querySelector("b").textContent = count;
    cell.querySelector("small").textContent = total === 0 ? "no images" : three(count / total);
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
    const words = atStart ? wordsAtStart : rounded(threshold);
    const cells = countCells(threshold);
    find("threshold").value = String(threshold);
    find("threshold").textContent = words;
    find("kind").textContent = atStart ? kindAtStart : MOVED;
    find("kind").classList.toggle("moved", !atStart);
    slider.setAttribute("aria-valuetext", `${words}${atStart ? "" : ", exploratory"}`);
    find("positive").textContent = cells.positive;
    showCell("tp", cells.tp, malignant);
    showCell("fn", cells.fn, malignant);
    showCell("fp", cells.fp, benign);
    showCell("tn", cells.tn, benign);
    const figures = Object.entries(FIGURES).map(([key, of]) => showFigure(key, ...of(cells)));
    for (const key of Object.keys(MOVED_FIGURES)) showMoved(key, cells, threshold);
    showPatients(cells);
    const spoken = figures.filter((words) => words !== null);
    if (spoken.length === 0) spoken.push(`${cells.positive} of ${scored} scored images are positive`);
    placeMarkers(threshold, cells);
    filterGallery("fn", cells.fn, (score) => score < threshold);
    filterGallery("fp", cells.fp, (score) => score >= threshold);
    return `threshold ${words}${atStart ? "" : ", exploratory"}: ${spoken.join(", ")}`;
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
