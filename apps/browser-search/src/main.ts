// The page starts here: what it loads afterwards goes through the service worker, and is there without a network next time.
import { keepVisit, takeControl } from './offline.ts';

const isKept = import.meta.env.MODE === 'production' && (await takeControl());
const { start } = await import('./page.ts');
await start();
if (isKept) await keepVisit();
