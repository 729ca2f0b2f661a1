/** Ops on strings. */

import { type Call, type HostKernel, hasCode, Tensor } from '@espalier/core';
import { define } from '../define.ts';
import { compileRegex, matchesWhole } from '../regex.ts';
import { checkCount, mapElements, stringOp, toTensor } from '../strings.ts';

/** Why the pattern cannot be used. */
function rejectPattern({ attrs }: Call): string | undefined {
  try {
    compileRegex(attrs.pattern as string);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'UNSUPPORTED')) return (error as Error).message;
    throw error;
  }
}

/** The attribute's `en_US.UTF-8` as JavaScript has it: `en-US`; undefined where none is given. */
function localeOf({ attrs }: Call): string | undefined {
  const name = ((attrs.locale as string | undefined) ?? '').replace(/\..*/, '').replace('_', '-');
  return /^(C|POSIX)?$/.test(name) ? undefined : name;
}

function rejectLocale(call: Call): string | undefined {
  const isKnown = /^[a-z]{2,3}(-[A-Z]{2})?$/.test(localeOf(call) ?? 'en');
  return isKnown ? undefined : `the locale "${call.attrs.locale}" is not a language, or a language and a country`;
}

/** At the delimiter, or (where it is empty) at runs of white space, of which none is left at the ends; at most `limit` times. */
function split(text: string, delimiter: string, limit: number): string[] {
  const pieces: string[] = [];
  if (delimiter === '') {
    for (const { 0: word, index } of text.matchAll(/\S+/g)) {
      if (pieces.length === limit) return [...pieces, text.slice(index).trimEnd()];
      pieces.push(word);
    }
    return pieces;
  }
  let from = 0;
  for (let at = text.indexOf(delimiter); at >= 0 && pieces.length < limit; at = text.indexOf(delimiter, from)) {
    pieces.push(text.slice(from, at));
    from = at + delimiter.length;
  }
  return [...pieces, text.slice(from)];
}

export const strings: readonly HostKernel[] = [
  stringOp({ op: 'StringConcat', element: () => (x, y) => x + y }),
  define({
    op: 'StringNormalizer',
    reject: rejectLocale,
    *evaluate(call, [x]) {
      const locale = localeOf(call);
      const { case_change_action: action, is_case_sensitive } = call.attrs;
      const comparable = (text: string): string => (is_case_sensitive ? text : text.toLocaleLowerCase(locale));
      const stopwords = new Set((call.attrs.stopwords as readonly string[]).map(comparable));
      const change = (text: string): string => {
        if (action === 'LOWER') return text.toLocaleLowerCase(locale);
        return action === 'UPPER' ? text.toLocaleUpperCase(locale) : text;
      };
      const { elements } = yield* mapElements(call.node, [x!], (text: string) =>
        stopwords.has(comparable(text)) ? undefined : change(text),
      );
      const kept = elements.filter((text) => text !== undefined);
      if (kept.length === 0) kept.push('');
      return [new Tensor('string', kept, [...x!.dims.slice(0, -1), kept.length])];
    },
  }),
  define({
    op: 'StringSplit',
    *evaluate({ node, attrs }, [x]) {
      const maxsplit = (attrs.maxsplit as number | undefined) ?? -1;
      const limit = maxsplit < 0 ? Number.POSITIVE_INFINITY : maxsplit;
      const { elements, dims } = yield* mapElements(node, [x!], (text: string) =>
        split(text, attrs.delimiter as string, limit),
      );
      const width = elements.reduce((most, pieces) => Math.max(most, pieces.length), 0);
      checkCount(node, width * elements.length);
      const padded: string[] = [];
      for (const pieces of elements) {
        for (let i = 0; i < width; i++) padded.push(pieces[i] ?? '');
        yield;
      }
      const counts = elements.map((pieces) => BigInt(pieces.length));
      return [new Tensor('string', padded, [...dims, width]), toTensor('int64', counts, dims)];
    },
  }),
  define({
    op: 'RegexFullMatch',
    reject: rejectPattern,
    *evaluate({ attrs }, [x]) {
      const regex = compileRegex(attrs.pattern as string);
      const matches: boolean[] = [];
      for (const text of x!.data as string[]) {
        matches.push(yield* matchesWhole(regex, text));
        yield;
      }
      return [toTensor('bool', matches, x!.dims)];
    },
  }),
];
