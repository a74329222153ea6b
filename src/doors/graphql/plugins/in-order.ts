/** Hooks around a whole HTTP request, which Yoga calls only where it reads the request and writes the response itself. */
const requestHooks = ['onRequest', 'onRequestParse', 'onResultProcess', 'onResponse'] as const;

/**
 * Plugins by their names, in the order in which they run. Whole answers do not pass through the hooks around an HTTP
 * request (see handler.ts), so a plugin that needs one would work on streams and be skipped elsewhere without a word,
 * which is worse than not to start.
 * @throws Error for a plugin with such a hook
 */
export function inOrder<Plugin extends object>(plugins: Readonly<Record<string, Plugin | false>>): Plugin[] {
  return Object.entries(plugins).flatMap(([name, plugin]) => {
    if (!plugin) return [];
    const hook = requestHooks.find((candidate) => candidate in plugin);
    if (hook === undefined) return [plugin];
    throw new Error(
      `${name} needs ${hook}, which EmbedQL does not call; use onParams, onExecute or onExecutionResult, or check the request before GraphQL.`,
    );
  });
}
