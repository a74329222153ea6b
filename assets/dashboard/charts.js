/* global uPlot */
import { make } from './elements.js';

/** How the lines of a chart differ: by dashes and weight as well as by colour, so that they can be told apart in grey. */
const lines = [
  { color: '--accent', dash: [], width: 2.5 },
  { color: '--good', dash: [7, 3], width: 2 },
  { color: '--bad', dash: [2, 3], width: 2 },
];
const height = 180;
const day = 86_400;

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
/** Days of the books are those of UTC. */
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const dateAndClock = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'medium',
  timeStyle: 'short',
  hourCycle: 'h23',
});

/** Resolves light-dark() to what is shown at the moment. */
function colorOf(name) {
  const probe = make('span', {});
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function sampleOf({ dash }, index) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [name, value] of Object.entries({
    viewBox: '0 0 26 6',
    width: 26,
    height: 6,
    'aria-hidden': 'true',
  }))
    svg.setAttribute(name, String(value));
  svg.classList.add(`sample-${index}`);
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  line.setAttribute('d', 'M0 3h26');
  line.setAttribute('stroke-dasharray', dash.join(' '));
  svg.append(line);
  return svg;
}

/**
 * A chart of some series over time, with a legend that says the latest values, or those under the pointer.
 * @param labels at most three series
 * @param write how a value is written
 * @param least what the scale reaches at the least, so that nothing looks like much where there is next to nothing
 */
export function createChart({ title, labels, write, least = 1 }) {
  const values = labels.map(() => make('b', {}, '–'));
  const when = make('span', { class: 'when' });
  const entries = labels.map((label, i) => make('li', {}, sampleOf(lines[i], i), ` ${label} `, values[i]));
  const caption = make(
    'figcaption',
    {},
    make('h3', {}, title),
    make('ul', { class: 'legend' }, ...entries),
    when,
  );
  const canvas = make('div', { class: 'canvas', 'aria-hidden': 'true' });
  const figure = make('figure', {}, caption, canvas);
  let data = [[], ...labels.map(() => [])];
  let seconds = 3_600;
  let plot;

  function readOut(index) {
    const at = index ?? data[0].length - 1;
    for (const [i, value] of values.entries()) {
      const shown = data[i + 1][at];
      value.textContent = shown == null ? '–' : write(shown);
    }
    when.textContent =
      index == null ? '' : (seconds > 2 * day ? date : dateAndClock).format(data[0][at] * 1_000);
  }

  function draw() {
    plot?.destroy();
    const [quiet, line] = [colorOf('--quiet'), colorOf('--line')];
    const axis = {
      stroke: quiet,
      grid: { stroke: line, width: 1 },
      ticks: { stroke: line },
      font: '12px system-ui',
    };
    const tick = (value) => (seconds > 2 * day ? date : clock).format(value * 1_000);
    plot = new uPlot(
      {
        width: canvas.clientWidth || 300,
        height,
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: false, y: false } },
        scales: {
          x: { range: () => [Date.now() / 1_000 - seconds, Date.now() / 1_000] },
          y: { range: (_plot, _least, most) => [0, Math.max(most * 1.1, least)] },
        },
        axes: [
          {
            ...axis,
            incrs: [60, 300, 600, 900, 3_600, 10_800, 21_600, day, 2 * day, 5 * day],
            values: (_plot, ticks) => ticks.map(tick),
          },
          { ...axis, size: 64, values: (_plot, ticks) => ticks.map((value) => write(value)) },
        ],
        series: [
          {},
          ...labels.map((label, i) => ({
            label,
            stroke: colorOf(lines[i].color),
            width: lines[i].width,
            dash: lines[i].dash,
            points: { size: 5 },
            // A minute without anybody is no reason to break a line of percentiles.
            spanGaps: true,
          })),
        ],
        hooks: { setCursor: [({ cursor }) => readOut(cursor.idx)] },
      },
      data,
      canvas,
    );
    readOut();
  }

  new ResizeObserver(() => plot?.setSize({ width: canvas.clientWidth, height })).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

  return {
    figure,
    /** @param rows `[time in seconds, ...a value for each label]`, oldest first @param range seconds up to now */
    show(rows, range) {
      data = [rows.map(([time]) => time), ...labels.map((_, i) => rows.map((row) => row[i + 1] ?? null))];
      seconds = range;
      draw();
    },
  };
}
