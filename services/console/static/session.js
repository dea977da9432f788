// The session on this page: a warning before it ends. A form is not sent while the device has no signal, for the browser's own
// page would take its place; one with a file only while somebody is signed in, for a file cannot be held over a sign-in.
// Reports that this device keeps are sent from any page.
import * as kept from 'plumbline/kept';

const MOST_BYTES = 10_000_000;
const box = document.getElementById('session');
const WARN_SECONDS = Math.min(300, Number(box.dataset.left) / 2);
const [text, stay, signIn] = ['p', '[data-stay]', '[data-sign-in]'].map((what) => box.querySelector(what));

function say(words, { mayStay = false, maySignIn = false } = {}) {
  stay.hidden = !mayStay;
  signIn.hidden = !maySignIn;
  box.hidden = !words;
  text.textContent = words;
}

/** Seconds until the session is over; 0 if it is, undefined without signal. Asking does not make it last longer. */
async function left() {
  let answer;
  try {
    answer = await fetch('/session/left', { headers: { Accept: 'application/json' }, cache: 'no-store' });
  } catch {
    return undefined;
  }
  if (answer.status === 401) return 0;
  const { left: seconds, token } = await answer.json();
  for (const field of document.querySelectorAll('input[name=form_token]')) field.value = token;
  return seconds;
}

let timer;
function watch(seconds) {
  clearTimeout(timer);
  timer = setTimeout(look, Math.max(seconds - WARN_SECONDS, 1) * 1000);
}

/** Other windows may have been busy: the console is asked before anybody is warned. */
async function look() {
  const seconds = await left();
  if (seconds === undefined) return watch(60);
  if (seconds > WARN_SECONDS) {
    say('');
    return watch(seconds);
  }
  if (!seconds) return say(box.dataset.over, { maySignIn: true });
  say(box.dataset.ends.replace('{minutes}', Math.max(Math.round(seconds / 60), 1)), { mayStay: true });
  timer = setTimeout(look, (seconds + 1) * 1000);
}

stay.addEventListener('click', async () => {
  const body = new URLSearchParams({ form_token: document.querySelector('input[name=form_token]').value });
  await fetch('/session/stay', { method: 'POST', body, headers: { Accept: 'application/json' } }).catch(() => undefined);
  say('');
  await look();
});

document.addEventListener('visibilitychange', async () => {
  if (!document.hidden && !signIn.hidden) await look();
});

const files = (form) => [...form.querySelectorAll('input[type=file]')].flatMap((field) => [...field.files]);
const sure = new WeakSet();

async function send(event) {
  const form = event.target;
  // A report and a review keep what was typed themselves.
  if (!navigator.onLine && !form.matches('[data-report], [data-autosave]')) {
    event.preventDefault();
    return say(box.dataset.away);
  }
  // A form that came back is sent again: whoever goes back from what follows gets its page, and not the browser's question
  // whether to send it once more. Without this button pressed, that question leads to what was typed.
  if (box.dataset.address && form.getAttribute('method') === 'post') history.replaceState(null, '', box.dataset.address);
  if (sure.has(form) || !files(form).length) return;
  event.preventDefault();
  if (files(form).some((file) => file.size > MOST_BYTES)) return tooLarge(form);
  const seconds = await left();
  if (seconds === undefined) return say(box.dataset.away);
  if (!seconds) return say(box.dataset.over, { maySignIn: true });
  sure.add(form);
  form.requestSubmit(event.submitter);
}

function tooLarge(form) {
  const field = [...form.querySelectorAll('input[type=file]')].find((one) => [...one.files].some((file) => file.size > MOST_BYTES));
  let message = document.getElementById(`${field.id}-too-large`);
  if (!message) {
    message = document.createElement('p');
    message.id = `${field.id}-too-large`;
    message.className = 'nhsuk-error-message';
    message.setAttribute('role', 'alert');
    field.before(message);
    field.setAttribute('aria-describedby', message.id);
  }
  message.textContent = box.dataset.large;
  field.focus();
}

document.addEventListener('change', ({ target }) => {
  if (target.type !== 'file') return;
  document.getElementById(`${target.id}-too-large`)?.remove();
  if ([...target.files].some((file) => file.size > MOST_BYTES)) tooLarge(target.form);
});

async function signOut(event) {
  const form = event.target;
  if (sure.has(form)) return;
  event.preventDefault();
  if (kept.possible) {
    await kept.send();
    const unsent = (await kept.mine()).some((report) => report.state !== 'sent');
    if (unsent && !confirm(box.dataset.unsent)) return;
    await kept.forget();
  }
  sure.add(form);
  form.requestSubmit(event.submitter);
}

document.addEventListener('submit', (event) => (event.target.getAttribute('action') === '/sign-out' ? signOut(event) : send(event)));
watch(Number(box.dataset.left));
if (kept.possible && !document.querySelector('[data-report]') && (await kept.waits())) await kept.send();
