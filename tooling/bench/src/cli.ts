// `npm run bench -- ...`: parses arguments, calls a command, prints what it found.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { compare, compareText } from './commands/compare.ts';
import { kernels, kernelsText } from './commands/kernels.ts';
import { memory, memoryText } from './commands/memory.ts';
import { compareModels, modelNames, modelsText } from './commands/models.ts';
import { politeness, politenessText } from './commands/politeness.ts';
import { sessions, sessionsText } from './commands/sessions.ts';
import { places } from './engines/client.ts';
import type { PeerOptions } from './engines/process.ts';
import { models, type Sizes } from './models/index.ts';
import { precisions } from './precision/index.ts';
import type { ModelOptions } from './prepare.ts';

const list = (text: string): string[] => text.split(',').filter(Boolean);

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1 on.');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) throw new InvalidArgumentError('must be a number from 0 on and below 1.');
  return value;
}

function size(text: string, sizes: Sizes = {}): Sizes {
  const [, name, value] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (!name) throw new InvalidArgumentError('write it as name=size, e.g. past=512.');
  return { ...sizes, [name]: Number(value) };
}

interface Flags extends Omit<ModelOptions, 'sizes'> {
  readonly dim?: Sizes;
  readonly batch?: number;
  readonly seq?: number;
  readonly json?: boolean;
}

type PeerFlags = Flags & Omit<PeerOptions, keyof ModelOptions>;

const optionsOf = <T extends Flags>({ dim, batch, seq, ...flags }: T) => ({
  ...flags,
  sizes: { ...dim, ...(batch ? { batch } : {}), ...(seq ? { seq } : {}) },
});

/** What can be asked of every model. */
const modelCommand = (name: string, summary: string): Command =>
  new Command(name)
    .summary(summary)
    .description(summary)
    .addOption(new Option('--precision <name>', 'of the file').choices([...precisions]).default('fp32'))
    .addOption(
      new Option('--ask <name>', 'what Espalier may round products of floats to')
        .choices(['float32', 'bfloat16'])
        .default('float32'),
    )
    .option('--threads <n>', 'threads of each engine', positive, 1)
    .option('--batch <n>', 'in place of 1', positive)
    .option('--seq <n>', "tokens, in place of the model's own number", positive)
    .option('--dim <name=size>', 'any other open size (may be repeated)', size)
    .option('--layers <n>', 'layers or stages, in place of all', positive)
    .option('--sparsity <share>', 'share of zeros in the weights', share, 0)
    .option('--block <shape>', 'of the zeros: 1x1, 1x4, 16x4, 2:4, ...', '1x1')
    .option('--backends <names>', "Espalier's, in the order of trust", list, ['native', 'js'])
    .option('--mask <features>', 'features to hide from it: avx512, avx512-vnni, relaxed-simd, ...', list, [])
    .option('--json', 'print JSON');

/** What can be asked where onnxruntime is beside. */
const peerCommand = (name: string, summary: string): Command =>
  modelCommand(name, summary)
    .option('--alone', 'without onnxruntime', false)
    .addOption(
      new Option('--peer <package>', "onnxruntime's for Node, or for the web").choices(['node', 'web']).default('node'),
    )
    .addOption(new Option('--place <host>', 'where both run').choices([...places]).default('node'));

const about = Object.entries(models).map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`);
const program = new Command('bench')
  .description('Times Espalier beside onnxruntime-node, which is installed when it is first asked for.')
  .showHelpAfterError('(npm run bench -- --help shows what there is)')
  .addHelpText('after', `\nModels, made here with random weights, or the path of an ONNX file:\n${about.join('\n')}`);

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const show = (json: boolean | undefined, result: unknown, text: () => string): void =>
  print(json ? JSON.stringify(result, null, 2) : text());

program.addCommand(
  peerCommand('model', 'Time a model in both engines')
    .argument('<name>', 'a model or an ONNX file')
    .option('--rounds <n>', 'how often the engines take turns', positive, 10)
    .option('--detail <n>', 'how many kinds of nodes to list', positive, 12)
    .action(async (name: string, flags: PeerFlags & { rounds: number; detail: number }) => {
      const result = await compare(name, optionsOf(flags));
      show(flags.json, result, () => compareText(result, flags.detail));
      if (result.isRight === false) process.exitCode = 1;
    }),
);

program.addCommand(
  peerCommand('models', 'Time many models in both engines, with one thread and with --threads, and print one table')
    .argument('[names...]', 'models, ONNX files or folders of them; those in $ESPALIER_FIXTURES/models when absent')
    .option('--rounds <n>', 'how often the engines take turns', positive, 5)
    .action(async (given: string[], flags: PeerFlags & { rounds: number }) => {
      const names = modelNames(given, process.env['ESPALIER_FIXTURES']);
      const threads = [...new Set([1, flags.threads])];
      const results = await compareModels(names, threads, optionsOf(flags), (row) =>
        process.stderr.write(`${row.join('  ')}\n`),
      );
      show(flags.json, results, () => modelsText(results));
      if (results.some(({ isRight }) => isRight === false)) process.exitCode = 1;
    }),
);

program.addCommand(
  modelCommand('kernels', 'Time the native kernels of a plan by themselves, hot and cold')
    .argument('[parts...]', 'parts of their names; all when absent')
    .option('--model <name>', 'a model or an ONNX file', 'bert')
    .option('--all', 'also the kernels that the plan did not choose', false)
    .option('--samples <n>', 'timed lists, of which the shortest counts', positive, 10)
    .action(async (parts: string[], flags: Flags & { model: string; all: boolean; samples: number }) => {
      const result = await kernels(parts, optionsOf(flags));
      show(flags.json, result, () => kernelsText(result));
    }),
);

program.addCommand(
  peerCommand('memory', 'Time loading a model, and watch memory over many runs and sessions')
    .argument('[name]', 'a model or an ONNX file', 'minilm')
    .option('--runs <n>', 'runs over which memory must not grow', positive, 10_000)
    .option('--sessions <n>', 'sessions opened and closed', positive, 1000)
    .action(async (name: string, flags: PeerFlags & { runs: number; sessions: number }) => {
      const result = await memory(name, optionsOf(flags));
      show(flags.json, result, () => memoryText(result));
    }),
);

program.addCommand(
  peerCommand('politeness', 'How late the event loop is during runs, and how soon an abort is heard')
    .argument('[name]', 'a model or an ONNX file, whose runs should take 100 ms or more', 'bert')
    .option('--seconds <n>', 'how long to watch', positive, 3)
    .action(async (name: string, flags: PeerFlags & { seconds: number }) => {
      const result = await politeness(name, optionsOf(flags));
      show(flags.json, result, () => politenessText(result));
    }),
);

program.addCommand(
  peerCommand('sessions', 'Several sessions at once in one process against the best split of the threads')
    .argument('[name]', 'a model or an ONNX file', 'minilm')
    .option('--sessions <n>', 'how many at once', positive, 4)
    .option('--seconds <n>', 'for each measurement', positive, 2)
    .option('--rounds <n>', 'how often all are measured', positive, 3)
    .action(async (name: string, flags: PeerFlags & { sessions: number; seconds: number; rounds: number }) => {
      const result = await sessions(name, optionsOf(flags));
      show(flags.json, result, () => sessionsText(result));
    }),
);

for (const command of [program, ...program.commands]) command.exitOverride();

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads the output, `head` for one, may have seen enough.
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

// `bench bert` is short for `bench model bert`.
const args = process.argv.slice(2);
const commands = new Set([...program.commands.map((command) => command.name()), 'help']);
const isModel = args[0] !== undefined && !args[0].startsWith('-') && !commands.has(args[0]);

try {
  await program.parseAsync(isModel ? ['model', ...args] : args, { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const { code, message, stack } = error as Error & { code?: string };
    process.stderr.write(`error: ${code === undefined ? stack : message}\n`);
    process.exitCode = 1;
  }
}
