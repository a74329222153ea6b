import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { variableOf } from '../../../src/config/config.ts';
import { badUserInput, EmbedQLError } from '../../../src/core/errors.ts';
import { graphqlErrors } from '../../../src/doors/graphql/coded-error.ts';
import { openaiErrors, ParameterError } from '../../../src/doors/openai/errors.ts';
import { type ErrorOptions, HttpError, sendError, sendRawError } from '../../../src/http/respond.ts';

const graphql = graphqlErrors(variableOf);
const openai = openaiErrors(variableOf);

async function sent(error: EmbedQLError, options: ErrorOptions) {
  const server = createServer((_request, response) => sendError(response, error, options)).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const [response] = await once(get({ host: '127.0.0.1', port, agent: false }), 'response');
  const body = JSON.parse(await text(response));
  server.close();
  return { status: response.statusCode as number, headers: response.headers as Record<string, string>, body };
}

const overloaded = new EmbedQLError('OVERLOADED', 'Wait, or raise queueLimit.', {
  hint: 'queueLimit',
  retryAfterMs: 1_500,
});

describe('an error that is sent', () => {
  test("has the shape, the setting's name, and the time to come back", async () => {
    const { status, headers, body } = await sent(overloaded, { shape: graphql });
    expect([status, headers['retry-after'], headers['retry-after-ms']]).toEqual([503, '2', '1500']);
    expect(body).toEqual({
      errors: [
        {
          message: 'Wait, or raise EMBEDQL_QUEUE_LIMIT.',
          extensions: { code: 'OVERLOADED', retryable: true, retryAfterMs: 1_500 },
        },
      ],
    });
  });

  test.each([
    ['what is asked for', { shape: openai, status: 418 }, new HttpError(413, badUserInput('')), 418],
    ["the error's own", { shape: openai }, new HttpError(413, badUserInput('')), 413],
    ["the shape's", { shape: openai }, new EmbedQLError('PROVIDER_ERROR', ''), 400],
    ['that of its code', { shape: openai }, new EmbedQLError('PROVIDER_ERROR', '', { retryable: true }), 502],
    ['that of its code, elsewhere', { shape: graphql }, new EmbedQLError('PROVIDER_ERROR', ''), 502],
  ])('has a status: %s', async (_name, options, error, status) => {
    expect((await sent(error, options)).status).toBe(status);
  });

  test("is in OpenAI's shape for its clients, with the member that is wrong", async () => {
    const { body } = await sent(new ParameterError('input', 'Change it.'), { shape: openai });
    expect(body).toEqual({
      error: { message: 'Change it.', type: 'invalid_request_error', param: 'input', code: 'bad_user_input' },
    });
  });

  test('goes over a connection that has no response, too', async () => {
    const socket = new PassThrough();
    sendRawError(socket, new HttpError(408, badUserInput('Too late.')), { shape: graphql });
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nconnection: close\r\n/);
    expect(head).toContain(`content-length: ${Buffer.byteLength(body!)}`);
    expect(JSON.parse(body!).errors[0].extensions).toEqual({ code: 'BAD_USER_INPUT', retryable: true });
  });
});
