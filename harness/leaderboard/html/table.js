// Elements, and tables that sort. Whatever comes from the data becomes a text node, never markup.

/** Make an element: `set` holds attributes (`class`, `data-…`) and `on…` listeners. */
function make(tag, set, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(set || {})) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Order two cell values: numbers by size, lists by their items, texts by letters; none comes last. */
function compare(one, other, descending) {
  const missing = (value) => value === null || value === undefined;
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  let order = 0;
  if (Array.isArray(one)) {
    for (let at = 0; at < one.length && !order; at += 1) order = one[at] - other[at];
  } else if (typeof one === 'string' || typeof other === 'string') {
    order = String(one).localeCompare(String(other), 'en', { numeric: true });
  } else order = Number(one) - Number(other);
  return descending ? -order : order;
}

/**
 * Make a table that sorts by a click on a head.
 *
 * `columns`: {key, head, help, numeric, falling (the first click sorts the largest up)}; `rows`:
 * {class, cells: {key: {value, text | node, class, tip, style}}}. `sort` ({key, descending} or null)
 * is remembered by the caller through `changed`; `headed` is the key of the cells that name a row.
 */
function sortable({ columns, rows, sort, changed, caption, headed }) {
  const body = make('tbody');
  const heads = new Map();
  const current = { ...(sort || { key: null, descending: false }) };

  function fill() {
    const ordered = rows.map((row, place) => ({ row, place }));
    if (current.key !== null) {
      const value = ({ row }) => (row.cells[current.key] || {}).value;
      ordered.sort((one, other) =>
        compare(value(one), value(other), current.descending) || one.place - other.place);
    }
    body.replaceChildren(...ordered.map(({ row }) => line(row)));
    for (const [key, head] of heads) {
      const state = current.descending ? 'descending' : 'ascending';
      if (key === current.key) head.setAttribute('aria-sort', state);
      else head.removeAttribute('aria-sort');
    }
  }

  function line(row) {
    if (row.element) return row.element;
    row.element = make('tr', { class: row.class }, ...columns.map((column) => {
      const cell = row.cells[column.key] || { text: '–' };
      const first = column.key === headed;
      const element = make(first ? 'th' : 'td', {
        scope: first ? 'row' : null,
        class: [column.numeric ? 'number' : '', column.class || '', cell.class || ''].join(' ').trim() || null,
        'data-tip': cell.tip,
      }, cell.node || cell.text);
      return element;
    }));
    return row.element;
  }

  function by(column) {
    const falling = Boolean(column.falling);
    current.descending = current.key === column.key ? !current.descending : falling;
    current.key = column.key;
    fill();
    if (changed) changed({ ...current }, column);
  }

  const top = make('tr', {}, ...columns.map((column) => {
    const head = make('th', {
      scope: 'col', class: [column.numeric ? 'number' : '', column.class || ''].join(' ').trim() || null,
    }, make('button', { type: 'button', 'data-tip': column.help, onclick: () => by(column) }, column.head));
    heads.set(column.key, head);
    return head;
  }));
  fill();
  return make('table', {}, make('caption', { class: 'unseen' }, caption), make('thead', {}, top), body);
}

/** Put a table where it can scroll sideways by itself, by touch and by keyboard. */
function scrolling(table, label) {
  return make('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': label }, table);
}

/** Return a fraction × 100 with so many decimals. */
function percent(value, digits) {
  return value === null || value === undefined ? '–' : (100 * value).toFixed(digits);
}
