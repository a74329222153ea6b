/** A defect that can be put back. */
export interface Mutation {
  readonly what: string;
  /** Under `src/`. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly text: string;
  readonly replacement: string;
  /** The invariant that it must break, where it breaks a lesser one sooner. */
  readonly breaks?: string;
}

const flights = 'core/flights.ts';
const flight = 'core/flight.ts';
const modelCache = 'core/model-cache.ts';
const sender = 'core/sender.ts';
const scheduler = 'core/scheduler.ts';
const places = 'core/places.ts';
const tier = 'cache/redis/redis-tier.ts';

/** Defects that were there once, by their names in the findings, and others like them. The simulation must find each. */
export const mutations: readonly Mutation[] = [
  {
    what: 'H8: time passes between the look-up and joining',
    file: flights,
    text: '      let flight = this.#byKey.get(key);',
    replacement:
      '      await new Promise((go) => this.#options.clock.soon(() => go(0)));\n      let flight = this.#byKey.get(key);',
    breaks: 'was paid',
  },
  {
    what: 'H8b: fitting between the look-up and joining',
    file: flights,
    text: '      let flight = this.#byKey.get(key);',
    replacement: '      await this.#model.fit([request.text]);\n      let flight = this.#byKey.get(key);',
    breaks: 'was paid',
  },
  {
    what: 'H9: parts of a batch go past the limit of calls',
    file: sender,
    text: 'await places.use(() => this.#embedTraced(tasks, isPart), tasks[0]!.canWait)',
    replacement:
      'await (isPart ? this.#embedTraced(tasks, isPart) : places.use(() => this.#embedTraced(tasks, isPart), tasks[0]!.canWait))',
  },
  {
    what: 'F23: a text is two texts, as document and as query, where the model makes no difference',
    file: modelCache,
    text: 'this.#oneKind = queryPrefix === documentPrefix && !model.distinguishesKinds;',
    replacement: 'this.#oneKind = false;',
  },
  {
    what: 'H20: who asked first is charged, though they have gone',
    file: flight,
    text: '? { operation: carrier.waiter.operation, reservation: carrier.reservation }',
    replacement: '? { operation: this.group, reservation: carrier.reservation }',
  },
  {
    what: 'no lease is renewed',
    file: tier,
    text: '      this.#commands.renew([...this.#leases], leaseMs)',
    replacement: '      Promise.resolve()',
  },
  {
    what: 'no lease is claimed',
    file: modelCache,
    text: 'return await (this.#cache.claimMany?.(keys, waitMs) ?? this.#cache.getMany(keys, waitMs));',
    replacement: 'return await this.#cache.getMany(keys, waitMs);',
  },
  {
    what: "another's lease is ignored",
    file: flights,
    text: "claimed === 'theirs' && !flight.needsComputing",
    replacement: 'false',
  },
  {
    what: 'the lease of a text that failed is kept',
    file: modelCache,
    text: '    this.#cache.release?.([key]);',
    replacement: '',
  },
  {
    what: 'a lease is renewed after its text was written',
    file: tier,
    text: '    for (const [key] of entries) this.#leases.delete(key);',
    replacement: '',
  },
  {
    what: 'answers of a call are shuffled',
    file: sender,
    text: 'computed = embedded.map((text) => ({ ...text, call }));',
    replacement: 'computed = embedded.map((text) => ({ ...text, call })).reverse();',
  },
  {
    what: 'everybody is shown the cost',
    file: flight,
    text: 'const costUsd = place === carrier ? usd : 0;',
    replacement: 'const costUsd = usd;',
  },
  {
    what: 'the last who waits carries the cost',
    file: flight,
    text: "places.find(({ funds }) => funds === 'held')",
    replacement: "places.findLast(({ funds }) => funds === 'held')",
  },
  {
    what: 'money of those who do not pay in the end stays set aside',
    file: flight,
    text: '      if (place !== carrier) place.reservation?.release();\n',
    replacement: '',
  },
  {
    what: 'money that is granted to somebody who has gone stays set aside',
    file: flight,
    text: '} else reservation.release();',
    replacement: '}',
  },
  {
    what: 'money of one who goes is given back though the text is being paid for',
    file: flight,
    text: "if (this.submitted && funds === 'held' && !this.funded)",
    replacement: 'if (false)',
  },
  {
    what: 'money that was set aside for a text that fails stays set aside',
    file: flight,
    text: '      place.reservation?.release();\n      place.waiter.settle(failure);',
    replacement: '      place.waiter.settle(failure);',
  },
  {
    what: 'money of one who has gone stays set aside when the text fails',
    file: flight,
    text: '    this.#orphan?.reservation?.release();\n  }\n\n  #fund(',
    replacement: '  }\n\n  #fund(',
  },
  {
    what: 'money of one who has gone stays set aside when somebody else pays',
    file: flight,
    text: '    if (carrier) this.#orphan?.reservation?.release();\n',
    replacement: '',
  },
  {
    what: 'money of one who has gone stays set aside when the text is not sent',
    file: flight,
    text: '    this.#orphan?.reservation?.release();\n    this.#orphan = undefined;\n',
    replacement: '',
  },
  {
    what: 'a text that nobody waits for any more is sent',
    file: scheduler,
    text: 'return this.#queue.remove(task);',
    replacement: 'return false;',
  },
  {
    what: 'the lease of a text that is not computed is kept by the tier',
    file: tier,
    text: 'keys.filter((key) => this.#leases.delete(key))',
    replacement: 'keys.filter((key) => this.#leases.has(key))',
  },
  {
    what: 'who has no money is computed for all the same',
    file: flight,
    text: '      place.funds = toEmbedQLError(error);',
    replacement: "      place.funds = 'held';",
  },
  {
    what: 'who joins while others wait for money is not waited for',
    file: flights,
    text: 'while (waiting.length > 0);',
    replacement: 'while (false);',
  },
  {
    what: 'a flight that failed is not forgotten',
    file: flights,
    text: '    this.#forget(flight);\n    flight.fail(error);',
    replacement: '    flight.fail(error);',
  },
  {
    what: 'a flight that has been sent is forgotten when the last who waits goes',
    file: flights,
    text: 'if (!this.#scheduler.cancel(cancelled)) return false;',
    replacement: 'this.#scheduler.cancel(cancelled);',
  },
  {
    what: 'who joins a flight that was deserted is lost',
    file: flight,
    text: '    this.#places.set(waiter, place);',
    replacement: '    if (!this.submitted || this.#places.size > 0) this.#places.set(waiter, place);',
  },
  {
    what: 'a cost in the answer that is another',
    file: flight,
    text: 'const usd = costOf(tokens, spec);',
    replacement: 'const usd = costOf(this.maxTokens, spec);',
  },
  {
    what: 'vectors are cached after their flights are forgotten',
    file: modelCache,
    text: 'if (entries.length > 0) this.#cache.setMany(entries);',
    replacement: 'if (entries.length > 0) this.#options.clock.soon(() => this.#cache.setMany(entries));',
  },
  {
    what: 'a batch fails for one of its texts',
    file: sender,
    text: 'if (!isAboutOneText(failure) || batch.length === 1)',
    replacement: 'if (true)',
  },
  {
    what: 'the other half is forgotten while the culprit is hunted',
    file: sender,
    text: '      if (large.length > 1) return this.#hunt(large, search);\n',
    replacement: '      if (large.length > 1) return;\n',
  },
  {
    what: 'what a provider accepts is not remembered',
    file: 'core/batch-limit.ts',
    text: 'return this.#learned ?? this.#configured;',
    replacement: 'return this.#configured;',
  },
  {
    what: 'calls carry one text of each operation and no more',
    file: 'core/queue.ts',
    text: '      turns.push(lane);\n      const item',
    replacement:
      '      turns.push(lane);\n      if (batch.some(({ group }) => group === lane.group)) break;\n      const item',
  },
  {
    what: 'the batch size that a request asks for is ignored',
    file: 'core/queue.ts',
    text: '      room.size = Math.min(room.size, limit);\n',
    replacement: '',
  },
  {
    what: 'a cut text is given to somebody who joined late and refused that',
    file: flight,
    text: 'if (this.truncated && !waiter.truncate)',
    replacement: 'if (false)',
  },
  {
    what: 'useCache: false is answered out of the memory',
    file: flights,
    text: 'request.useCache ? cache.peek(key) : undefined',
    replacement: 'cache.peek(key)',
  },
  {
    what: 'useCache: false is answered by a look-up that was under way',
    file: flight,
    text: '      if (!waiter.useCache) continue;\n',
    replacement: '',
  },
  {
    what: 'nobody notices that a client has gone',
    file: flights,
    text: "    signal?.addEventListener('abort', gone, { once: true });\n",
    replacement: '',
  },
  {
    what: 'nobody notices that a client had gone before its texts were looked at',
    file: flights,
    text: '    if (signal?.aborted) gone();\n',
    replacement: '',
  },
  {
    what: 'nothing ends at the deadline',
    file: flights,
    text: '      deadlineMs === undefined\n        ? undefined',
    replacement: '      true\n        ? undefined',
  },
  {
    what: 'a text that another replica computes is asked for once only',
    file: flights,
    text: '        waiting = elsewhere;',
    replacement: '        waiting = [];',
  },
  {
    what: 'places at the provider are not given back',
    file: places,
    text: '      this.#taken -= 1;\n',
    replacement: '',
  },
  {
    what: 'waiting parts are let in without a place',
    file: places,
    text: 'while (this.#waiting.length > 0 && this.#taken < this.#limit())',
    replacement: 'while (this.#waiting.length > 0)',
  },
  {
    what: 'the scheduler believes for ever that its window has closed',
    file: scheduler,
    text: '    if (this.#queue.size === 0) this.#due = false;\n',
    replacement: '',
  },
  {
    what: 'what was computed is not told',
    file: sender,
    text: '      events.computed(model.spec.name, embedded.length, tokens, estimated);\n',
    replacement: '',
  },
  {
    what: 'hits that somebody waited for are not counted',
    file: flight,
    text: '        served.texts += 1;\n',
    replacement: '',
  },
  {
    what: 'queries are embedded as documents, and documents as queries',
    file: flights,
    text: "(request.kind === 'query' ? queryPrefix : documentPrefix)",
    replacement: "(request.kind === 'doc' ? queryPrefix : documentPrefix)",
  },
];
