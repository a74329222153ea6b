import autocannon from 'autocannon';

export interface Load {
  perSecond: number;
  p50: number;
  /** Requests answered in all. */
  answered: number;
}

/** Posts what `body` gives, over and over, on so many connections. @throws where an answer is none. */
export async function load(
  url: string,
  connections: number,
  seconds: number,
  body: () => string,
  headers: Record<string, string> = {},
): Promise<Load> {
  const { requests, latency, duration, errors, non2xx } = await autocannon({
    url,
    connections,
    duration: seconds,
    timeout: 60,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        setupRequest: (request) => ({ ...request, body: body() }),
      },
    ],
  });
  if (errors + non2xx > 0) throw new Error(`${errors} errors, ${non2xx} answers that are none`);
  return { perSecond: requests.total / duration, p50: latency.p50, answered: requests.total };
}
