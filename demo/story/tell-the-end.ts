/** What the demo says in the end: what came of it, and what to try next. */
import { State } from '@iotdh/proto/agent/v1';
import type { UpdateResult } from '@iotdh/proto/bus/v1';
import { Connectivity, type Device, type FleetEvent } from '@iotdh/proto/fleet/v1';
import type { Screen } from './screen.ts';
import { wordsOf } from './tell-operator.ts';
import { megabytes, seconds } from './words.ts';

/** The states that a device went through, as the backend has recorded them. */
export function chainOf(events: readonly FleetEvent[], deviceId: string): string[] {
  const moves = events.flatMap((event) =>
    event.deviceId === deviceId && event.kind.case === 'stateChanged' ? [event.kind.value] : [],
  );
  const [first] = moves;
  if (first === undefined) return [];
  return [first.from, ...moves.map(({ to }) => to)].map(nameOf);
}

const nameOf = (state: State): string => wordsOf(State, state).toUpperCase().replaceAll(' ', '_');

export function tellFleet(screen: Screen, devices: readonly Device[]): void {
  const rows = devices.map(({ deviceId, site, connectivity, report }) => {
    const versions = (report?.inventory ?? []).flatMap(({ product }) =>
      product !== undefined && ['dcm2niix', 'itk-io'].includes(product.product)
        ? [`${product.product} ${product.version}`]
        : [],
    );
    const state = report?.snapshot === undefined ? '' : nameOf(report.snapshot.state);
    return [deviceId, site, wordsOf(Connectivity, connectivity), state, versions.join(', ')];
  });
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) {
    screen.say(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

/** The chain is broken into lines that fit a terminal. */
export function tellChain(screen: Screen, chain: readonly string[]): void {
  let line = '';
  for (const state of chain) {
    const next = line === '' ? state : `${line} → ${state}`;
    if (next.length > 90) {
      screen.say(`${line} →`);
      line = state;
    } else line = next;
  }
  screen.say(line);
}

export function tellSummary(screen: Screen, results: readonly UpdateResult[], tookMs: number): void {
  const carried = results.reduce((sum, { carriedBytes }) => sum + Number(carriedBytes), 0);
  screen.say(
    `${megabytes(carried)} carried to the workstation in C2D messages of 60 KiB; the whole demo took ${seconds(tookMs)}`,
  );
}

/** `env`: what has to be set for the command line, while the demo still runs. */
export function tellWhatIsNext(screen: Screen): void {
  screen.say('npx iotdh dev up             # the same cloud, to keep: it prints how to reach it');
  screen.say('npx iotdh watch              # follow the fleet');
  screen.say('npx iotdh --help');
  screen.say('make test                    # every check and every test');
}
