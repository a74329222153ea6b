import type { Book } from './book-store.ts';
import { dayMs } from './days.ts';
import { nameRow, Row, type RowName } from './row.ts';

/** Tags of a key on a day; what has another is booked as `other`. */
const mostTags = 100;

const otherTag = 'other';

/** The books of this process on one day. */
export class OwnDay {
  readonly name: string;
  /** In milliseconds since 1970. */
  readonly end: number;
  readonly rows: Row[] = [];
  changed: Row[] = [];
  /** Whether the store has yet to learn all rows. */
  needsAll = false;
  readonly #byKey = new Map<string, Map<string, Map<string, Row>>>();

  constructor(name: string) {
    this.name = name;
    this.end = Date.parse(name) + dayMs;
  }

  row(model: string, key: string, tag: string, job: string | undefined): Row {
    let tags = this.#byKey.get(key);
    if (!tags) {
      tags = new Map();
      this.#byKey.set(key, tags);
    }
    let models = tags.get(tag);
    if (!models) {
      const own = tags.size - Number(tags.has('')) - Number(tags.has(otherTag));
      if (own >= mostTags && tag !== '' && tag !== otherTag) return this.row(model, key, otherTag, job);
      models = new Map();
      tags.set(tag, models);
    }
    const name = job === undefined ? model : nameRow({ model, key, tag, job });
    let row = models.get(name);
    if (!row) {
      row = new Row({ model, key, tag, job });
      models.set(name, row);
      this.rows.push(row);
    }
    return row;
  }

  /** What they come to so far. */
  book(): Book {
    return {
      rows: this.rows.map((row) => ({ name: row as RowName, totals: row.totals() })),
      lostSeconds: 0,
      isDamaged: false,
    };
  }
}
