import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEventParser } from '../src/sse.ts';

const stream =
  ':\n\nevent: next\ndata: {"a":1}\n\nevent: next\r\ndata:{"b":\r\ndata: 2}\r\n\r\nid: 7\rdata: plain\r\revent: complete\ndata:\n\nevent: next\ndata: cut';

test('events are the same in whatever pieces they come', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
      const parse = createEventParser();
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const events = places.flatMap((from, i) => parse(stream.slice(from, places[i + 1])));
      expect(events).toEqual([
        { event: 'next', data: '{"a":1}' },
        { event: 'next', data: '{"b":\n2}' },
        { event: 'message', data: 'plain' },
        { event: 'complete', data: '' },
      ]);
    }),
  );
});
