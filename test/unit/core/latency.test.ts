import { describe, expect, test } from 'vitest';
import { History, historyMinutes } from '../../../src/core/history.ts';
import { LatencyHistogram } from '../../../src/core/latency.ts';

describe('percentiles', () => {
  test('are within 2 % of the measured ones, whatever the distribution', () => {
    for (const shape of [(i: number) => i, (i: number) => 1.01 ** i, (i: number) => 1 / (i + 1), () => 7]) {
      const histogram = new LatencyHistogram();
      const measured = Array.from({ length: 1_000 }, (_, i) => Math.max(0.02, shape(i)));
      for (const ms of measured) histogram.add(Math.min(ms, 500_000));
      const sorted = measured.map((ms) => Math.min(ms, 500_000)).sort((a, b) => a - b);
      const { p50, p95, p99, count } = histogram.percentiles();
      expect(count).toBe(1_000);
      for (const [share, found] of [
        [0.5, p50],
        [0.95, p95],
        [0.99, p99],
      ] as const) {
        const exact = sorted[Math.ceil(share * 1_000) - 1]!;
        expect(Math.abs(found - exact) / exact, `${share} of ${shape}`).toBeLessThan(0.02);
      }
    }
  });

  test('take nothing amiss: nothing, no time, and more time than there is', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.percentiles()).toEqual({ p50: 0, p95: 0, p99: 0, count: 0 });
    for (const ms of [0, -1, Number.NaN, 1e-9, 1e12, Number.POSITIVE_INFINITY]) histogram.add(ms);
    const { p50, p99, count } = histogram.percentiles();
    expect(count).toBe(6);
    expect(p50).toBeLessThan(0.02);
    expect(p99).toBeGreaterThan(500_000);
    expect(Number.isFinite(p99)).toBe(true);
  });
});

describe('the last minutes', () => {
  const spec = {
    name: 'm',
    provider: 'p',
    dimension: 1,
    maxBatchSize: 1,
    maxInputTokens: 1,
    costPer1kTokens: 1,
    supportsDimensions: false,
  };
  const world = () => {
    const time = { now: Date.parse('2026-11-25T12:00:30Z') };
    const history = new History([spec], () => time.now);
    const operation = (ms: number, texts = 1, type = 'mutation') =>
      history.operation({ type, outcome: 'ok', ms, texts, errors: new Map([['BAD_USER_INPUT', 2]]) });
    return { time, history, operation };
  };

  test('are whole: minutes in which nothing happened are there, and none from before the start', () => {
    const { time, history, operation } = world();
    operation(10);
    history.computed('m', 3, 500);
    time.now += 180_000;
    operation(20);
    history.cacheHits('m', 'memory', 2, 1_000);
    const points = history.last(60);
    expect(points.map(({ time }) => new Date(time).toISOString().slice(11, 16))).toEqual([
      '12:00',
      '12:01',
      '12:02',
      '12:03',
    ]);
    expect(points.map(({ operations }) => operations)).toEqual([1, 0, 0, 1]);
    expect(points[0]).toMatchObject({ computed: 3, tokens: 500, costUsd: 0.5, errors: 2, texts: 1 });
    expect(points[3]).toMatchObject({ hits: 2, savedUsd: 1, costUsd: 0 });
    expect(history.last(2).map(({ operations }) => operations)).toEqual([0, 1]);
    // What is given is a copy.
    points[0]!.operations = 99;
    expect(history.last(60)[0]!.operations).toBe(1);
  });

  test('have the durations of their own operations, streams and those without texts apart', () => {
    const { time, history, operation } = world();
    operation(10);
    operation(9_999, 1, 'subscription');
    operation(9_999, 0, 'query');
    time.now += 60_000;
    operation(100);
    const [first, second] = history.last(2);
    expect(Math.round(first!.p95)).toBe(10);
    expect(Math.round(second!.p50 / 10)).toBe(10);
  });

  test('go round after a day, and after many; a clock that is put back does no harm', () => {
    const { time, history, operation } = world();
    operation(10);
    time.now += historyMinutes * 60_000;
    expect(history.last(historyMinutes).every(({ operations }) => operations === 0)).toBe(true);
    expect(history.last(historyMinutes)).toHaveLength(historyMinutes);
    time.now += 10 * historyMinutes * 60_000;
    operation(10);
    expect(history.last(historyMinutes).reduce((sum, { operations }) => sum + operations, 0)).toBe(1);
    time.now -= 3_600_000;
    operation(10);
    expect(history.last(1)[0]!.operations).toBe(2);
  });
});
