// The boards: what is shown of the data, and what the reader has chosen.

const data = JSON.parse(document.getElementById('data').textContent);
const main = document.getElementById('main');
const tip = document.getElementById('tip');
const KINDS = ['measured', 'published', 'imported'];
const chosen = {
  text: '', kinds: new Set(KINDS), group: '', querySet: '', heat: true,
  columns: new Set(data.columns.filter((column) => column.shown).map((column) => column.name)),
  sorts: new Map(), scrolled: 0, pair: { board: null, rows: [] },
};
const MENU_NAMES = {
  group: 'rank group', ranks: 'rank interval', interval: 'mean interval', covered: 'tasks covered', scores: 'tasks',
};
const FALLING_TEXT = { group: false, ranks: false };

/** Return the columns that a board shows, the tasks' one by one; empty ones are left out. */
function columnsOf(board) {
  const columns = [];
  for (const column of data.columns) {
    if (column.name !== 'model' && !chosen.columns.has(column.name)) continue;
    if (column.name === 'scores') {
      board.tasks.forEach((task, at) => columns.push({
        key: `task:${task}`, head: board.heads[at], help: task, numeric: true, falling: true,
      }));
    } else if (column.name === 'model' || board.rows.some((row) => row.cells[column.name])) {
      columns.push({
        key: column.name, head: column.head, help: column.help, numeric: column.numeric,
        falling: column.numeric && FALLING_TEXT[column.name] !== false,
        class: column.name === 'model' ? 'name' : '',
      });
    }
  }
  return columns;
}

function provenance(row) {
  const told = Object.entries(row.told).map(([name, text]) => `${name}: ${text}`);
  return [row.source, ...told, ...row.commands.slice(0, 1)].join('\n');
}

function meanTip(board, row) {
  const interval = row.cells.interval;
  if (!interval) return row.kind === 'measured' ? null : `${row.kind}: no interval without per-query values`;
  const [low, high] = interval[0];
  return `${percent(row.cells.mean[0], 2)}, 95 % interval ${percent(low, 2)} to ${percent(high, 2)}\n`
    + `rank ${row.cells.ranks[1]}, group ${row.cells.group[1]}`;
}

/** Return a row's cells for `sortable`. */
function cellsOf(board, row) {
  const cells = {};
  row.pick = canBePaired(board, row) ? pickBox(board, row) : null;
  for (const [name, [value, text]] of Object.entries(row.cells)) cells[name] = { value, text };
  cells.model = {
    value: row.name,
    node: make('span', {}, row.pick, make('a', { href: addressOf('entry', board, row), 'data-tip': provenance(row) }, row.name),
      make('span', { class: `kind ${row.kind} narrow`, 'aria-hidden': 'true' }, row.kind)),
  };
  if (cells.group) cells.group.class = cells.group.value % 2 ? 'odd' : 'even';
  cells.kind = { value: row.kind, node: make('span', { class: `kind ${row.kind}` }, row.kind) };
  if (cells.mean) Object.assign(cells.mean, { class: 'mean', tip: meanTip(board, row) });
  if (cells.interval) cells.interval.node = whisker(board, row);
  board.tasks.forEach((task, at) => {
    const value = row.values[at];
    if (value === null) return;
    cells[`task:${task}`] = {
      value, text: percent(value, 1), class: `h${row.heat[at]}`, tip: `${task}: ${percent(value, 2)}`,
    };
  });
  return cells;
}

/** Return an interval as a text over a line that shows where it lies among the board's. */
function whisker(board, row) {
  const ends = board.rows.filter((each) => each.cells.interval).map((each) => each.cells.interval[0]);
  const low = Math.min(...ends.map((each) => each[0]));
  const wide = Math.max(...ends.map((each) => each[1])) - low || 1;
  const [from, to] = row.cells.interval[0];
  const line = make('i', { 'aria-hidden': 'true' });
  line.style.setProperty('--from', `${(100 * (from - low)) / wide}%`);
  line.style.setProperty('--width', `${Math.max(2, (100 * (to - from)) / wide)}%`);
  return make('span', { class: 'whisker', 'data-tip': meanTip(board, row) }, row.cells.interval[1], line);
}

function fits(row) {
  if (!chosen.kinds.has(row.kind)) return false;
  const family = row.cells.family ? row.cells.family[1] : '';
  const licence = row.cells.licence ? row.cells.licence[1] : '';
  const all = [row.name, row.model, family, licence, row.source].join('\n').toLowerCase();
  return chosen.text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** Return one board, or null where the filters leave nothing of it. */
function boardSection(board, place) {
  if (chosen.group && board.group !== chosen.group) return null;
  if (chosen.querySet && board.querySet !== chosen.querySet) return null;
  const rows = board.rows.filter(fits);
  if (!rows.length) return null;
  const table = sortable({
    columns: columnsOf(board),
    rows: rows.map((row) => ({ class: row.kind, cells: cellsOf(board, row) })),
    sort: chosen.sorts.get(place),
    changed: (sort, column) => {
      chosen.sorts.set(place, sort);
      say(`sorted by ${column.help || column.head}, ${sort.descending ? 'descending' : 'ascending'}`);
    },
    caption: board.title,
    headed: 'model',
  });
  const all = counted(board.rows.length, 'row');
  const count = rows.length === board.rows.length ? all : `${rows.length} of ${all}`;
  return make('section', { class: `board${chosen.heat ? ' heat' : ''}` },
    make('h2', {}, board.title, ' ', make('small', {}, count)), scrolling(table, board.title),
    ...board.notes.map((note) => make('p', { class: 'note' }, note)));
}

function counted(number, noun, several) {
  return `${number} ${number === 1 ? noun : several || `${noun}s`}`;
}

function say(text) {
  document.getElementById('said').textContent = text;
}

/** Draw the boards anew under the unchanged tools. */
function redraw() {
  const place = document.getElementById('boards');
  const sections = data.boards.map(boardSection).filter(Boolean);
  const rows = sections.reduce((sum, each) => sum + each.querySelectorAll('tbody tr').length, 0);
  place.replaceChildren(...(sections.length ? sections : [make('p', { class: 'note' }, 'No row fits these filters.')]));
  document.getElementById('legend').hidden = !chosen.heat;
  say(`${counted(rows, 'row')} on ${counted(sections.length, 'board')}`);
  keepFilters();
  showPicked();
}

/** Return what the colours mean. */
function legend() {
  const steps = [0, 2, 4, 6, 8, 10].map((at) => make('i', { class: `h${at}`, 'aria-hidden': 'true' }));
  return make('p', { id: 'legend', class: 'note heat' }, 'by task: lowest', ...steps, 'highest');
}

/** Make a labelled box; `set` adds attributes. */
function box(label, checked, changed, set, help) {
  const input = make('input', { type: 'checkbox', checked, ...set, onchange: () => { changed(input.checked); redraw(); } });
  return make('label', { class: 'box', 'data-tip': help }, input, ` ${label}`);
}

function picker(id, label, names, key) {
  const select = make('select', { id, onchange: () => { chosen[key] = select.value; redraw(); } },
    make('option', { value: '' }, 'all'), ...names.map((name) => make('option', { value: name }, name)));
  select.value = chosen[key];
  return make('span', { class: 'tool' }, make('label', { for: id }, label), select);
}

function flip(set, name, on) {
  if (on) set.add(name); else set.delete(name);
}

function tools() {
  const unique = (key) => [...new Set(data.boards.map((board) => board[key]))];
  const present = KINDS.filter((kind) => data.boards.some((board) => board.rows.some((row) => row.kind === kind)));
  const search = make('input', {
    type: 'search', id: 'search', placeholder: 'model, family, licence', value: chosen.text,
    oninput: () => { chosen.text = search.value; redraw(); },
  });
  return make('form', { class: 'tools', role: 'search', onsubmit: (event) => event.preventDefault() },
    make('span', { class: 'tool' }, make('label', { for: 'search' }, 'Find'), search),
    picker('group', 'Tasks', unique('group'), 'group'),
    picker('query-set', 'Queries', unique('querySet'), 'querySet'),
    make('fieldset', {}, make('legend', {}, 'Rows'), ...present.map((kind) => (
      box(kind, chosen.kinds.has(kind), (on) => flip(chosen.kinds, kind, on), { name: `kind-${kind}` })))),
    make('details', { class: 'menu' }, make('summary', {}, 'Columns'),
      make('div', {}, ...data.columns.filter((column) => column.name !== 'model').map((column) => (
        box(MENU_NAMES[column.name] || column.name.replaceAll('-', ' '), chosen.columns.has(column.name),
          (on) => flip(chosen.columns, column.name, on), { name: `column-${column.name}` }, column.help))),
      box('colours', chosen.heat, (on) => { chosen.heat = on; }, { name: 'heat' }))));
}

/** Show what the address names: a row's page, a pair's, or the boards. */
function route() {
  tip.hidden = true;
  const { hash } = window.location;
  const found = named(hash);
  if (found) {
    if (document.getElementById('boards')) chosen.scrolled = window.scrollY;
    document.title = `${found.rows.map((row) => row.name).join(' − ')} · rebench leaderboard`;
    main.replaceChildren(found.kind === 'pair' ? pairPage(found.board, ...found.rows) : entryPage(found.board, found.rows[0]));
    showPicked();
    window.scrollTo(0, 0);
    main.querySelector('h2').focus({ preventScroll: true });
    return;
  }
  document.title = 'rebench leaderboard';
  const given = takeFilters(hash);
  if (document.getElementById('boards') && !given) return;
  main.replaceChildren(tools(), make('div', { class: 'under' },
    make('p', { id: 'said', role: 'status', class: 'note' }), legend()), make('div', { id: 'boards' }));
  redraw();
  window.scrollTo(0, chosen.scrolled);
}

/** Show the tip of whatever is pointed at, tapped or focused. */
function point(event) {
  const owner = event.target instanceof Element ? event.target.closest('[data-tip]') : null;
  tip.hidden = !owner;
  if (!owner) return;
  tip.textContent = owner.dataset.tip;
  const at = owner.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = at.bottom + 6;
  const above = at.top - tip.offsetHeight - 6;
  tip.style.setProperty('left', `${Math.max(8, left)}px`);
  tip.style.setProperty('top', `${below + tip.offsetHeight > window.innerHeight && above > 0 ? above : below}px`);
}

function theme(name, keep) {
  document.documentElement.dataset.theme = name;
  document.getElementById('theme').textContent = name === 'dark' ? 'Light' : 'Dark';
  try { if (keep) window.localStorage.setItem('rebench-theme', name); } catch { /* not kept, that is all */ }
}

function start() {
  let kept = null;
  try { kept = window.localStorage.getItem('rebench-theme'); } catch { /* storage is closed to files here */ }
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  theme(kept || (dark.matches ? 'dark' : 'light'), false);
  document.getElementById('theme').addEventListener('click', () => (
    theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark', true)));
  document.getElementById('made').textContent = `made ${data.made.slice(0, 16).replace('T', ' ')} by rebench ${data.version}`;
  for (const kind of ['mouseover', 'focusin', 'click']) document.addEventListener(kind, point);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    tip.hidden = true;
    document.querySelectorAll('.menu[open]').forEach((menu) => menu.removeAttribute('open'));
  });
  window.addEventListener('scroll', () => { tip.hidden = true; }, { passive: true, capture: true });
  window.addEventListener('hashchange', route);
  if (window.matchMedia('(max-width: 640px)').matches) {
    for (const name of ['ranks', 'kind', 'parameters', 'interval', 'covered']) chosen.columns.delete(name);
  }
  route();
}

start();
