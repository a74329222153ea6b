/** One server-sent event. */
export interface ServerSentEvent {
  /** `message` where the server gives it no name. */
  readonly event: string;
  readonly data: string;
}

/**
 * Reads server-sent events (WHATWG HTML, 9.2.6) out of text that comes in pieces of any size.
 * @returns a function that takes the next piece and gives the events that are whole now
 */
export function createEventParser(): (piece: string) => ServerSentEvent[] {
  let rest = '';
  let event = '';
  let data: string[] = [];
  return (piece) => {
    rest += piece;
    const events: ServerSentEvent[] = [];
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    // The last line may go on in the next piece; so may a \r that ends this one, which stays with it.
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (event !== '' || data.length > 0)
          events.push({ event: event || 'message', data: data.join('\n') });
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      // A comment has no name before its colon; ids and reconnection times are of no use here.
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
    return events;
  };
}
