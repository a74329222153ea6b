export const byId = (id) => document.getElementById(id);

/** Writes a text where it has changed, so that nothing is drawn or read out in vain. */
export function show(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** An element with attributes and children; a text is a child, too. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Rows of a table's body, in which each cell knows its column: on a narrow screen a row stands as a list. */
export function fillRows(table, rows) {
  // As a list it would be a table no more for a screen reader, unless that is said.
  table.setAttribute('role', 'table');
  table.tBodies[0].setAttribute('role', 'rowgroup');
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  table.tBodies[0].replaceChildren(
    ...rows.map((cells) =>
      make(
        'tr',
        { role: 'row' },
        ...cells.map((content, i) =>
          make(
            i === 0 ? 'th' : 'td',
            i === 0 ? { scope: 'row', role: 'rowheader' } : { role: 'cell', 'data-label': labels[i] },
            content,
          ),
        ),
      ),
    ),
  );
}
