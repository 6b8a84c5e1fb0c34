// Addresses: what is shown stands behind the #, by names, so that a link still fits a page made anew.

/** Return the address of a row or a pair: `#/entry/<board>/<row>`, `#/pair/<board>/<row>/<row>`. */
function addressOf(kind, board, ...rows) {
  return ['#', kind, board.address, ...rows.map((row) => row.address)].map((part, at) => (
    at < 2 ? part : encodeURIComponent(part))).join('/');
}

/** Return what an address names, or null: {kind, board, rows}. */
function named(hash) {
  const [mark, kind, ...parts] = hash.split('/');
  if (mark !== '#' || !['entry', 'pair'].includes(kind)) return null;
  let names;
  try { names = parts.map(decodeURIComponent); } catch { return null; }
  const board = data.boards.find((each) => each.address === names[0]);
  const rows = board ? names.slice(1).map((name) => board.rows.find((row) => row.address === name)) : [];
  return rows.length === (kind === 'pair' ? 2 : 1) && rows.every(Boolean) ? { kind, board, rows } : null;
}

/** Take filters from an address such as `#/?find=bm25&rows=measured`; tell whether it had any. */
function takeFilters(hash) {
  if (!hash.startsWith('#/?')) return false;
  const given = new URLSearchParams(hash.slice(3));
  chosen.text = given.get('find') || '';
  chosen.group = given.get('tasks') || '';
  chosen.querySet = given.get('queries') || '';
  const kinds = given.has('rows') ? given.get('rows').split(',') : KINDS;
  chosen.kinds = new Set(KINDS.filter((kind) => kinds.includes(kind)));
  return true;
}

/** Write the filters into the address, without a step in the browser's history. */
function keepFilters() {
  const kept = new URLSearchParams();
  if (chosen.text) kept.set('find', chosen.text);
  if (chosen.group) kept.set('tasks', chosen.group);
  if (chosen.querySet) kept.set('queries', chosen.querySet);
  if (chosen.kinds.size < KINDS.length) kept.set('rows', [...chosen.kinds].join(','));
  const address = kept.size ? `#/?${kept}` : '#/';
  if (window.location.hash !== address && (kept.size || window.location.hash)) {
    window.history.replaceState(null, '', address);
  }
}
