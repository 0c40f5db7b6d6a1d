/** What is wrong with what an author gave: in which file, where in it, and in words. */

export type Problem = {
  /** The file as the author named it. */
  file: string;
  /** From 1. Undefined: the file as a whole. */
  line?: number;
  column?: number;
  /** The field's path, such as `components[0].title`. Empty: none in particular. */
  field: string;
  message: string;
};

/** `pack.yaml:12:5: components[0].title: must not be empty`, which editors and terminals can follow. */
export function problemText({ file, line, column, field, message }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return field === '' ? `${place}: ${message}` : `${place}: ${field}: ${message}`;
}

/** Ends a build because of what its author gave. */
export class InvalidInput extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemText).join('\n'));
    this.name = 'InvalidInput';
    this.problems = problems;
  }
}
