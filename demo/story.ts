/** How the demo tells what it does. */
import { styleText } from 'node:util';

let steps = 0;

/** A new chapter. */
export function step(title: string): void {
  steps += 1;
  console.log(`\n${styleText('bold', `${steps}  ${title}`)}`);
}

export function say(line: string): void {
  console.log(`   ${line}`);
}

/** Does something and tells that it is done and how long it took. */
export async function timed<T>(what: string, action: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await action();
  say(
    `${styleText('green', '✔')} ${what} ${styleText('dim', `(${Math.round(performance.now() - started)} ms)`)}`,
  );
  return result;
}
