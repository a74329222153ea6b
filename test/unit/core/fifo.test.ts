import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from '../../../src/core/queue.ts';

test('comes out in the order that it went in, whatever the turns', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (pushes) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const [i, push] of pushes.entries()) {
        if (push) {
          fifo.push(i);
          model.push(i);
        } else expect(fifo.shift()).toBe(model.shift());
        expect([fifo.size, fifo.peek()]).toEqual([model.length, model[0]]);
      }
    }),
  );
});
