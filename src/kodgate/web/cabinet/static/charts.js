// Draws each `.plot` from the table that it names, so that the table is the chart's only truth.
(() => {
  "use strict";
  const HEIGHT = 230;
  const DASHES = [[], [7, 4], [2, 3]];
  const DECADES = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000];
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = () => ({
    stroke: token("muted"), ticks: { show: false }, grid: { stroke: token("line"), width: 1 },
  });

  // What the table says: heads with a colour are series, cells with `data-y` their values.
  const read = (table) => {
    const rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells];
    const series = heads.flatMap((head, place) => (head.dataset.colour ? [{ head, place }] : []));
    const value = (row, place) => {
      const y = row.cells[place].dataset.y;
      return y === undefined ? null : Number(y);
    };
    return { rows, heads, series, columns: series.map(({ place }) => rows.map((row) => value(row, place))) };
  };

  // Slots that the table leaves out had nothing: a line must fall to zero there. The last slot is
  // not over, and a line that ends in half a slot would seem to plunge.
  const filled = (xs, columns, { since, until, step }) => {
    const found = new Map(xs.map((x, i) => [x, i]));
    const all = [];
    const first = xs[0] - Math.ceil((xs[0] - since) / step) * step;
    for (let x = first; x + step <= until || !all.length; x += step) all.push(x);
    return [all, ...columns.map((ys) => all.map((x) => (found.has(x) ? ys[found.get(x)] : 0)))];
  };

  const writer = (lang, unit) => {
    const how = unit === "money" ? { style: "currency", currency: "RUB", currencyDisplay: "narrowSymbol", maximumFractionDigits: 2, minimumFractionDigits: 0 }
      : unit ? { style: "unit", unit, unitDisplay: "narrow", maximumFractionDigits: 1 } : { maximumFractionDigits: 2 };
    const format = new Intl.NumberFormat(lang, how);
    return (value) => (value == null ? "" : format.format(value));
  };

  // Of ticks that would say the same only the first speaks.
  const once = (texts) => texts.map((text, i) => (text === texts[i - 1] ? "" : text));

  const clocks = (plot) => {
    const make = (how) => new Intl.DateTimeFormat(plot.dataset.lang, { timeZone: plot.dataset.zone, ...how });
    return {
      clock: make({ hour12: false, hour: "2-digit", minute: "2-digit" }),
      day: make({ day: "numeric", month: "short" }),
    };
  };

  const overTime = (plot, { rows, heads, series, columns }) => {
    const { since, until, step } = Object.fromEntries(["since", "until", "step"].map((n) => [n, Number(plot.dataset[n])]));
    const xs = rows.map((row) => Number(row.cells[0].dataset.at));
    const data = step ? filled(xs, columns, { since, until, step }) : [xs, ...columns];
    const { clock, day } = clocks(plot);
    const isLog = plot.dataset.kind === "log";
    const isLong = until - since > 2 * 86400;
    const write = writer(plot.dataset.lang, plot.dataset.unit);
    const y = isLog ? { distr: 3, range: (_, low, high) => [low / 2, high * 2] } : { range: (_, low, high) => [Math.min(0, low), (high > 0 ? high : 1) * 1.08] };
    return [data, {
      scales: { x: { range: [since, until] }, y },
      axes: [
        { ...axis(), size: 32, values: (_, ticks) => once(ticks.map((at) => (isLong ? day : clock).format(at * 1000))) },
        { ...axis(), size: plot.dataset.unit ? 66 : 44, values: (_, ticks) => ticks.map(write),
          ...(isLog ? { splits: (_, __, low, high) => DECADES.filter((at) => at >= low && at <= high), filter: (_, splits) => splits } : {}) },
      ],
      series: [
        { label: heads[0].textContent, value: (_, at) => (at == null ? "" : `${day.format(at * 1000)} ${clock.format(at * 1000)}`) },
        ...series.map(({ head }) => ({
          label: head.textContent, stroke: token(head.dataset.colour), width: data[0].length > 500 ? 1 : 1.75, spanGaps: true,
          dash: DASHES[head.dataset.dash], points: { show: data[0].length < 2 }, value: (_, value) => write(value),
        })),
      ],
    }];
  };

  // One bar a row: what is above zero is stacked, what is below hangs.
  const bars = (plot, { rows, heads, series, columns }) => {
    const write = writer(plot.dataset.lang, plot.dataset.unit);
    const names = rows.map((row) => row.cells[0].textContent);
    const heights = columns.map((ys, i) => ys.map((y, row) => (y < 0 ? y : columns.slice(0, i + 1).reduce((sum, below) => sum + Math.max(0, below[row]), 0))));
    const data = [names.map((_, i) => i), ...heights.toReversed()];
    const drawn = series.map((one, i) => ({ ...one, own: columns[i] })).toReversed();
    return [data, {
      scales: { x: { time: false, range: [-0.6, names.length - 0.4] }, y: { range: (_, low, high) => [Math.min(0, low) * 1.1, high * 1.1 || 1] } },
      axes: [
        { ...axis(), size: 32, grid: { show: false }, splits: () => data[0], values: () => names },
        { ...axis(), size: 66, values: (_, ticks) => ticks.map(write) },
      ],
      series: [
        { label: heads[0].textContent, value: (_, i) => names[i] ?? "" },
        ...drawn.map(({ head, own }) => ({
          label: head.textContent, fill: token(head.dataset.colour), stroke: token("card"), width: 1,
          paths: uPlot.paths.bars({ size: [0.55, 56] }), points: { show: false },
          value: (_, __, ___, i) => (i == null ? "" : write(own[i])),
        })),
      ],
    }];
  };

  // A hatch for each colour: stacked parts are told apart without it. Drawn in device pixels.
  const HATCHES = [null, [0, 6, 6, 0], [0, 0, 6, 6], [3, 0, 3, 6], [0, 3, 6, 3], [0, 6, 6, 0, 0, 0, 6, 6]];
  const hatched = (colour, lines) => {
    if (!lines) return colour;
    const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 });
    const pen = tile.getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 6, 6);
    pen.strokeStyle = token("card");
    for (let i = 0; i < lines.length; i += 4) {
      pen.beginPath(); pen.moveTo(lines[i], lines[i + 1]); pen.lineTo(lines[i + 2], lines[i + 3]); pen.stroke();
    }
    return pen.createPattern(tile, "repeat");
  };

  // One stacked bar a slot of time. What is drawn first stands behind: the highest sum.
  const stack = (plot, { rows, heads, series, columns }) => {
    const [since, until, step] = ["since", "until", "step"].map((n) => Number(plot.dataset[n]));
    const { clock, day } = clocks(plot);
    const isLong = until - since > 2 * 86400;
    const write = writer(plot.dataset.lang, "");
    const xs = rows.map((row) => Number(row.cells[0].dataset.at) + step / 2);
    const heights = columns.map((_, i) => xs.map((__, row) => columns.slice(0, i + 1).reduce((sum, ys) => sum + ys[row], 0)));
    const drawn = series.map((one, i) => ({ ...one, own: columns[i], hatch: HATCHES[i % HATCHES.length] })).toReversed();
    return [[xs, ...heights.toReversed()], {
      scales: { x: { range: [Math.min(since, xs[0] - step / 2), until] }, y: { range: (_, __, high) => [0, Math.max(high, 1) * 1.08] } },
      axes: [
        { ...axis(), size: 32, values: (_, ticks) => once(ticks.map((at) => (isLong ? day : clock).format(at * 1000))) },
        { ...axis(), size: 44, values: (_, ticks) => ticks.map((at) => (Number.isInteger(at) ? write(at) : "")) },
      ],
      series: [
        { label: heads[0].textContent, value: (_, at) => (at == null ? "" : `${day.format((at - step / 2) * 1000)} ${clock.format((at - step / 2) * 1000)}`) },
        ...drawn.map(({ head, own, hatch }) => ({
          label: head.textContent, stroke: token(head.dataset.colour), width: 1, points: { show: false },
          fill: () => hatched(token(head.dataset.colour), hatch),
          paths: uPlot.paths.bars({ size: [0.8, 40, 3] }), value: (_, __, ___, i) => (i == null ? "" : write(own[i])),
        })),
      ],
    }];
  };

  // A click on a part of a bar opens what its cell of the table leads to.
  const opens = (chart, { rows, series, columns }) => {
    const found = () => {
      const { idx, top } = chart.cursor;
      if (idx == null || top == null) return null;
      let left = chart.posToVal(top, "y");
      const place = columns.findIndex((ys) => (left -= ys[idx]) <= 0);
      return place < 0 ? null : rows[idx].cells[series[place].place].querySelector("a");
    };
    chart.over.addEventListener("mousemove", () => { chart.over.style.cursor = found() ? "pointer" : ""; });
    chart.over.addEventListener("click", () => found()?.click());
  };

  const KINDS = { bars, stack };
  let drawn = new AbortController();
  const draw = (plot) => {
    const told = read(document.getElementById(plot.dataset.table));
    if (!told.rows.length) return;
    const [data, how] = (KINDS[plot.dataset.kind] ?? overTime)(plot, told);
    const size = () => ({ width: plot.clientWidth, height: HEIGHT });
    const dashes = [null, ...told.series.map(({ head }) => head.dataset.dash)];
    const legend = { markers: { width: 2, dash: (_, i) => ["solid", "dashed", "dotted"][dashes[i] ?? 0] } };
    const chart = new uPlot({ ...size(), ...how, legend, cursor: { drag: { x: false } } }, data, plot);
    if (plot.dataset.kind === "stack") opens(chart, told);
    addEventListener("resize", () => chart.setSize(size()), { signal: drawn.signal });
    drawn.signal.addEventListener("abort", () => chart.destroy());
  };

  // Colours are read when a chart is drawn: another theme is another drawing.
  const all = () => document.querySelectorAll(".plot").forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawn.abort();
    drawn = new AbortController();
    all();
  });
  all();
})();
