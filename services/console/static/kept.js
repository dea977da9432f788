// Reports that this device keeps until they are sent, sealed for whoever wrote them. What that protects from, and what not,
// is in docs/data-protection.md. A report is sent under the key that it was begun with, so it counts once.
import { createStore, del, entries, get, set, update } from 'idb-keyval';

const HOUR = 3_600_000;
const KEPT_HOURS = 48;
const PATIENCE = 20_000;
const REPORTS = createStore('plumbline-reports', 'reports');
const SEALS = createStore('plumbline-seals', 'seals');
export const FORMS = 'plumbline-report-form';
export const possible = 'subtle' in crypto && 'indexedDB' in window;

const ask = (address, options) =>
  fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE), ...options });

/** Who is signed in, by the server: null if nobody is, undefined if there is no signal. Others' seals are thrown away. */
export async function who() {
  let answer;
  try {
    answer = await ask('/report/state', { headers: { Accept: 'application/json' } });
  } catch {
    return undefined;
  }
  if (answer.status === 401) return null;
  if (!answer.ok) return undefined;
  const state = await answer.json();
  const keys = [];
  for (const seal of state.seals) {
    const raw = Uint8Array.from(atob(seal), (letter) => letter.charCodeAt(0));
    keys.push(await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']));
  }
  for (const [person] of await entries(SEALS)) if (person !== state.person) await del(person, SEALS);
  const ahead = Date.parse(state.now) - Date.now();
  await set(state.person, { keys, ahead, until: Date.now() + state.seconds * 1000 }, SEALS);
  return state;
}

/** The seal of whoever was signed in last, while their session may last; what is over is thrown away. */
async function seal() {
  for (const [person, found] of await entries(SEALS)) {
    if (found.until > Date.now()) return { person, ...found };
    await del(person, SEALS);
  }
  return null;
}

/** Plumbline's time, as far as this device knows how far its own clock is from it. */
export async function now() {
  const found = await seal();
  return new Date(Date.now() + (found ? found.ahead : 0));
}

/** Keep a report as it stands. False if it cannot be kept; 'sent' if it was sent already, under the same key. */
export async function keep(key, answers, state = 'begun') {
  const mine = possible && (await seal());
  if (!mine) return false;
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const text = new TextEncoder().encode(JSON.stringify(answers));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, mine.keys[0], text);
  let kept = true;
  await update(key, (before) => {
    if (before && before.state === 'sent') {
      kept = 'sent';
      return before;
    }
    return { person: mine.person, state, at: Date.now(), iv, sealed };
  }, REPORTS);
  return kept;
}

/** The reports of this person, the newest first. What is too old is thrown away, whoever's it is. */
export async function mine() {
  const own = await seal();
  const found = [];
  for (const [key, report] of await entries(REPORTS)) {
    if (report.at < Date.now() - KEPT_HOURS * HOUR) {
      await del(key, REPORTS);
    } else if (own && report.person === own.person) {
      const answers = report.sealed ? await opened(report, own.keys) : {};
      if (answers) found.push({ ...report, key, answers });
    }
  }
  return found.sort((one, other) => other.at - one.at);
}

async function opened(report, keys) {
  for (const key of keys) {
    try {
      const text = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: report.iv }, key, report.sealed);
      return JSON.parse(new TextDecoder().decode(text));
    } catch { /* sealed with another of the keys */ }
  }
  return null;
}

/** Whether a finished report waits to be sent. */
export const waits = async () => (await mine()).some((report) => report.state === 'waiting');

export const discard = (key) => del(key, REPORTS);

/** The incident that a report became, or undefined while it is not sent. */
export const became = async (key) => (await get(key, REPORTS))?.incident;

/**
 * Send what waits, one window at a time. Answers what the rest waits for: 'signal', 'sign-in', or 'sent' for nothing.
 * A report that was sent leaves only which incident it became; one that was refused is to be mended.
 */
export function send() {
  return navigator.locks.request('plumbline-send', async () => {
    const waiting = (await mine()).filter((report) => report.state === 'waiting');
    if (!waiting.length) return 'sent';
    const state = await who();
    if (!state) return state === null ? 'sign-in' : 'signal';
    for (const { key, person, answers, at } of waiting) {
      if (person !== state.person) continue;
      const body = new URLSearchParams({ ...answers, key, form_token: state.token, go: 'send' });
      let answer;
      try {
        answer = await ask('/report', { method: 'POST', body });
      } catch {
        return 'signal';
      }
      const received = new URL(answer.url).pathname.match(/^\/report\/([0-9a-f-]+)\/received$/);
      if (received) await set(key, { person, state: 'sent', at: Date.now(), incident: received[1] }, REPORTS);
      else if (answer.status === 401) return 'sign-in';
      else if (answer.status >= 500 || answer.status === 403) return 'signal';
      else {
        const problem = problemIn(await answer.text());
        await update(key, (before) => ({ ...before, state: 'mend', at, problem }), REPORTS);
      }
    }
    return 'sent';
  });
}

/** What the page of a refusal says first: the field it links to, and what to do about it. */
function problemIn(page) {
  const link = new DOMParser().parseFromString(page, 'text/html').querySelector('.nhsuk-error-summary a');
  return link ? [link.getAttribute('href').slice(1), link.textContent.trim()] : ['', ''];
}

/** Somebody signs out: nothing of theirs stays on this device. */
export async function forget() {
  const own = await seal();
  for (const [key, report] of await entries(REPORTS)) if (own && report.person === own.person) await del(key, REPORTS);
  for (const [person] of await entries(SEALS)) await del(person, SEALS);
  await caches.delete(FORMS);
}
