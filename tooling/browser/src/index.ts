// What tests in a real browser need: Chromium, a server, pages made of sources.
export { buildPage, html, temporaryFolder } from './build.ts';
export { type Browser, type ChromiumOptions, noChromium, type Opened, startChromium } from './chromium.ts';
export { type ServeOptions, type Site, serve } from './server.ts';
