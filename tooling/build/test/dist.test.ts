// The built packages load in plain Node, as an ES module and through require(): no top-level await may creep in.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { quickBuild } from '../quick.mjs';
import { root, workspacePackages } from '../workspace.mjs';

const packages = workspacePackages().filter(({ path, manifest }) => path.startsWith('packages/') && !manifest.private);

const node = (cwd: string, ...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }).trim();

test.each(packages)('$name: require() and import() give the same exports', async ({ name, directory }) => {
  await quickBuild(name);
  const script = `
    const required = Object.keys(require('${name}')).sort().join();
    import('${name}').then((imported) => console.log(Object.keys(imported).sort().join() === required));
  `;
  expect(node(directory, '--no-warnings', '-e', script)).toBe('true');
});

test('the command line answers --help', async () => {
  await quickBuild('espalier');
  expect(node(root, 'packages/espalier/dist/cli.js', '--help')).toContain('espalier');
});
