// What is seen and heard of the page.
import type { Explanation } from 'espalier';
import { summarize } from './plan.ts';

export interface Answer {
  readonly sentence: string;
  readonly cosine: number;
}

/** Milliseconds without a letter after which the best answer is read out. */
const PAUSE = 700;

const find = <E extends HTMLElement = HTMLElement>(selector: string): E => document.querySelector<E>(selector)!;

function element(tag: string, text: string, className = ''): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

export class View {
  private readonly question = find<HTMLInputElement>('#question');
  private pause: ReturnType<typeof setTimeout> | undefined;

  invite(examples: readonly string[], count: number): void {
    find('#count').textContent = String(count);
    for (const example of examples) {
      const button = element('button', example) as HTMLButtonElement;
      button.type = 'button';
      button.addEventListener('click', () => {
        this.question.value = example;
        this.question.focus();
        this.question.dispatchEvent(new Event('input'));
      });
      find('#examples').append(button);
    }
  }

  /** @param share from 0 to 1, unless it is not known */
  progress(stage: string, share: number | undefined): void {
    find('#stage').textContent = stage;
    const bar = find<HTMLProgressElement>('#progress');
    if (share === undefined) bar.removeAttribute('value');
    else bar.value = share;
  }

  ready(): void {
    find('#loading').hidden = true;
    find('#status').textContent = 'Ready.';
  }

  fail(error: unknown): void {
    find('#loading').hidden = true;
    find('#problem').textContent = error instanceof Error ? error.message : String(error);
  }

  /** Calls for what is there already, and whenever it changes. */
  onQuestion(ask: (question: string) => void): void {
    const changed = (): void => ask(this.question.value.trim());
    this.question.addEventListener('input', changed);
    if (this.question.value.trim() !== '') changed();
  }

  answer(answers: readonly Answer[]): void {
    const items = answers.map(({ sentence, cosine }) => {
      const item = element('li', '');
      item.append(element('span', cosine.toFixed(3), 'cosine'), sentence);
      return item;
    });
    find('#answers').replaceChildren(...items);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      find('#status').textContent = answers[0] ? `Best answer: ${answers[0].sentence}` : '';
    }, PAUSE);
  }

  explain(plan: Explanation): void {
    const { machine, kinds } = summarize(plan);
    find('#machine').textContent = machine;
    const rows = kinds.map((kind) => {
      const row = element('tr', '');
      const cell = (value: string | number): HTMLElement =>
        element('td', String(value), typeof value === 'number' || /^\d/.test(value) ? 'number' : '');
      row.append(...[kind.count, kind.op, kind.backend, kind.kernel, kind.time, kind.share].map(cell));
      return row;
    });
    find('#plan tbody').replaceChildren(...rows);
  }
}
