/** What was measured as Markdown: which goals hold for which pair, then a table of all tools for each pair. */
import { markdownTable } from '../results.ts';
import type { Cost } from './measured.ts';
import type { Figures, PairRecord } from './record.ts';
import { ourTools, peerTools } from './tools.ts';

/** A pair of releases, and what was measured of it. */
export type MeasuredPair = { name: string; title: string; note?: string; record: PairRecord | undefined };
type Shown = MeasuredPair & { record: PairRecord };

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const memory = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const costs = ({ cpuSeconds, peakBytes }: Cost): string[] => [
  `${cpuSeconds.toFixed(1)} s`,
  memory(peakBytes),
];

function figuresOf(record: PairRecord, tool: string): Figures | undefined {
  const found = record.tools[tool];
  return typeof found === 'object' ? found : undefined;
}

type Goal = {
  what: string;
  most: number;
  /** Undefined where it cannot be told, or was not meant. */
  figure(ours: Figures, pair: Shown): number | undefined;
};

const beside =
  (peerName: string, of: (figures: Figures) => number) =>
  (ours: Figures, { record }: Shown): number | undefined => {
    const peer = figuresOf(record, peerName);
    return peer && of(ours) / of(peer);
  };

const besideZstd = beside('zstd -19 --patch-from', ({ bytes }) => bytes);

const goals: readonly Goal[] = [
  { what: 'bytes ÷ bsdiff’s', most: 1.25, figure: beside('bsdiff', ({ bytes }) => bytes) },
  {
    what: 'bytes ÷ zstd’s, but for a major release',
    most: 0.5,
    figure: (ours, pair) => (pair.name === 'chromium' ? undefined : besideZstd(ours, pair)),
  },
  {
    what: 'CPU to encode ÷ bsdiff’s',
    most: 0.25,
    figure: beside('bsdiff', ({ encode }) => encode.cpuSeconds),
  },
  {
    what: 'MB that applying adds to Node',
    most: 32,
    figure: ({ apply }, { record }) => (apply.peakBytes - record.idle.loadedBytes) / 1e6,
  },
  {
    what: 'memory to apply, Node and all, ÷ casync’s',
    most: 2,
    figure: beside('casync 64K', ({ apply }) => apply.peakBytes),
  },
];

/** `held` or `missed`, with the figures of ours by codec; said of each figure where they differ. */
function verdict(goal: Goal, pair: Shown): string {
  const figures = ourTools.map(({ name }) => {
    const ours = figuresOf(pair.record, name);
    return ours && goal.figure(ours, pair);
  });
  const known = figures.filter((figure) => figure !== undefined);
  const held = known.filter((figure) => figure <= goal.most).length;
  if (known.length === 0) return '–';
  const text = (figure: number | undefined) => figure?.toPrecision(3) ?? '–';
  if (held === known.length) return `held: ${figures.map(text).join(', ')}`;
  if (held === 0) return `**missed**: ${figures.map(text).join(', ')}`;
  return known
    .map((figure) => (figure <= goal.most ? `${text(figure)} held` : `${text(figure)} **missed**`))
    .join(', ');
}

function pairTable({ name, title, note, record }: Shown): string {
  const ours = figuresOf(record, ourTools[0]!.name);
  const tools = [...ourTools, ...peerTools];
  const missing = tools.filter((tool) => !(tool.name in record.tools)).map((tool) => tool.name);
  const rows = tools
    .filter((tool) => tool.name in record.tools)
    .map((tool) => {
      const figures = figuresOf(record, tool.name);
      if (figures === undefined) return [tool.name, String(record.tools[tool.name])];
      const ratio = ours === undefined ? '–' : (ours.bytes / figures.bytes).toFixed(2);
      return [tool.name, megabytes(figures.bytes), ratio, ...costs(figures.encode), ...costs(figures.apply)];
    });
  const head = ['tool', 'to send', 'ours ÷ it', 'encode: CPU', 'memory', 'apply: CPU', 'memory'];
  return [
    `### ${name}: ${memory(record.newBytes)}`,
    `${title === '' ? '' : `${title}. `}Ours measured on ${record.date}, ${memory(record.idle.loadedBytes)} before it applies.`,
    markdownTable(
      head,
      rows.map((row) => head.map((_, column) => row[column] ?? '')),
    ),
    ...(note === undefined ? [] : [note]),
    ...(missing.length > 0 ? [`**Not measured:** ${missing.join('; ')}.`] : []),
  ].join('\n\n');
}

export function deltaTable(pairs: readonly MeasuredPair[]): string {
  const shown = pairs.filter((pair): pair is Shown => pair.record !== undefined);
  const missing = pairs.filter(({ record }) => record === undefined).map(({ name }) => name);
  const idle = shown.at(-1)?.record.idle;
  return [
    `The goals, each with the figures of ${ourTools.map(({ name }) => name).join(' and of ')}; – where one was not measured:`,
    markdownTable(
      ['goal', 'at most', ...shown.map(({ name }) => name)],
      goals.map((goal) => [goal.what, `${goal.most}`, ...shown.map((pair) => verdict(goal, pair))]),
    ),
    ...(missing.length > 0 ? [`**Not measured:** ${missing.join(', ')}.`] : []),
    ...(idle === undefined
      ? []
      : [
          `Ours is a Node process, applied as the agent is published: compiled, with its arguments for V8. One that does nothing has ${memory(idle.bareBytes)}. What applying adds is counted from what each pair says of one that has loaded what applies a delta.`,
        ]),
    ...shown.map(pairTable),
  ].join('\n\n');
}
