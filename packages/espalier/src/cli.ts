#!/usr/bin/env node
// The command line: parses arguments, calls a command, turns errors into exit codes.
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { bench } from './cli/bench.ts';
import { doctor } from './cli/doctor.ts';
import { explainModel } from './cli/explain.ts';
import { inspect } from './cli/inspect.ts';
import { runModel } from './cli/run.ts';

/** Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model needs something that is not supported. */
const FAILED = 1;
const USAGE = 2;
const UNSUPPORTED = 3;

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1 on.');
  return value;
}

function dimension(text: string, sizes: Record<string, number> = {}): Record<string, number> {
  const [, name, value] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (!name) throw new InvalidArgumentError('write it as name=size, e.g. batch=4.');
  return { ...sizes, [name]: Number(value) };
}

const list = (text: string): string[] => text.split(',').filter(Boolean);

function modelCommand(name: string, summary: string): Command {
  return new Command(name)
    .summary(summary)
    .description(summary)
    .argument('<model>', 'an ONNX file or a TensorFlow.js model.json: a path or a URL')
    .option('--backends <names>', 'use only these, e.g. native,js', list)
    .option('--threads <n>', 'use at most this many threads', positive)
    .option('--dim <name=size>', 'give an open dimension a size (may be repeated)', dimension)
    .option('--profile <file>', 'plan with the rates in this file; it is written if it does not exist')
    .option('--json', 'print JSON');
}

const withInputs = (command: Command): Command =>
  command
    .option('--inputs <file>', 'feeds: JSON {name: {dtype, shape, data}} or .npz; random ones when absent')
    .option('--seed <n>', 'seed of the random feeds', Number, 1);

const program = new Command('espalier')
  .description('Runs neural networks on the processor you have.')
  .showHelpAfterError('(espalier --help shows what there is)')
  .addHelpText(
    'after',
    `
Examples:
  espalier inspect model.onnx                     what is in the file
  espalier run model.onnx --inputs feeds.json     run it once, print the outputs
  espalier explain model.onnx --dim batch=8       what would run where, and why
  espalier bench model.onnx --runs 50             how fast it is here
  espalier doctor                                 what this machine and install can do

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model needs something that is not supported.`,
  );

program.addCommand(
  withInputs(modelCommand('run', 'Run a model once and print its outputs'))
    .option('--fetch <names>', 'print only these outputs', list)
    .option('--times', 'print what each node took')
    .action(runModel),
);
program.addCommand(modelCommand('inspect', 'Show inputs, outputs, ops and weights of a model').action(inspect));
program.addCommand(
  modelCommand('explain', 'Show what would run where, what it costs and what it beat').action(explainModel),
);
program.addCommand(
  withInputs(modelCommand('bench', 'Time a model'))
    .option('--runs <n>', 'timed runs, after a warm-up', positive, 20)
    .action(bench),
);
program.addCommand(
  new Command('doctor')
    .summary('Show what this machine and install can do')
    .description('Show what this machine and install can do, and what would make it faster')
    .option('--json', 'print JSON')
    .action(doctor),
);
for (const command of [program, ...program.commands]) command.exitOverride();

// Whoever reads the output, `head` for one, may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  else {
    const { code, message, stack } = error as Error & { code?: string };
    process.stderr.write(`error: ${code === undefined && !(error instanceof TypeError) ? stack : message}\n`);
    process.exitCode = error instanceof TypeError ? USAGE : code === 'UNSUPPORTED' ? UNSUPPORTED : FAILED;
  }
}
