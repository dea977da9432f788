// Sends a form a moment after typing pauses, and when the page is left. Without this script the button does it.
// What is sent carries the version of what was saved before, so that only somebody else's change is a conflict.
'use strict';

const PAUSE = 2000;
const LONGEST = 15000; // who types without a pause is saved too
const AGAIN = 10000;
const TIME_TO_ANSWER = 20000;
const MOST_ON_LEAVING = 60000; // browsers send no more than 64 KiB for a page that is gone

for (const form of document.querySelectorAll('form[data-autosave]')) keepSaving(form);

function keepSaving(form) {
  const says = form.querySelector('[data-says]');
  const there = form.querySelector('[data-there]');
  let since = 0; // when the first of what is not on its way yet was typed; 0: nothing
  let unanswered = null; // sent, and nobody knows whether it arrived: it goes again as it was, and counts once
  let busy = null;
  let stopped = false;
  let leaving = false;
  let trouble = false;
  let timer = 0;

  says.hidden = false;

  const say = (words, wrong) => {
    trouble = wrong;
    says.setAttribute('aria-live', trouble ? 'polite' : 'off');
    says.classList.toggle('pl-saving--trouble', trouble);
    says.querySelector('span').textContent = words;
  };

  const content = () => {
    const data = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === 'string') data.append(name, value);
    data.set('go', 'autosave');
    data.set('key', Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, '0')).join(''));
    return data;
  };

  const plan = (wait) => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(save, wait);
  };

  const send = async () => {
    const body = unanswered || content();
    if (!unanswered) since = 0;
    unanswered = body;
    let answer = null;
    let said = null;
    try {
      answer = await fetch(form.action, {
        method: 'POST', body, keepalive: body.toString().length < MOST_ON_LEAVING, redirect: 'error',
        signal: AbortSignal.timeout(TIME_TO_ANSWER),
      });
      said = await answer.json();
    } catch { /* no connection, or an answer that is a page */ }
    const status = answer === null ? 0 : answer.status;
    if (status === 200 && said) {
      unanswered = null;
      if (said.version) carry('version', said.version);
      say(said.words, false);
    } else if (status === 0 || status >= 500) {
      say(says.dataset.noConnection, true);
      plan(AGAIN);
    } else {
      unanswered = null;
      since = since || Date.now();
      stopped = status === 412 || !said;
      if (status === 412) there.hidden = false;
      if (said) say(said.words, true);
      else signedOut();
    }
    return status === 200;
  };

  const save = async () => {
    if (busy || stopped || !(since || unanswered)) return;
    clearTimeout(timer);
    busy = send();
    const kept = await busy;
    busy = null;
    if (kept && since) plan(PAUSE);
  };

  const carry = (name, value) => {
    let field = form.elements.namedItem(name);
    if (!field) {
      field = document.createElement('input');
      field.type = 'hidden';
      field.name = name;
      form.append(field);
    }
    field.value = value;
  };

  // Whoever is signed in when the button is pressed is asked whether to send it in their name.
  const signedOut = () => {
    say(says.dataset.signedOut, true);
    carry('held_path', location.pathname);
    form.action = '/session/resume';
  };

  const typed = (event) => {
    if (event.target.closest('[data-not-saved]')) return;
    since = since || Date.now();
    plan(Math.max(0, Math.min(PAUSE, since + LONGEST - Date.now())));
  };
  form.addEventListener('input', typed);
  form.addEventListener('change', typed);

  form.addEventListener('submit', async (event) => {
    leaving = true;
    clearTimeout(timer);
    if (!busy && !unanswered) return;
    // First what is on its way, so that the button sends the version which that has made.
    event.preventDefault();
    await (busy || send());
    busy = null;
    if (unanswered) leaving = false; // no connection: the page stays, and says so
    else form.requestSubmit(event.submitter);
  });

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden' && !leaving) save();
  });
  addEventListener('pagehide', () => { if (!leaving) save(); });
  addEventListener('beforeunload', (event) => {
    if (leaving) return;
    const short = content().toString().length < MOST_ON_LEAVING;
    if (since && short && !trouble && !busy) save();
    else if (since || (unanswered && !busy)) event.preventDefault(); // the browser asks whether to leave
  });
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
}
