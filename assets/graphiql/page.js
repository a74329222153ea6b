/* What the page of EmbedQL adds to GraphiQL. Runs before GraphiQL's own script. */
(() => {
  const endpoint = location.origin + location.pathname;

  // Tabs can be dragged, and the drag takes what a hand does as a click for itself. A click without it works at once.
  document.addEventListener(
    'pointerdown',
    (event) => {
      if (event.target.closest?.('.graphiql-tab')) event.stopPropagation();
    },
    true,
  );

  // The key that was entered on the dashboard, in this browser tab. One in the Headers editor comes first.
  const key = () => sessionStorage.getItem('embedql-key');
  const plainFetch = window.fetch;
  window.fetch = (resource, options) => {
    if (!key()) return plainFetch(resource, options);
    const headers = new Headers(
      options?.headers ?? (resource instanceof Request ? resource.headers : undefined),
    );
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${key()}`);
    return plainFetch(resource, { ...options, headers });
  };

  /** What stands in one of the editors: `operation`, `variables` or `request-headers`. */
  function textOf(editor) {
    const models = window.__MONACO?.editor.getModels() ?? [];
    return models.find(({ uri }) => uri.path.includes(editor))?.getValue() ?? '';
  }

  function activeTab() {
    const { tabs = [], activeTabIndex = 0 } = JSON.parse(localStorage.getItem('graphiql:tabState') ?? '{}');
    return tabs[activeTabIndex] ?? {};
  }

  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parsed = (text) => (text.trim() === '' ? undefined : JSON.parse(text));

  function curl() {
    const tab = activeTab();
    const query = textOf('operation') || tab.query || '';
    const variables = parsed(textOf('variables'));
    const headers = new Headers({ 'content-type': 'application/json', ...parsed(textOf('request-headers')) });
    const streams = /^\s*subscription\b/m.test(query);
    if (streams) headers.set('accept', 'text/event-stream');
    const lines = [...headers].map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
    if (key() && !headers.has('authorization')) lines.push('-H "authorization: Bearer $EMBEDQL_KEY"');
    const severalOperations = (query.match(/^\s*(?:query|mutation|subscription)\b/gm) ?? []).length > 1;
    const operationName = severalOperations ? tab.operationName : undefined;
    lines.push(`--data-raw ${quoted(JSON.stringify({ query, variables, operationName }))}`);
    return [`curl ${streams ? '-N ' : ''}${quoted(endpoint)}`, ...lines].join(' \\\n  ');
  }

  async function copy(text) {
    // The clipboard is there on https and on this machine only.
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.body.appendChild(document.createElement('textarea'));
    area.value = text;
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('this browser does not allow it');
  }

  const button = document.createElement('button');
  button.id = 'copy-as-curl';
  button.type = 'button';
  button.className = 'graphiql-un-styled graphiql-toolbar-button';
  button.textContent = 'curl';
  button.title = 'Copy as curl';
  button.setAttribute('aria-label', 'Copy as curl');

  const status = document.createElement('p');
  status.id = 'copied';
  status.setAttribute('role', 'status');
  let clearing;
  button.addEventListener('click', async () => {
    try {
      await copy(curl());
      status.textContent = 'Copied: paste it into a terminal.';
    } catch (error) {
      status.textContent = `Not copied: ${error.message}`;
    }
    clearTimeout(clearing);
    clearing = setTimeout(() => status.replaceChildren(), 3_000);
  });

  /** GraphiQL draws its parts when it is ready, and again when they change. */
  function amend() {
    const toolbar = document.querySelector('.graphiql-toolbar');
    if (toolbar && button.parentElement !== toolbar) toolbar.append(button);
    for (const title of document.querySelectorAll('.graphiql-tab-close title')) {
      if (title.textContent !== 'Close tab') title.textContent = 'Close tab';
    }
  }

  document.addEventListener('DOMContentLoaded', () => {
    document.body.append(status);
    new MutationObserver(amend).observe(document.body, { childList: true, subtree: true });
  });
})();
