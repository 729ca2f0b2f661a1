// Loads the encoder, encodes the sentences, and answers while the question is typed.
import { load, type Progress } from 'espalier';
import { createTokenizer, type Encoder, embed, nearest, sentences, type Vocabulary } from 'semantic-search/parts';
import { View } from './view.ts';

/** Bytes of the model's files; known when the page is built. */
declare const MODEL_BYTES: number;

const ANSWERS = 5;
const examples = [
  'How can I protect my account from hackers?',
  'What makes a baking dough grow?',
  'The team was defeated shortly before the end.',
];

export async function start(): Promise<void> {
  const view = new View();
  try {
    view.invite(examples, sentences.length);
    const encoder = await loadEncoder(view);
    view.explain(encoder.session.explain());
    const vectors = await embed(encoder, sentences, {
      onProgress: (done) => view.progress('Reading the sentences', done / sentences.length),
    });
    view.ready();
    answerAsTyped(view, encoder, vectors);
  } catch (error) {
    view.fail(error);
    throw error;
  }
}

async function loadEncoder(view: View): Promise<Encoder> {
  const onProgress = ({ stage, done, total }: Progress): void => {
    if (stage === 'read') view.progress('Loading the model', Math.min(1, done / MODEL_BYTES));
    else view.progress(stage === 'prepare' ? 'Preparing' : 'Planning', total && done / total);
  };
  const [session, vocabulary] = await Promise.all([load('model.json', { onProgress }), loadVocabulary()]);
  return { session, tokenize: createTokenizer(vocabulary) };
}

async function loadVocabulary(): Promise<Vocabulary> {
  const response = await fetch('vocab.json');
  if (!response.ok) throw new Error(`vocab.json answers with status ${response.status}`);
  return response.json();
}

function answerAsTyped(view: View, encoder: Encoder, vectors: readonly Float32Array[]): void {
  let latest: AbortController | undefined;
  view.onQuestion(async (question) => {
    latest?.abort();
    latest = new AbortController();
    const { signal } = latest;
    if (encoder.tokenize(question).length === 0) return view.answer([]);
    try {
      const [query] = await embed(encoder, [question], { signal });
      if (signal.aborted) return;
      const found = nearest(query!, vectors, ANSWERS);
      view.answer(found.map(({ index, cosine }) => ({ sentence: sentences[index]!, cosine })));
    } catch (error) {
      if (!signal.aborted) view.fail(error);
    }
  });
}
