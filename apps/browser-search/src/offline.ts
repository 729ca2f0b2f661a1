// Makes the page work without a network from its second visit on.

/** Of the Cache API; the service worker uses it too. */
const CACHE = 'browser-search';

/** Registers the service worker and waits until requests go through it. False where there is none to be had. */
export async function takeControl(): Promise<boolean> {
  const workers = navigator.serviceWorker;
  if (!workers) return false;
  const isControlled = workers.controller
    ? Promise.resolve()
    : new Promise<void>((resolve) => workers.addEventListener('controllerchange', () => resolve(), { once: true }));
  await workers.register('service-worker.js');
  await isControlled;
  return true;
}

/** Keeps what was loaded before the service worker took control, and lets go of what this visit did not load. */
export async function keepVisit(): Promise<void> {
  const cache = await caches.open(CACHE);
  const urls = [location.href, ...performance.getEntriesByType('resource').map(({ name }) => name)]
    .map((url) => url.replace(/[#?].*/, ''))
    .filter((url) => url.startsWith(location.origin) && !url.endsWith('/service-worker.js'));
  const loaded = [...new Set(urls)];
  const kept = (await cache.keys()).map(({ url }) => url);
  await cache.addAll(loaded.filter((url) => !kept.includes(url)));
  for (const url of kept.filter((url) => !loaded.includes(url))) await cache.delete(url);
}
