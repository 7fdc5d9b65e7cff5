// Draws each `.plot` from the table that it names, so that the table is the chart's only truth.
(() => {
  "use strict";
  const DASHES = [[], [6, 4]];
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();

  const draw = (plot) => {
    const table = document.getElementById(plot.dataset.table);
    const rows = [...table.tBodies[0].rows];
    if (!rows.length) return;
    const heads = [...table.tHead.rows[0].cells].slice(1);
    const data = [rows.map((row) => Number(row.cells[0].dataset.at))];
    heads.forEach((_, i) => data.push(rows.map((row) => Number(row.cells[i + 1].textContent))));
    const clock = new Intl.DateTimeFormat(plot.dataset.lang, {
      timeZone: plot.dataset.zone, hour12: false, hour: "2-digit", minute: "2-digit",
    });
    const day = new Intl.DateTimeFormat(plot.dataset.lang, {
      timeZone: plot.dataset.zone, day: "numeric", month: "short",
    });
    const long = data[0].at(-1) - data[0][0] > 2 * 86400;
    const axis = { stroke: token("muted"), grid: { stroke: token("line"), width: 1 }, ticks: { show: false } };
    const chart = new uPlot({
      width: plot.clientWidth, height: 220,
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.1] } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((at) => (long ? day : clock).format(at * 1000)) },
        { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000, 100000] },
      ],
      series: [
        { label: table.tHead.rows[0].cells[0].textContent, value: (_, at) => (at == null ? "" : `${day.format(at * 1000)} ${clock.format(at * 1000)}`) },
        ...heads.map((head, i) => ({
          label: head.textContent, stroke: token(head.dataset.colour), width: 2, dash: DASHES[i % 2], points: { show: rows.length < 40 },
        })),
      ],
    }, data, plot);
    addEventListener("resize", () => chart.setSize({ width: plot.clientWidth, height: 220 }));
  };

  document.querySelectorAll(".plot").forEach(draw);
})();
