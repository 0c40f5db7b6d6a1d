/** Compares what the suite reports with what is expected of the device's client. */
import type { ExpectedFailure } from './expected-failures.ts';

/** A case that was run: its name with its parameters, and pytest's word for how it ended. */
export type Case = { name: string; outcome: string };

export type Judgement = {
  passed: number;
  /** By design. */
  failed: { name: string; reason: string }[];
  /** One sentence each. Empty: all is as expected. */
  problems: string[];
};

export function judge(cases: readonly Case[], expected: readonly ExpectedFailure[]): Judgement {
  const reasons = new Map(expected.map(({ name, reason }) => [name, reason]));
  const judgement: Judgement = { passed: 0, failed: [], problems: [] };
  const seen = new Set<string>();
  for (const { name, outcome } of cases) {
    const known = [name, name.split('[')[0] ?? name].find((each) => reasons.has(each)) ?? '';
    const reason = reasons.get(known);
    seen.add(known);
    if (outcome === 'passed') judgement.passed += 1;
    if (outcome === 'failed' && reason !== undefined) judgement.failed.push({ name, reason });
    else if (outcome !== 'passed') judgement.problems.push(`${name}: ${outcome}`);
    else if (reason !== undefined) judgement.problems.push(`${name}: passed, and is expected to fail`);
  }
  const missing = expected.filter(({ name }) => !seen.has(name));
  judgement.problems.push(...missing.map(({ name }) => `${name}: the suite has no such case`));
  if (cases.length === 0) judgement.problems.push('no case was run');
  return judgement;
}
