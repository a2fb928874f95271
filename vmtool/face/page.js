'use strict';
// The page's own script: steps from differences, the present one shown, what is new in it marked. It loads and sends nothing.
(() => {
  const $ = (id) => document.getElementById(id);
  const { strings, steps } = JSON.parse($('data').textContent);
  const PROSE = 0, LINE = 1, STATUS = 2, OUT = 3, CHANGED = 4;
  const states = [];  // by step: the numbers of each panel's lines
  let before = {};
  for (const step of steps) {
    const now = { ...before };
    for (const [name, [head, tail, ...between]] of Object.entries(step[CHANGED])) {
      const old = before[name] || [];
      now[name] = [...old.slice(0, head), ...between, ...old.slice(old.length - tail)];
    }
    states.push(now);
    before = now;
  }
  let at = 0, tab = 'output', isChosen = false, comparing = false;  // until a reader chooses a tab, the page does

  const text = (state, name) => (state && state[name] || []).map((i) => strings[i]).join('\n');
  const element = (tag, words, name) => {
    const made = document.createElement(tag);
    if (words !== undefined) made.textContent = words;
    if (name) made.className = name;
    return made;
  };

  const brief = (out) => {  // one line of a result
    const all = out.split('\n');
    return all.length > 1 ? `${all[0].trim()} … (${all.length} lines)` : all[0];
  };

  // --- the script on the left ---------------------------------------------------------------------
  const list = document.querySelector('#lines ol');
  const buttons = steps.map((step, i) => {
    const item = element('li');
    if (step[PROSE]) item.append(element('p', step[PROSE], 'prose'));
    const button = element('button', undefined, step[STATUS] ? 'failed' : '');
    button.append(element('code', step[LINE] || 'the machine before the first line'));
    const result = brief(step[OUT]) + (step[STATUS] ? ` [${step[STATUS]}]` : '');
    if (result) button.append(element('span', result, 'out'));
    button.addEventListener('click', () => go(i));
    item.append(button);
    list.append(item);
    return button;
  });

  // --- lines of text, with what differs from the step before ---------------------------------------
  function common(a, b) {  // longest common subsequence: for each line of b, whether a has it too, and what a has more
    const rows = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        rows[i][j] = a[i] === b[j] ? rows[i + 1][j + 1] + 1 : Math.max(rows[i + 1][j], rows[i][j + 1]);
    const out = [];
    let i = 0, j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { out.push(['', a[i]]); i++; j++; }
      else if (j < b.length && (i >= a.length || rows[i][j + 1] >= rows[i + 1][j])) out.push(['new', b[j++]]);
      else out.push(['gone', a[i++]]);
    }
    return out;
  }

  function differ(a, b) {
    if (!a) return b.map((line) => ['', line]);
    let head = 0, tail = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
    const middle = x.length * y.length > 4e6 ? [...x.map((line) => ['gone', line]), ...y.map((line) => ['new', line])] : common(x, y);
    return [...b.slice(0, head).map((line) => ['', line]), ...middle, ...b.slice(b.length - tail).map((line) => ['', line])];
  }

  function lines(into, old, now) {
    into.replaceChildren();
    for (const [mark, i] of differ(old, now)) {
      if (mark === 'gone' && !comparing) continue;
      const line = element(mark === 'gone' ? 'del' : mark === 'new' ? 'ins' : 'span', strings[i] + '\n');
      into.append(line);
    }
  }

  function counters(into, old, now) {
    const table = element('table');
    const was = new Map((old || []).map((i) => strings[i].split('\t')));
    const head = table.createTHead().insertRow();
    for (const word of ['counter', 'value', 'change']) { const cell = element('th', word); cell.scope = 'col'; head.append(cell); }
    const body = table.createTBody();
    for (const i of now) {
      const [name, value] = strings[i].split('\t');
      const moved = old ? Number(value) - Number(was.get(name) || 0) : 0;
      if (comparing && !moved) continue;
      const row = body.insertRow();
      row.className = moved ? 'moved' : 'still';
      row.append(element('td', name), element('td', value), element('td', moved ? (moved > 0 ? '+' : '') + moved : ''));
    }
    into.replaceChildren(table);
  }

  function panel() {
    const into = $('panel'), old = at ? states[at - 1][tab] || [] : null, now = states[at][tab] || [];
    if (tab === 'counters') return counters(into, old, now);
    const pre = element('pre', tab === 'output' ? text(states[at], tab) || 'It printed nothing.' : undefined);
    into.replaceChildren(pre);
    if (tab !== 'output') lines(pre, old, now);
  }

  // What the line on the left has no room for; else how the address spaces look now.
  const told = (step) => step[STATUS] || step[OUT].includes('\n') ? 'output' : 'maps';

  // --- one step -------------------------------------------------------------------------------------
  function show(announce) {
    const state = states[at], step = steps[at];
    $('is').innerHTML = text(state, 'picture');
    $('was').hidden = !comparing || !at;
    $('was').innerHTML = $('was').hidden ? '' : text(states[at - 1], 'picture').replaceAll('id="', 'id="was-').replaceAll('url(#', 'url(#was-')
      .replace('aria-labelledby="what how"', 'aria-labelledby="was-what was-how"');
    const pre = document.querySelector('#explanation pre');
    pre.textContent = text(state, 'explanation') || 'No step of the kernel was recorded.';
    if (isChosen) panel(); else choose(tabs.find((one) => one.dataset.panel === told(step)));
    buttons.forEach((button, i) => {
      if (i === at) button.setAttribute('aria-current', 'step'); else button.removeAttribute('aria-current');
    });
    buttons[at].scrollIntoView({ block: 'nearest' });
    $('where').textContent = `${at} of ${steps.length - 1}`;
    $('back').disabled = $('first').disabled = at === 0;
    $('forth').disabled = $('last').disabled = at === steps.length - 1;
    const changed = $('is').querySelectorAll('.changed').length;
    if (announce) $('said').textContent = `Step ${at} of ${steps.length - 1}: ${step[LINE] || 'start'}. ` +
      `${step[STATUS] ? 'Exit status ' + step[STATUS] + '. ' : ''}${brief(step[OUT])}. ${changed} rows of the picture changed.`;
    mark();
  }

  function go(i, quiet) {
    const to = Math.max(0, Math.min(steps.length - 1, i));
    if (to === at && !quiet) return;
    at = to;
    if (location.hash !== `#${at}`) history.replaceState(null, '', `#${at}`);
    show(!quiet);
  }

  // --- finding ----------------------------------------------------------------------------------------
  function mark() {
    const wanted = $('find').value.trim().toLowerCase();
    document.querySelectorAll('.found').forEach((found) => found.classList.remove('found'));
    if (!wanted) return;
    for (const found of [...buttons, ...document.querySelectorAll('#is g, #panel ins, #panel span, #panel tr')])
      if (found.textContent.toLowerCase().includes(wanted)) found.classList.add('found');
  }
  $('find').addEventListener('input', () => {
    mark();
    const first = document.querySelector('.found');
    if (first) first.scrollIntoView({ block: 'nearest' });
  });

  // --- keys, mouse, finger, address, printer ------------------------------------------------------------
  function compare() {
    comparing = !comparing;
    $('compare').setAttribute('aria-pressed', comparing);
    show(false);
  }
  function help() {
    $('keys').hidden = !$('keys').hidden;
    $('help').setAttribute('aria-expanded', !$('keys').hidden);
  }
  const keys = {
    ArrowRight: () => go(at + 1), j: () => go(at + 1), ArrowLeft: () => go(at - 1), k: () => go(at - 1), Home: () => go(0),
    End: () => go(steps.length - 1), d: compare, '?': help, '/': () => $('find').focus(),
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (event.target === $('find')) return;
    if (event.target.getAttribute('role') === 'tab' && event.key.startsWith('Arrow')) return;
    event.preventDefault();
    keys[event.key]();
  });
  $('find').addEventListener('keydown', (event) => { if (event.key === 'Escape') { $('find').value = ''; mark(); $('find').blur(); } });
  const clicks = { first: () => go(0), back: () => go(at - 1), forth: () => go(at + 1), last: () => go(steps.length - 1), compare, help };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener('click', act);

  const tabs = [...document.querySelectorAll('[role=tab]')];
  function choose(button, focus) {
    for (const other of tabs) {
      other.setAttribute('aria-selected', other === button);
      other.tabIndex = other === button ? 0 : -1;
    }
    tab = button.dataset.panel;
    $('panel').setAttribute('aria-labelledby', button.id);
    if (focus) button.focus();
    panel();
    mark();
  }
  tabs.forEach((button, i) => {
    button.addEventListener('click', () => { isChosen = true; choose(button); });
    button.addEventListener('keydown', (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      isChosen = true;
      choose(tabs[(i + move + tabs.length) % tabs.length], true);
    });
  });

  let start = null;
  document.querySelector('main').addEventListener('touchstart', (event) => {
    const part = event.target.closest('section');  // a finger on what is wider than the screen moves that
    start = event.touches.length === 1 && part && part.scrollWidth <= part.clientWidth ? event.touches[0] : null;
  }, { passive: true });
  document.querySelector('main').addEventListener('touchend', (event) => {
    if (!start) return;
    const end = event.changedTouches[0], x = end.clientX - start.clientX, y = end.clientY - start.clientY;
    start = null;
    if (Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y)) go(at + (x < 0 ? 1 : -1));
  }, { passive: true });

  const step_of_hash = () => Number.parseInt(location.hash.slice(1), 10) || 0;
  window.addEventListener('hashchange', () => { if (/^#\d+$/.test(location.hash)) go(step_of_hash()); });

  window.addEventListener('beforeprint', () => {
    $('sheets').replaceChildren(...steps.map((step, i) => {
      const sheet = element('section');
      if (step[PROSE]) sheet.append(element('p', step[PROSE]));
      sheet.append(element('h2', `${i}  ${step[LINE] || 'start'}`), element('pre', step[OUT]));
      const drawn = element('div');
      drawn.innerHTML = text(states[i], 'picture').replaceAll('id="', `id="s${i}-`).replaceAll('url(#', `url(#s${i}-`);
      sheet.append(drawn, element('pre', text(states[i], 'explanation')));
      return sheet;
    }));
  });
  window.addEventListener('afterprint', () => $('sheets').replaceChildren());

  go(step_of_hash(), true);
})();
