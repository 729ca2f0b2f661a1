// Cuts text into the pieces that the encoder knows: SentencePiece's unigram model, by Hugging Face's tokenizers.
import { Tokenizer } from '@huggingface/tokenizers';

/** Pieces and the logarithms of their probabilities; a piece's index is its id. */
export type Vocabulary = readonly (readonly [piece: string, score: number])[];

/** Gives the ids of a text's pieces. */
export type Encode = (text: string) => number[];

/** Id 0 is the unknown piece, 1 to 5 are marks for the encoder that no text may contain. */
const RESERVED = 6;

export function createTokenizer(vocabulary: Vocabulary): Encode {
  // A normalised text has no space, so these pieces match nothing.
  const unmatched = (piece: string, id: number): string => (id > 0 && id < RESERVED ? `${piece} ` : piece);
  const tokenizer = new Tokenizer(
    {
      added_tokens: [],
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'NFKC' },
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      pre_tokenizer: null,
      model: {
        type: 'Unigram',
        unk_id: 0,
        vocab: vocabulary.map(([piece, score], id) => [unmatched(piece, id), score]),
      },
      post_processor: null,
      decoder: null,
    },
    {},
  );
  return (text) => tokenizer.encode(text).ids;
}
