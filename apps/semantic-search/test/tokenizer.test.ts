import { beforeAll, expect, test } from 'vitest';
import { readVocabulary } from '../src/model.ts';
import { createTokenizer, type Encode } from '../src/tokenizer.ts';

let encode: Encode;
beforeAll(async () => {
  encode = createTokenizer(await readVocabulary());
});

// What the tokenizer of @energetic-ai/embeddings 0.2.0 gives.
test.each<[string, readonly number[]]>([
  ['That is a happy person', [204, 18, 11, 964, 362]],
  ['Leaves are green because of chlorophyll.', [7745, 7, 31, 2058, 130, 14, 2648, 302, 310, 3647, 120, 6]],
  ['xylophonist', [649, 3040, 5276, 175, 398]],
  ['  two  spaces ', [30, 30, 174, 30, 1016, 7, 30]],
  ['tab\tand\nline', [5520, 0, 381, 0, 721]],
  ['\u00a0no-break', [30, 104, 24, 4551]],
  ['Ünïcödé café — “quoted”', [30, 0, 85, 0, 131, 6781, 29, 1133, 976, 209, 1133, 405, 77, 1699, 849, 26, 236]],
  ['a\u0301', [30, 4328]],
  ['ﬁ ½ ＦＵＬＬ', [1480, 207, 7935, 288, 189, 4664, 277]],
  ['a🙂b', [11, 0, 151]],
  ['🙂🙂 日本語', [30, 0, 30, 0]],
  ['<s> extra_token_id_1 </s>', [4787, 7, 1431, 1501, 435, 266, 3032, 435, 303, 435, 363, 4787, 68, 7, 1431]],
  ['', []],
])('%j', (text, ids) => {
  expect(encode(text)).toEqual(ids);
});

// "33" + "3" and "3" + "33" are equally probable; the other tokenizer takes the first.
test('of equally probable ways to cut, it takes one', () => {
  expect(encode('2.333')).toEqual([1315, 360, 4245]);
});
