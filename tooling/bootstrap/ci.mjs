// Runs every check, keeps going after a failure, and sums up: each test counts as one, and so does each other check.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../build/workspace.mjs';
import { quietEnvironment } from './install.mjs';

const reports = join(root, '.cache/ci');
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

const total = { passed: 0, failed: 0 };
const failures = [];
const count = (name, ok) => {
  if (ok) total.passed++;
  else {
    total.failed++;
    failures.push(name);
  }
};

tests('unit tests', 'test');
check('typecheck', ['run', 'typecheck']);
check('lint', ['run', 'lint']);
check('build', ['run', 'build']);
check('prebuilt addons', ['run', 'prebuilds', '--', 'linux-x64-gnu', 'linux-x64-musl']);
check('musl', ['run', 'check:musl']);
check('packages', ['run', 'check:packages']);
check('native code under sanitizers', ['run', 'check:native']);
// The same graphs each time: other ones are for `npm run fuzz` by hand.
check('fuzz', ['run', 'fuzz', '--', '--seed', '1', '--cases', '600']);
check('start', ['start']);
tests('suites', 'suite', fixturesMustBeUsed);

console.log(failures.length > 0 ? `\nFailed:\n${failures.map((name) => `  ${name}`).join('\n')}` : '');
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

function check(name, npmArguments) {
  count(name, npm(name, npmArguments) === 0);
}

/** Runs the npm script `script`, which is vitest, and adds up its JSON report; `more` looks at the tests that were skipped. */
function tests(name, script, more = () => []) {
  const file = join(reports, `${script}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const status = npm(name, ['run', script, '--', ...reporters]);
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return count(`${name}: no report (exit status ${status})`, false);
  }
  const failed = total.failed;
  const skipped = [];
  for (const { name: path, status, message, assertionResults } of report.testResults) {
    const inFile = path.slice(root.length + 1);
    for (const { fullName, status } of assertionResults) {
      if (status === 'passed' || status === 'failed') count(`${inFile}: ${fullName}`, status === 'passed');
      else skipped.push(`${inFile}: ${fullName}`);
    }
    const explained = assertionResults.some((each) => each.status === 'failed');
    if (status === 'failed' && !explained) count(`${inFile}: ${message.split('\n')[0]}`, false);
  }
  if (skipped.length > 0) console.log(`${name}: ${skipped.length} skipped`);
  for (const problem of more(report, skipped)) count(problem, false);
  if (status !== 0 && total.failed === failed) count(`${name}: exit status ${status}`, false);
}

/** Where fixtures are at hand, no test may skip for want of them. */
function* fixturesMustBeUsed(report, skipped) {
  if (!process.env.ESPALIER_FIXTURES) return;
  if (report.numPassedTests === 0) yield 'suites: there are fixtures, but no test ran';
  for (const name of skipped) if (/ESPALIER_FIXTURES|ESPALIER_CHROMIUM/.test(name)) yield `${name}: skipped`;
}

function npm(name, args) {
  console.log(`\n== ${name}`);
  const started = Date.now();
  const { status } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 15 * 60_000,
    shell: process.platform === 'win32',
    env: { ...process.env, ...quietEnvironment, npm_config_loglevel: 'error' },
  });
  console.log(`== ${name}: ${status === 0 ? 'ok' : 'FAILED'} after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return status ?? 1;
}
