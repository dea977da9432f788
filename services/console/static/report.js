// A report on one page: a question at a time, kept on the device as it is typed, sent when there is signal. The address says
// which report it is; the back button goes from question to question. Without this script the server asks page by page.
import * as kept from 'plumbline/kept';

const AGAIN = 10_000;
const words = JSON.parse(document.getElementById('report-words').textContent);
const place = document.getElementById('report');
const main = document.getElementById('maincontent');
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const clock = (at) => new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

place.replaceChildren(document.getElementById('whole-report').content);
const form = place.querySelector('form');
const status = place.querySelector('[role=status]');
const sections = [...form.querySelectorAll('[data-question]')];
const sendButton = form.querySelector('[data-send]');
let here = sections[0].dataset.question;
let typing;
let sending = false;
let seenAll = false;
let queued = false; // finished, and not changed since: what is typed after that makes it unfinished again

function made(tag, text, names = {}) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(names)) element.setAttribute(name, value);
  return element;
}

function answers() {
  const given = {};
  for (const [name, value] of new FormData(form))
    if (!['form_token', 'key', 'go'].includes(name) && value.trim()) given[name] = value;
  return given;
}

function fill(given) {
  for (const [name, value] of Object.entries(given)) {
    const field = form.elements[name];
    if (field) field.value = value;
  }
}

function asked() {
  const given = answers();
  const holds = (rule) => given[rule.split('=')[0]] === rule.split('=')[1];
  return sections.filter(({ dataset }) => !(dataset.onlyIf && !holds(dataset.onlyIf)) && !(dataset.unless && holds(dataset.unless)));
}

/** What is wrong with the answer to a question: the field and what to do about it. */
async function wrong(section) {
  const [field] = section.dataset.fields.split(' ');
  const given = answers();
  if (section.dataset.empty && !given[field]) return [field, section.dataset.empty];
  if (given.when !== 'earlier' || field !== 'when') return null;
  const at = new Date(`${given.date}T${given.time}`);
  if (Number.isNaN(at.getTime())) return ['date', words.give_time];
  return at > (await kept.now()) ? ['date', words.not_yet] : null;
}

let said; // the problem that stands on the page

function clear() {
  said = undefined;
  main.querySelector('.nhsuk-error-summary')?.remove();
  form.querySelectorAll('.pl-wrong').forEach((one) => one.remove());
  form.querySelectorAll('.nhsuk-form-group--error').forEach((one) => one.classList.remove('nhsuk-form-group--error'));
  document.title = document.title.replace(`${words.error}: `, '');
}

function complain([field, text]) {
  clear();
  said = [field, text];
  const target = document.getElementById(field);
  const group = target.closest('.nhsuk-form-group');
  group.classList.add('nhsuk-form-group--error');
  const message = made('p', text, { class: 'nhsuk-error-message pl-wrong' });
  group.insertBefore(message, group.querySelector('.nhsuk-radios, .nhsuk-input, .nhsuk-textarea, .nhsuk-select, fieldset'));
  const summary = made('div', '', { class: 'nhsuk-error-summary', role: 'alert', tabindex: '-1' });
  const link = made('a', text, { href: `#${field}` });
  link.addEventListener('click', (event) => {
    event.preventDefault();
    target.focus();
  });
  const item = made('li');
  item.append(link);
  const list = made('ul', '', { class: 'nhsuk-list nhsuk-error-summary__list' });
  list.append(item);
  summary.append(made('h2', words.problem, { class: 'nhsuk-error-summary__title' }), list);
  main.prepend(summary);
  document.title = `${words.error}: ${document.title}`;
  summary.focus();
}

function shown(section) {
  const [name] = section.dataset.fields.split(' ');
  const given = answers();
  if (name === 'when' && given.when === 'earlier') return `${given.date} ${given.time}`;
  const field = form.elements[name];
  if (field instanceof HTMLSelectElement) return field.selectedOptions[0].textContent;
  const radio = form.querySelector(`input[name=${name}]:checked`);
  return radio ? form.querySelector(`label[for=${radio.id}]`).textContent.trim() : given[name] || words.nobody;
}

function summarise() {
  const rows = asked().slice(0, -1).map((section) => {
    const row = made('div', '', { class: 'nhsuk-summary-list__row' });
    const change = made('button', words.change, { class: 'pl-link', type: 'button' });
    change.append(made('span', ` ${section.dataset.short}`, { class: 'nhsuk-u-visually-hidden' }));
    change.addEventListener('click', () => go(section.dataset.question));
    const action = made('dd', '', { class: 'nhsuk-summary-list__actions' });
    action.append(change);
    row.append(
      made('dt', section.dataset.short, { class: 'nhsuk-summary-list__key' }),
      made('dd', shown(section), { class: 'nhsuk-summary-list__value pl-wrap pl-lines' }),
      action,
    );
    return row;
  });
  form.querySelector('dl').replaceChildren(...rows);
}

function show(name, focus = true) {
  clear();
  const open = asked();
  const section = open.find((one) => one.dataset.question === name) ?? open[0];
  here = section.dataset.question;
  const last = section === open.at(-1);
  if (last) summarise();
  for (const one of sections) one.hidden = one !== section;
  form.querySelector('[data-next]').hidden = last;
  form.querySelector('[data-back]').hidden = section === open[0];
  sendButton.hidden = !last;
  const step = place.querySelector('.pl-step');
  step.textContent = last ? '' : say(words.step, { number: open.indexOf(section) + 1, count: open.length - 1 });
  const heading = section.querySelector('h1');
  heading.tabIndex = -1;
  document.title = `${heading.textContent.trim()} - Plumbline`;
  if (focus) heading.focus();
}

const address = (name) => `/report?kept=${form.elements.key.value}#step-${name}`;

function go(name) {
  history.pushState({}, '', address(name));
  show(name);
}

/** Keep what was answered, one after the other: a draft never takes the place of what is being sent. */
let keeping = Promise.resolve();
function keep() {
  keeping = keeping.then(write, write);
  return keeping;
}

async function write() {
  const state = queued ? 'waiting' : 'begun';
  const given = answers();
  if (!Object.keys(given).some((name) => !['date', 'at', 'location_id', 'step'].includes(name))) return false;
  const done = await kept.keep(form.elements.key.value, given, state);
  if (done === 'sent') await told('sent');
  else if (done && !queued) status.textContent = say(words.kept, { time: clock(Date.now()) });
  else if (!done) status.textContent = words.not_kept;
  return done;
}

/** Say in words where the report is: sent, or what it waits for. */
async function told(left) {
  const incident = await kept.became(form.elements.key.value);
  if (incident) {
    form.hidden = true;
    place.querySelector('.pl-step').textContent = '';
    const link = made('a', words.read, { href: `/report/${incident}/received` });
    status.replaceChildren(made('strong', words.sent), ' ', link);
    return true;
  }
  if (left === 'signal') status.textContent = words.waiting;
  if (left === 'sign-in') {
    const to = encodeURIComponent(location.pathname + location.search);
    status.replaceChildren(words.sign_in, ' ', made('a', words.sign_in_link, { href: `/sign-in?to=${to}` }));
  }
  return false;
}

/** What the console refused: where to mend it, with everything else as it was. */
async function mend() {
  const report = (await kept.mine()).find(({ key, state }) => key === form.elements.key.value && state === 'mend');
  if (!report) return;
  const [field, text] = report.problem;
  const target = document.getElementById(field)?.closest('[data-question]');
  queued = false;
  if (target) {
    show(target.dataset.question);
    complain([field, text]);
    return;
  }
  status.textContent = text || words.problem;
  if (field === 'form') { // it was sent before with other words: sent again it is another report
    await kept.discard(report.key);
    form.elements.key.value = crypto.randomUUID();
  }
}

async function trySending() {
  if (sending) return;
  sending = true;
  try {
    if (!(await told(await kept.send()))) await mend();
    else location.assign(`/report/${await kept.became(form.elements.key.value)}/received`);
  } finally {
    sending = false;
  }
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const section = sections.find((one) => one.dataset.question === here);
  if (event.submitter === sendButton) {
    clearTimeout(typing);
    queued = true;
    status.textContent = words.sending;
    const done = await keep();
    if (done === true) await trySending();
    else if (!done) form.submit(); // nothing can be kept here: send it as any form is sent
    return;
  }
  const problem = await wrong(section);
  if (problem) return complain(problem);
  if (here === 'when' && answers().when === 'now') form.elements.at.value = (await kept.now()).toISOString();
  if (here === 'when' && answers().when === 'earlier') form.elements.at.value = '';
  await keep();
  const open = asked();
  const following = open[open.indexOf(section) + 1].dataset.question;
  go(seenAll ? 'check' : following);
  seenAll ||= following === 'check';
});
form.querySelector('[data-back]').addEventListener('click', () => {
  const open = asked();
  const at = open.findIndex((one) => one.dataset.question === here);
  go(open[Math.max(at - 1, 0)].dataset.question);
});

form.addEventListener('input', () => {
  queued = false;
  clearTimeout(typing);
  typing = setTimeout(keep, 400);
});
document.addEventListener('visibilitychange', () => document.hidden && !form.hidden && !queued && keep());
addEventListener('popstate', () => show(location.hash.replace('#step-', '') || sections[0].dataset.question));

addEventListener('online', trySending);
setInterval(async () => (await kept.waits()) && trySending(), AGAIN);

/** Other reports of this person that this device keeps. */
async function others() {
  const list = document.getElementById('kept');
  const found = (await kept.mine()).filter(({ key, state }) => key !== form.elements.key.value && state !== 'sent');
  list.hidden = !found.length;
  list.querySelector('ul').replaceChildren(...found.map(({ key, at, state, answers: given }) => {
    const item = made('li');
    const text = say({ waiting: words.waits, mend: words.mend }[state] ?? words.begun, { time: clock(at) });
    const on = made('a', words.go_on, { href: `/report?kept=${key}` });
    const drop = made('button', words.discard, { type: 'button', class: 'pl-link' });
    for (const one of [on, drop]) one.append(made('span', ` ${text}`, { class: 'nhsuk-u-visually-hidden' }));
    drop.addEventListener('click', async () => {
      if (!confirm(words.sure)) return;
      await kept.discard(key);
      await others();
    });
    item.append(`${text} ${given.narrative ? `"${given.narrative.slice(0, 40)}" ` : ''}`, on, ' ', drop);
    return item;
  }));
}

async function begin() {
  const asks = kept.possible ? await kept.who() : undefined;
  if (asks) form.elements.form_token.value = asks.token;
  const wanted = new URLSearchParams(location.search).get('kept');
  const reports = kept.possible ? await kept.mine() : [];
  const known = reports.find((report) => report.key === wanted);
  form.elements.key.value = known ? wanted : form.elements.key.value || crypto.randomUUID();
  if (known) fill(known.answers);
  queued = known?.state === 'waiting';
  seenAll = queued || known?.state === 'mend';
  const at = known && location.hash.replace('#step-', '');
  history.replaceState({}, '', address(at || (seenAll ? 'check' : here)));
  const stood = said; // somebody was quicker than this and has sent an answer already
  show(location.hash.replace('#step-', ''), false);
  if (stood && !known) complain(stood);
  await others();
  if (known && known.state === 'begun') status.textContent = say(words.kept, { time: clock(known.at) });
  if (await told('')) return;
  if (reports.some((report) => report.state === 'waiting')) await trySending();
  else await mend();
  if (asks === undefined && !status.textContent) status.textContent = words.no_signal;
  if (asks && 'caches' in window) {
    await (await caches.open(kept.FORMS)).add('/report/form');
    await navigator.serviceWorker?.register('/report/worker.js', { scope: '/report' });
  }
  place.dataset.ready = 'yes';
}
await begin();
