import type { Attributes } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { run, runAll, tensor, values } from './run.ts';

describe('StringConcat and Equal', () => {
  it('broadcast', async () => {
    const [a, b] = [tensor('string', ['a', 'é'], [2, 1]), tensor('string', ['', 'é', '日本'])];
    const joined = await run('StringConcat', [a, b]);
    expect([joined.dims, values(joined)]).toEqual([
      [2, 3],
      ['a', 'aé', 'a日本', 'é', 'éé', 'é日本'],
    ]);
    expect(values(await run('Equal', [a, b]))).toEqual([0, 0, 0, 0, 1, 0]);
  });
});

describe('StringSplit', () => {
  const split = async (texts: string[], attrs: Attributes = {}) => {
    const [pieces, counts] = await runAll('StringSplit', [tensor('string', texts)], attrs, 2);
    return { dims: pieces!.dims, pieces: values(pieces!), counts: values(counts!) };
  };

  it('splits at delimiters, or at white space', async () => {
    expect(await split(['a,,b', '', ','], { delimiter: ',' })).toEqual({
      dims: [3, 3],
      pieces: ['a', '', 'b', '', '', '', '', '', ''],
      counts: [3n, 1n, 2n],
    });
    expect(await split([' a \t b\n', '  ', ''])).toEqual({
      dims: [3, 2],
      pieces: ['a', 'b', '', '', '', ''],
      counts: [2n, 0n, 0n],
    });
  });

  it('leaves the rest alone after so many', async () => {
    expect(await split(['a--b--c'], { delimiter: '--', maxsplit: 1 })).toMatchObject({ pieces: ['a', 'b--c'] });
    expect(await split([' a  b  c '], { maxsplit: 1 })).toMatchObject({ pieces: ['a', 'b  c'] });
    expect(await split([' a b '], { maxsplit: 0 })).toMatchObject({ pieces: ['a b'] });
  });

  it('gives a last axis of 0 where there is nothing', async () => {
    expect(await split([])).toEqual({ dims: [0, 0], pieces: [], counts: [] });
  });

  it('does not pad without bounds', async () => {
    const texts = [...new Array(200_000).fill('x'), ','.repeat(2000)];
    await expect(split(texts, { delimiter: ',' })).rejects.toMatchObject({ code: 'LIMIT', node: 'node' });
  });
});

describe('StringNormalizer', () => {
  const normalize = (texts: string[], attrs: Attributes, dims?: number[]) =>
    run('StringNormalizer', [tensor('string', texts, dims)], attrs);

  it('drops stop words and changes case', async () => {
    const attrs = { case_change_action: 'UPPER', stopwords: ['Monday'] };
    const y = await normalize(['monday', 'tuesday', 'straße'], attrs);
    expect([y.dims, values(y)]).toEqual([[2], ['TUESDAY', 'STRASSE']]);
    const sensitive = await normalize(['monday', 'Monday'], { ...attrs, is_case_sensitive: 1 }, [1, 2]);
    expect([sensitive.dims, values(sensitive)]).toEqual([[1, 1], ['MONDAY']]);
    const none = await normalize(['monday'], attrs, [1, 1]);
    expect([none.dims, values(none)]).toEqual([[1, 1], ['']]);
  });

  it('follows a locale', async () => {
    const turkish = await normalize(['IĞ'], { case_change_action: 'LOWER', locale: 'tr_TR.UTF-8' });
    expect(values(turkish)).toEqual(['ığ']);
    await expect(normalize(['a'], { locale: 'no such locale' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('takes one row', async () => {
    await expect(normalize(['a', 'b'], {}, [2, 1])).rejects.toMatchObject({ code: 'BAD_GRAPH' });
  });
});

describe('RegexFullMatch', () => {
  const matches = async (pattern: string, texts: string[]) =>
    values(await run('RegexFullMatch', [tensor('string', texts)], { pattern }));

  it.each<[string, string[], string[]]>([
    ['a|bc*', ['a', 'b', 'bcc'], ['', 'ab', 'ac']],
    ['(a|b)*?c+', ['c', 'abbac'], ['ab', 'ca']],
    ['(?:ab){2,3}', ['abab', 'ababab'], ['ab', 'abababab']],
    ['x{2}y{1,}', ['xxy', 'xxyy'], ['xy', 'xx', 'xxxy']],
    ['a{,2}', ['a{,2}'], ['aa']],
    ['.', ['x', '日', '😀'], ['\n', '', 'xx']],
    ['(?s)a.b', ['a\nb'], ['ab']],
    ['(?i)straße[k-m]', ['STRAßEL', 'straßeK'], ['STRASSEl', 'straßen']],
    ['(?i:a)b', ['Ab', 'ab'], ['aB']],
    ['[^\\d\\s]+', ['abc'], ['a1', 'a b', '']],
    ['[]a-]+', [']-a'], ['b']],
    ['[[:alpha:][:^ascii:]]+', ['aé日'], ['1']],
    ['\\p{Lu}\\PL', ['A1', 'É '], ['a1', 'AA']],
    ['\\x41\\x{1F600}\\t\\012', ['A😀\t\n'], ['A']],
    ['\\Qa.*\\E+', ['a.*', 'a.**'], ['axx']],
    ['\\bfoo\\b.*\\Bo', ['foo oo'], ['foo o', 'foooo']],
    ['(?m)a$\\n^b', ['a\nb'], ['a b']],
    ['^(a$|b)', ['a', 'b'], ['ab']],
    ['(a*)*(b|)', ['', 'aaa', 'aab'], ['ba']],
    ['', [''], ['a']],
  ])('knows /%s/', async (pattern, yes, no) => {
    expect(await matches(pattern, [...yes, ...no])).toEqual([...yes.map(() => 1), ...no.map(() => 0)]);
  });

  it('takes no more than linear time', async () => {
    expect(await matches('(a*)*(a|aa)+(.*.*.*)b', ['a'.repeat(20_000)])).toEqual([0]);
  });

  it.each([
    '(',
    'a)',
    '[a',
    '*',
    'a**',
    '(?=a)',
    '(?<!a)b',
    '\\1',
    '\\y',
    'a{2,1}',
    'a{1001}',
    '[b-a]',
    '[[:no:]]',
    '\\pX',
  ])('names /%s/, which is not RE2', async (pattern) => {
    await expect(matches(pattern, [''])).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it.each([
    ['states', '((a{1000}){1000}){1000}'],
    ['repetitions of nothing', '((((){1000}){1000}){1000}){1000}'],
    ['groups', '('.repeat(100_000)],
    ['groups in depth', '('.repeat(5000) + ')'.repeat(5000)],
    ['alternatives', '|'.repeat(100_000)],
  ])('refuses a pattern of too many %s', async (_, pattern) => {
    await expect(matches(pattern, [''])).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
