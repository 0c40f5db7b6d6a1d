/**
 * Who may import whom. Each rule names the folder that it guards, what may not be imported there and why; the check reads
 * every import of every source file, so a forbidden edge cannot land.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { type Outcome, root, run } from './run.ts';

/** `from` and `to` match paths relative to the root, or, for `to`, the name of a package. */
export type Rule = { from: RegExp; to: RegExp; except?: RegExp; reason: string };

export const rules: readonly Rule[] = [
  {
    from: /^local-hub\//,
    to: /^(gen|agent|backend|sdk-ts|cli|dashboard)\/|^@iotdh\//,
    reason: 'local-hub knows nothing of our payloads: it must stand in for Azure for any product',
  },
  {
    from: /^local-hub\/src\/engine\//,
    to: /^local-hub\/src\/(mqtt|amqp|http|dps)\/|^(mqtt-packet|rhea|ws)$/,
    reason: 'the engine is protocol-neutral: front-ends translate to it, never the other way round',
  },
  {
    from: /^local-hub\/src\/mqtt\//,
    to: /^local-hub\/src\/(amqp|http)\//,
    reason: 'front-ends meet only in hub.ts',
  },
  {
    from: /^local-hub\/src\/amqp\//,
    to: /^local-hub\/src\/(mqtt|http|dps)\//,
    reason: 'front-ends meet only in hub.ts',
  },
  {
    from: /^local-hub\/src\/http\//,
    to: /^local-hub\/src\/(mqtt|amqp)\//,
    reason: 'front-ends meet only in hub.ts',
  },
  {
    from: /^local-hub\/src\/(?!store\/)/,
    to: /^node:sqlite$/,
    reason: 'SQL stays in store/, where its transactions and its schema are',
  },
  {
    from: /^agent\/src\/machine\/(?!testing\/|chaos\/)/,
    to: /^agent\/src\/(?!machine\/)/,
    reason: 'the machine decides on effects and knows nobody who executes them',
  },
  {
    from: /^agent\/src\/bus\/(?!testing\/)/,
    to: /^agent\/src\/(?!bus\/)/,
    reason: 'subsystems of the agent meet only in its composition',
  },
  {
    from: /^agent\/src\/outbox\/(?!testing\/)/,
    to: /^agent\/src\/(?!outbox\/)/,
    reason: 'subsystems of the agent meet only in its composition',
  },
  {
    from: /^agent\/src\/transfer\/(?!testing\/)/,
    to: /^agent\/src\/(?!transfer\/)/,
    reason: 'subsystems of the agent meet only in its composition',
  },
  {
    from: /^agent\/src\/(api|journal)\/(?!testing\/)/,
    to: /^agent\/src\/(bus|outbox|transfer)\//,
    reason: 'the local API and the journal speak of the machine; how the cloud is reached is not theirs',
  },
  {
    from: /^agent\/src\/(install|slots|inventory|enrolment)\/(?!testing\/)/,
    to: /^agent\/src\/(api|bus|host-service|journal|outbox|transfer)\//,
    reason: 'subsystems of the agent meet only in its composition',
  },
  {
    from: /^agent\/(?!.*(?:testing\/|\.test\.ts$))/,
    to: /^@iotdh\/trust\/(author|testing)$|^trust\/src\/(author|testing)\//,
    reason: 'a device verifies and never signs',
  },
  {
    from: /^agent\/src\/host-service\//,
    to: /^agent\/src\/(bus|journal|outbox|transfer|machine|cloud|effects|updates)\//,
    reason:
      'what runs with the host’s rights is small: it knows nothing of the cloud, of updates and of states',
  },
  ...['api', 'auth-broker', 'd2c-listener', 'firmware-updater'].map((service) => ({
    from: new RegExp(`^backend/services/${service}/`),
    to: new RegExp(`^backend/(services/(?!${service}/)|all-in-one/)`),
    reason: 'a service is deployed by itself: what two of them need is in backend/shared',
  })),
  {
    from: /^backend\/shared\//,
    to: /^backend\/(services|all-in-one)\//,
    reason: 'what services share knows none of them',
  },
  {
    from: /^backend\/(?!shared\/testing\/)/,
    to: /^(agent|cli|sdk-ts|local-hub|dashboard)\/|^@iotdh\/(agent|cli|sdk|local-hub)/,
    reason: 'the backend reaches devices over Azure IoT Hub and people over its API, never by their code',
  },
  {
    from: /^cli\/src\/(?!dev\/)/,
    to: /^(agent|backend|sdk-ts|local-hub|dashboard)\/|^@iotdh\/(agent|backend|local-hub)/,
    reason: 'the CLI is a client of the API; only `iotdh dev` starts the parts themselves',
  },
  {
    from: /^sdk-ts\/src\/(?!testing\/)/,
    to: /^(?!sdk-ts\/|gen\/ts\/|@bufbuild\/protobuf|@connectrpc\/|node:)/,
    reason: 'the SDK lives in other people’s processes: it brings the contract and Connect, and nothing else',
  },
  {
    from: /^delta\//,
    to: /^(agent|backend|sdk-ts|cli|dashboard|local-hub|trust|gen)\/|^@iotdh\//,
    reason: 'the delta is bytes in, bytes out: who carries and who keeps them is not its business',
  },
  {
    from: /^trust\/(?!fuzz\/)/,
    to: /^(agent|backend|sdk-ts|cli|dashboard|local-hub|delta|gen)\/|^@iotdh\//,
    reason: 'what signs and what verifies is small enough to be reviewed by itself',
  },
  {
    from: /^trust\/src\/device\//,
    to: /^trust\/src\/author\//,
    reason: 'a device verifies and never signs',
  },
  {
    from: /^gen\//,
    to: /^(agent|backend|sdk-ts|cli|dashboard|local-hub|test|bench)\//,
    reason: 'the contract stands below everything and depends on nothing of ours',
  },
  {
    from: /^(?!test\/|bench\/|demo\/|tools\/).*(?<!\.test\.ts)$/,
    to: /^(test|bench|demo|tools)\//,
    reason: 'product code does not lean on tests, benchmarks, the demo or the tools',
  },
];

export type Edge = { from: string; to: string };

const importPattern =
  /\b(?:import|export)\b[^;'"=]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|\bimport\s+['"]([^'"]+)['"]/g;

/** The imports of one file as edges: relative ones resolved to a path from the root, others as the package's name. */
export function edgesOf(file: string, text: string): Edge[] {
  return [...text.matchAll(importPattern)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    const to = specifier.startsWith('.')
      ? relative(root, join(root, dirname(file), specifier))
          .split(sep)
          .join('/')
      : specifier;
    return { from: file, to };
  });
}

/** The edges that a rule forbids, each with the reason. Tests may import what they test with. */
export function forbidden(edges: readonly Edge[]): string[] {
  return edges.flatMap(({ from, to }) =>
    rules
      .filter(
        (rule) =>
          rule.from.test(from) && rule.to.test(to) && !rule.except?.test(from) && !from.endsWith('.test.ts'),
      )
      .map((rule) => `${from} imports ${to}: ${rule.reason}`),
  );
}

export async function importBoundaries(): Promise<Outcome> {
  const listed = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.js']);
  const files = listed.output.split('\n').filter((file) => file !== '' && !file.endsWith('.d.ts'));
  const edges = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(root, file), 'utf8').catch(() => '');
      return edgesOf(file, text);
    }),
  );
  const problems = forbidden(edges.flat());
  return { code: problems.length === 0 ? 0 : 1, output: problems.join('\n') };
}
