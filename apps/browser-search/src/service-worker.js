// Answers from the cache: at once what never changes under its name (files with a hash in it, the model), the page itself when
// there is no network.
const CACHE = 'browser-search';

globalThis.addEventListener('install', () => globalThis.skipWaiting());
globalThis.addEventListener('activate', (event) => event.waitUntil(globalThis.clients.claim()));
globalThis.addEventListener('fetch', (event) => {
  if (event.request.method === 'GET') event.respondWith(answer(event));
});

async function answer(event) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  const cached = await cache.match(request, { ignoreSearch: true });
  if (cached && request.mode !== 'navigate') return cached;
  try {
    const response = await fetch(request);
    if (response.ok) event.waitUntil(cache.put(request.url.replace(/[#?].*/, ''), response.clone()));
    return response;
  } catch (error) {
    if (cached) return cached;
    throw error;
  }
}
