/* global uPlot */

/** Points that a chart shows: three minutes of seconds. */
const points = 180;

const color = (name) => {
  // Resolves light-dark() to what is shown at the moment.
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color: resolved } = getComputedStyle(probe);
  probe.remove();
  return resolved;
};

const strokes = ['--accent', '--good', '--bad'];

/** A chart of some series over time. Values are pushed, one for each series. */
export function createChart(element, labels) {
  const data = [[], ...labels.map(() => [])];
  let plot;

  function draw() {
    plot?.destroy();
    const axis = {
      stroke: color('--quiet'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { stroke: color('--line') },
    };
    plot = new uPlot(
      {
        width: element.clientWidth,
        height: 180,
        cursor: { points: { size: 6 } },
        scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
        axes: [axis, { ...axis, size: 55 }],
        series: [
          {},
          ...labels.map((label, i) => ({
            label,
            stroke: color(strokes[i]),
            width: 2,
            dash: i === 1 ? [6, 3] : i === 2 ? [2, 3] : undefined,
            value: (_plot, value) => (value == null ? '–' : value.toFixed(1)),
          })),
        ],
      },
      data,
      element,
    );
  }

  draw();
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 180 })).observe(element);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

  return {
    push(...values) {
      data[0].push(Date.now() / 1000);
      for (const [i, value] of values.entries()) data[i + 1].push(value);
      if (data[0].length > points) for (const series of data) series.shift();
      plot.setData(data);
    },
  };
}
