// The page of one row: where it stands, its numbers by task, its card, how it was made, its queries.

/** Return the page of a row; `back` leads to the boards. */
function entryPage(board, row) {
  const parts = [
    make('p', {}, make('a', { href: '#/' }, '← all entries')),
    make('h2', { tabindex: '-1' }, row.name, ' ', make('span', { class: `kind ${row.kind}` }, row.kind)),
    make('p', { class: 'note' }, board.title),
    pairs(summary(row)),
    comparePicker(board, row),
    section('By task', row.values.some((value) => value !== null) ? tasksTable(board, row)
      : make('p', { class: 'note' }, 'The source prints a mean and no values by task.')),
  ];
  if (row.entries.length) {
    const timings = timingsTable(row);
    if (timings) parts.push(section('Seconds per phase', timings));
    if (row.commands.length) {
      parts.push(commandsSection(row.commands));
    }
  }
  if (Object.keys(row.card).length) parts.push(...cardParts(row.card));
  row.machines.forEach((machine, at) => {
    const many = row.machines.length > 1 ? ` ${at + 1}` : '';
    parts.push(make('details', {}, make('summary', {}, `Measured with${many}`), pairs(flat(machine))));
  });
  if (Object.keys(row.queries).length) parts.push(queriesSection(board, row));
  return make('article', { class: 'entry' }, ...parts.filter(Boolean));
}

/** Return a list of the rows that this one is paired with, or null. */
function comparePicker(board, row) {
  const others = board.rows.filter((each) => each !== row && pairChanges(board, row, each));
  if (!others.length) return null;
  const pick = make('select', { id: 'compare-with', onchange: () => {
    if (pick.value) window.location.hash = addressOf('pair', board, row, others[Number(pick.value)]);
  } }, make('option', { value: '' }, 'choose'), ...others.map((each, at) => make('option', { value: at }, each.name)));
  return make('p', {}, make('label', { for: 'compare-with' }, 'Compare with '), pick);
}

/** Return the commands that made a row: the first in sight, others (the same for more tasks) folded. */
function commandsSection(commands) {
  const [first, ...others] = commands.map((line) => make('pre', {}, make('code', {}, line)));
  if (!others.length) return section('Command', first);
  const more = make('details', {}, make('summary', {}, `${others.length} more, for other tasks`), ...others);
  return section('Commands', first, more);
}

/** Return the model's card; where each of its facts comes from is folded. */
function cardParts(card) {
  const { sources, ...facts } = card;
  const parts = [section('Model card', pairs(flat(facts)))];
  if (sources) parts.push(make('details', {}, make('summary', {}, 'Sources of the card'), pairs(flat(sources))));
  return parts;
}

function section(title, ...children) {
  return make('section', {}, make('h3', {}, title), ...children);
}

/** Return names and texts as a description list. */
function pairs(list) {
  return make('dl', {}, ...list.flatMap(([name, text]) => [make('dt', {}, name), make('dd', {}, text)]));
}

/** Return nested values as [dotted name, text] pairs. */
function flat(value, prefix) {
  return Object.entries(value).flatMap(([key, inner]) => {
    const name = (prefix ? `${prefix}.` : '') + key.replaceAll('_', ' ');
    if (Array.isArray(inner)) return [[name, inner.map(String).join(', ')]];
    if (inner !== null && typeof inner === 'object') return flat(inner, name);
    return [[name, String(inner)]];
  });
}

function meanText(row) {
  if (!row.cells.mean) return null;
  const printed = row.cells.mean[1].endsWith('*');
  return printed ? `${row.cells.mean[1].slice(0, -1)}, as printed by the source` : row.cells.mean[1];
}

function summary(row) {
  const text = (name) => (row.cells[name] ? row.cells[name][1] : null);
  const list = [
    ['rank group', text('group')], ['interval of the rank', text('ranks')], ['mean', meanText(row)],
    ['95 % interval of the mean', text('interval')], ['tasks', text('covered')],
    ['documents per second', text('docs-per-second')], ['documents cut off', text('truncation')],
    ['hardware', text('hardware')], ['parameters', text('parameters')],
    ['dimension', text('dimension')], ['licence', text('licence')],
    ['trained on BRIGHT', text('trained-on-bright')], ['source', row.source],
    ...Object.entries(row.told),
  ];
  return list.filter(([, value]) => value !== null && value !== '');
}

function tasksTable(board, row) {
  const metrics = [...new Set(row.entries.flatMap((entry) => Object.keys(entry.metrics)))]
    .filter((name) => name !== board.metric);
  const columns = [
    { key: 'task', head: 'task' },
    { key: 'value', head: board.metric, numeric: true, falling: true, help: `${board.metric} × 100` },
    { key: 'place', head: 'place', numeric: true, help: 'among all rows of the board with this task' },
  ];
  if (row.entries.length) {
    columns.push(...metrics.map((name) => ({ key: name, head: name, numeric: true, falling: true })));
    for (const name of ['queries', 'documents', 'missing', 'depth', 'rate', 'cut']) {
      columns.push({ key: name, head: HEADS[name], numeric: true, falling: true, help: HELP[name] });
    }
    columns.push({ key: 'created', head: 'measured' }, { key: 'revision', head: 'revision of the task' });
  }
  const byTask = new Map(row.entries.map((entry) => [entry.task, entry]));
  const rows = board.tasks.map((task, at) => ({ task, at })).filter(({ at }) => row.values[at] !== null)
    .map(({ task, at }) => {
      const value = row.values[at];
      const above = board.rows.filter((other) => other.values[at] !== null && other.values[at] > value);
      const cells = {
        task: { value: task, text: task },
        value: { value, text: percent(value, 2), class: `h${row.heat[at]}` },
        place: { value: above.length + 1, text: String(above.length + 1) },
      };
      const entry = byTask.get(task);
      if (entry) Object.assign(cells, entryCells(entry, metrics));
      return { cells };
    });
  const table = sortable({ columns, rows, caption: `${row.name} by task`, headed: 'task' });
  return make('div', { class: 'heat' }, scrolling(table, `${row.name} by task`));
}

const HEADS = { queries: 'queries', documents: 'documents', missing: 'missing', depth: 'depth', rate: 'docs/s', cut: 'cut off' };
const HELP = {
  missing: 'judged queries without any ranked document; they count 0',
  depth: 'documents kept per query',
  rate: 'documents encoded or indexed per second',
  cut: 'share of documents cut at the length limit, in percent',
};

function entryCells(entry, metrics) {
  const cells = {
    created: { value: entry.created, text: entry.created.slice(0, 16).replace('T', ' '), tip: `identity ${entry.identity}` },
    revision: { value: entry.revision, text: entry.revision.slice(0, 12) || '–', tip: entry.notes.join(' ') || null },
    cut: { value: entry.cut, text: percent(entry.cut, 1) },
  };
  for (const name of metrics) {
    const value = entry.metrics[name];
    cells[name] = { value, text: percent(value, 2) };
  }
  for (const name of ['queries', 'documents', 'missing', 'depth', 'rate']) {
    const value = entry[name];
    cells[name] = { value, text: value === null ? '–' : value.toLocaleString('en') };
  }
  return cells;
}

function timingsTable(row) {
  const phases = [...new Set(row.entries.flatMap((entry) => Object.keys(entry.timings)))];
  if (!phases.length) return null;
  const columns = [{ key: 'task', head: 'task' }, ...phases.map((phase) => (
    { key: phase, head: phase.replaceAll('_', ' '), numeric: true, falling: true }))];
  const rows = row.entries.map((entry) => {
    const cells = { task: { value: entry.task, text: entry.task } };
    for (const phase of phases) {
      const value = entry.timings[phase];
      cells[phase] = { value, text: value === undefined ? '–' : value.toLocaleString('en', { maximumFractionDigits: 2 }) };
    }
    return { cells };
  });
  const label = `${row.name}: seconds per phase`;
  return scrolling(sortable({ columns, rows, caption: label, headed: 'task' }), label);
}

function queriesSection(board, row) {
  const tasks = Object.keys(row.queries);
  const place = make('div');
  const show = (task) => place.replaceChildren(queriesTable(board, row, task));
  const pick = make('select', { id: 'task-of-queries', onchange: () => show(pick.value) },
    ...tasks.map((task) => make('option', { value: task }, task)));
  show(tasks[0]);
  return section('By query', make('p', {}, make('label', { for: 'task-of-queries' }, 'Task '), pick), place);
}

function queriesTable(board, row, task) {
  const ids = board.queries[task];
  const texts = board.texts[task];
  const others = board.rows.map((each) => each.queries[task]).filter(Boolean);
  const columns = [
    { key: 'id', head: 'query' },
    { key: 'value', head: board.metric, numeric: true, falling: true },
    { key: 'mean', head: 'all measured', numeric: true, falling: true, help: 'mean of the measured rows of this board' },
    { key: 'gap', head: 'difference', numeric: true, falling: false },
  ];
  if (texts) {
    const text = { key: 'text', head: 'text', class: 'wide', help: 'in its original wording; long ones are cut' };
    columns.splice(window.matchMedia('(max-width: 640px)').matches ? 2 : columns.length, 0, text);
  }
  const rows = ids.map((id, at) => {
    const value = row.queries[task][at] / board.scale;
    const mean = others.reduce((sum, each) => sum + each[at], 0) / others.length / board.scale;
    const gap = value - mean;
    return { cells: {
      id: { value: id, text: id },
      value: { value, text: percent(value, 1), class: `h${Math.round(10 * value)}` },
      mean: { value: mean, text: percent(mean, 1) },
      gap: { value: gap, text: (gap > 0 ? '+' : '') + percent(gap, 1) },
      text: texts ? { value: texts[at], node: make('span', { class: 'clamp' }, texts[at]), tip: texts[at] } : {},
    } };
  });
  const label = `${row.name} on ${task}, query by query`;
  return make('div', { class: 'heat tall' }, scrolling(sortable({ columns, rows, caption: label, headed: 'id' }), label));
}
