/**
 * What a place is called that has no name: the host of its address, or its region or resource. Never what stands behind the
 * host, which may hold a key. @returns undefined where the options say nothing of a place
 */
export function placeName(options: unknown): string | undefined {
  const { baseUrl, region, resourceName } = (options ?? {}) as Record<string, unknown>;
  if (typeof baseUrl === 'string' && URL.canParse(baseUrl.trim())) return new URL(baseUrl.trim()).host;
  for (const name of [region, resourceName]) if (typeof name === 'string' && name !== '') return name;
  return undefined;
}

/** The options by which a place can be told from another, of those that a provider has. */
export const placeOptions: readonly string[] = ['baseUrl', 'region', 'resourceName'];
