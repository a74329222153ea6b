// Hive Gateway in front of subgraphs: asks each for its schema, composes them and serves the supergraph.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';

/** The composed schema of subgraphs, by name and address. @throws Error where they do not compose. */
export async function compose(subgraphs: Record<string, string>): Promise<string> {
  const services = await Promise.all(
    Object.entries(subgraphs).map(async ([name, url]) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ _service { sdl } }' }),
      });
      const { data } = (await response.json()) as { data: { _service: { sdl: string } } };
      return { name, url, typeDefs: parse(data._service.sdl) };
    }),
  );
  const { supergraphSdl, errors } = composeServices(services);
  if (!supergraphSdl)
    throw new Error(`the subgraphs do not compose: ${errors?.map(({ message }) => message).join('; ')}`);
  return supergraphSdl;
}

/** @returns the address of the gateway. */
export async function startGateway(supergraph: string, port = 0): Promise<string> {
  const gateway = createGatewayRuntime({ supergraph, deferStream: true, logging: false });
  const server = createServer(gateway).listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}
