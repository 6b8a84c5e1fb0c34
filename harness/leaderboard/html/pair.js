// Two rows picked: what one has over the other, over all tasks and task by task.

/** Return the changes from `one` to `other` as the rows are given, or null if they are not paired. */
function pairChanges(board, one, other) {
  const places = [board.rows.indexOf(one), board.rows.indexOf(other)];
  const turned = places[0] > places[1];
  const found = board.pairs.changes[(turned ? [...places].reverse() : places).join('-')];
  if (!found) return null;
  return found.map(([task, change, low, high, p, detectable, better, equal, worse]) => (turned
    ? { task, change: -change, low: low === null ? null : -high, high: low === null ? null : -low, p, detectable, better: worse, equal, worse: better }
    : { task, change, low, high, p, detectable, better, equal, worse }));
}

function canBePaired(board, row) {
  const place = String(board.rows.indexOf(row));
  return Object.keys(board.pairs.changes).some((key) => key.split('-').includes(place));
}

function signed(value, digits) {
  const text = percent(Math.abs(value), digits);
  if (Number(text) === 0) return text;
  return (value > 0 ? '+' : '−') + text;
}

function range(change) {
  return change.low === null ? '–' : `${signed(change.low, 2)} to ${signed(change.high, 2)}`;
}

function shownP(p) {
  return p === 0 || p >= 0.00005 ? p.toFixed(4) : p.toExponential(1);
}

/** Return what a difference says, in a sentence. */
function verdict(change, one, other) {
  if (change.p <= 0.05) return `${change.change > 0 ? one.name : other.name} is better.`;
  const seen = change.detectable === null ? '' : ` A true difference of ${percent(change.detectable, 1)} would be seen in 80 % of cases.`;
  return `Not distinguishable from zero.${seen}`;
}

function pairSentence(change, one, other) {
  return `${signed(change.change, 2)} (95 % interval ${range(change)}), corrected p = ${shownP(change.p)}. ${verdict(change, one, other)}`;
}

/** Return a line over which an interval lies, all of a table on one scale, with zero marked. */
function forest(change, low, high) {
  if (change.low === null) return null;
  const wide = high - low || 1;
  const at = (value) => `${(100 * (value - low)) / wide}%`;
  const line = make('span', { class: `forest${change.p <= 0.05 ? ' clear' : ''}`, 'data-tip': range(change) },
    make('b', { 'aria-hidden': 'true' }), make('i', { 'aria-hidden': 'true' }), make('u', { 'aria-hidden': 'true' }));
  for (const [name, value] of [['--zero', at(0)], ['--from', at(change.low)], ['--to', at(change.high)], ['--at', at(change.change)]]) {
    line.style.setProperty(name, value);
  }
  return line;
}

function pairTable(board, one, other, changes) {
  const ends = changes.flatMap((each) => (each.low === null ? [] : [each.low, each.high]));
  const low = Math.min(0, ...ends);
  const high = Math.max(0, ...ends);
  const columns = [
    { key: 'task', head: 'task' },
    { key: 'one', head: one.name, numeric: true, falling: true, class: 'side' },
    { key: 'other', head: other.name, numeric: true, falling: true, class: 'side' },
    { key: 'change', head: 'difference', numeric: true, falling: true },
    { key: 'range', head: '95 % interval' }, { key: 'line', head: '' },
    { key: 'p', head: 'corrected p', numeric: true },
    { key: 'seen', head: 'would be seen', numeric: true, help: 'smallest true difference seen in 80 % of cases, at 0.05 before correction' },
    { key: 'counts', head: 'better / equal / worse', numeric: true, help: 'queries, or situations where tasks share them' },
  ];
  const all = changes.filter((each) => each.task < 0);
  const tasks = changes.filter((each) => each.task >= 0);
  const mean = (row) => tasks.reduce((sum, each) => sum + row.values[each.task], 0) / tasks.length;
  const rows = [...all, ...tasks].map((each) => {
    const value = (row) => (each.task < 0 ? mean(row) : row.values[each.task]);
    const name = each.task < 0 ? 'all tasks' : board.tasks[each.task];
    return { class: each.task < 0 ? 'whole' : null, cells: {
      task: { value: name, text: name },
      one: { value: value(one), text: percent(value(one), 1) },
      other: { value: value(other), text: percent(value(other), 1) },
      change: { value: each.change, text: signed(each.change, 2) },
      range: { value: each.low, text: range(each) },
      line: { value: each.change, node: forest(each, low, high) || '–' },
      p: { value: each.p, text: shownP(each.p), class: each.p <= 0.05 ? 'mean' : null },
      seen: { value: each.detectable, text: percent(each.detectable, 1) },
      counts: { value: each.better - each.worse, text: `${each.better} / ${each.equal} / ${each.worse}` },
    } };
  });
  const label = `${one.name} against ${other.name} by task`;
  return scrolling(sortable({ columns, rows, caption: label, headed: 'task' }), label);
}

/** Return the queries that the two differ on most, of one task at a time. */
function pairQueries(board, one, other) {
  const tasks = board.tasks.filter((task) => one.queries[task] && other.queries[task]);
  const place = make('div');
  const show = (task) => {
    const texts = board.texts[task];
    const columns = [
      { key: 'id', head: 'query' },
      { key: 'one', head: one.name, numeric: true, falling: true, class: 'side' },
      { key: 'other', head: other.name, numeric: true, falling: true, class: 'side' },
      { key: 'gap', head: 'difference', numeric: true, falling: true },
      ...(texts ? [{ key: 'text', head: 'text', class: 'wide' }] : []),
    ];
    const rows = board.queries[task].map((id, at) => {
      const values = [one, other].map((row) => row.queries[task][at] / board.scale);
      const gap = values[0] - values[1];
      return { cells: {
        id: { value: id, text: id },
        one: { value: values[0], text: percent(values[0], 1) },
        other: { value: values[1], text: percent(values[1], 1) },
        gap: { value: gap, text: signed(gap, 1) },
        text: texts ? { value: texts[at], node: make('span', { class: 'clamp' }, texts[at]), tip: texts[at] } : {},
      } };
    }).filter((row) => row.cells.gap.value !== 0);
    rows.sort((a, b) => Math.abs(b.cells.gap.value) - Math.abs(a.cells.gap.value));
    const label = `${one.name} against ${other.name} on ${task}, query by query`;
    place.replaceChildren(make('p', { class: 'note' }, `${counted(rows.length, 'query', 'queries')} of ${board.queries[task].length} differ, the largest differences first.`),
      make('div', { class: 'tall' }, scrolling(sortable({ columns, rows, caption: label, headed: 'id' }), label)));
  };
  const pick = make('select', { id: 'task-of-pair', onchange: () => show(pick.value) },
    ...tasks.map((task) => make('option', { value: task }, task)));
  if (!tasks.length) return null;
  show(tasks[0]);
  return section('By query', make('p', {}, make('label', { for: 'task-of-pair' }, 'Task '), pick), place);
}

/** Return the page of two rows. */
function pairPage(board, one, other) {
  const changes = pairChanges(board, one, other);
  const head = [
    make('p', {}, make('a', { href: '#/' }, '← all entries')),
    make('h2', { tabindex: '-1' }, make('a', { href: addressOf('entry', board, one) }, one.name), ' − ',
      make('a', { href: addressOf('entry', board, other) }, other.name)),
    make('p', { class: 'note' }, `${board.title} · `, make('a', { href: addressOf('pair', board, other, one) }, 'the other way round')),
  ];
  if (!changes) {
    return make('article', { class: 'entry' }, ...head,
      make('p', {}, 'These two are not paired: only measured rows on the same tasks are.'));
  }
  return make('article', { class: 'entry' }, ...head,
    make('p', { class: 'verdict' }, pairSentence(changes[0], one, other)),
    section('By task', pairTable(board, one, other, changes), make('p', { class: 'note' }, board.pairs.note)),
    pairQueries(board, one, other));
}

/** Return the box that picks a row for a pair. */
function pickBox(board, row) {
  const picked = chosen.pair.board === board && chosen.pair.rows.includes(row);
  return make('input', {
    type: 'checkbox', class: 'pick', checked: picked, 'aria-label': `compare ${row.name}`,
    'data-tip': 'pick two rows of a board to compare them',
    onchange: (event) => { pickRow(board, row, event.target.checked); },
  });
}

/** Pick a row or let it go: two of one board at the most, a third replaces the first. */
function pickRow(board, row, on) {
  if (chosen.pair.board !== board) chosen.pair = { board, rows: [] };
  const kept = chosen.pair.rows.filter((each) => each !== row);
  chosen.pair.rows = on ? [...kept, row].slice(-2) : kept;
  for (const box of document.querySelectorAll('input.pick')) {
    box.checked = chosen.pair.rows.some((each) => box === each.pick);
  }
  showPicked();
}

/** Show what the picked rows differ by, at the foot of the window. */
function showPicked() {
  const bar = document.getElementById('picked');
  const { board, rows } = chosen.pair;
  bar.hidden = !rows.length || !document.getElementById('boards');
  if (bar.hidden) return;
  const clear = make('button', { type: 'button', onclick: () => rows.slice().forEach((row) => pickRow(board, row, false)) }, 'Clear');
  if (rows.length === 1) {
    bar.replaceChildren(make('p', {}, make('strong', {}, rows[0].name), ': pick a second row of this board.'), clear);
    return;
  }
  const [one, other] = [...rows].sort((a, b) => board.rows.indexOf(a) - board.rows.indexOf(b));
  const changes = pairChanges(board, one, other);
  const told = changes ? pairSentence(changes[0], one, other) : 'not paired: they stand on other tasks.';
  bar.replaceChildren(make('p', {}, make('strong', {}, `${one.name} − ${other.name}`), ' ', told), ' ',
    changes ? make('a', { href: addressOf('pair', board, one, other) }, 'by task and query →') : null, clear);
}
