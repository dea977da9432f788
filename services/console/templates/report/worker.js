// The service worker of reporting: without signal the empty form still opens. It keeps files that never change and that form,
// nothing that anybody typed. Its version is the digest of what it keeps; an old one goes when a new one comes.
const KEPT = 'plumbline-files-{{ version }}';
const FILES = {{ files | tojson }};
const PATIENCE = 8000;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const old = (names) => names.filter((name) => name.startsWith('plumbline-files-') && name !== KEPT);
  event.waitUntil(caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') {
    const patience = new Promise((_, give) => setTimeout(give, PATIENCE));
    const form = () => caches.match('/report/form').then((found) => found ?? Response.error());
    event.respondWith(Promise.race([fetch(request), patience]).catch(form));
  } else if (url.pathname.startsWith('/static/')) {
    event.respondWith(caches.match(request).then((found) => found ?? fetch(request)));
  }
});
