/** What the demo says in the end: what came of it, and what to try next. */

import { timestampMs } from '@bufbuild/protobuf/wkt';
import { State } from '@iotdh/proto/agent/v1';
import { UpdateOutcome, type UpdateResult } from '@iotdh/proto/bus/v1';
import { Connectivity, type Device, type FleetEvent } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
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
  tellRows(screen, rows);
}

function tellRows(screen: Screen, rows: readonly (readonly string[])[]): void {
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

/** How an update ended, and how long it was in transit and being applied. */
export type Outcome = { result: UpdateResult; transitMs: number; applyingMs: number };

export function tellSummary(screen: Screen, outcomes: readonly Outcome[], tookMs: number): void {
  tellRows(
    screen,
    outcomes.map(({ result, transitMs, applyingMs }) => [
      wordsOf(UpdateKind, result.kind).toUpperCase(),
      wordsOf(UpdateOutcome, result.outcome),
      `${megabytes(Number(result.carriedBytes))} in ${seconds(transitMs)}`,
      `${seconds(applyingMs)} to apply and check it`,
    ]),
  );
  screen.say();
  screen.say(`The whole demo took ${seconds(tookMs)}.`);
}

/** How long the device was last in a state whose name begins so, before `until`, by its own clock; ms. */
export function lastStayMs(events: readonly FleetEvent[], deviceId: string, state: State): number {
  const moves = events.flatMap(({ deviceId: of, kind }) =>
    of === deviceId && kind.case === 'stateChanged' ? [kind.value] : [],
  );
  const left = moves.findLastIndex(({ from }) => from === state);
  const entered = moves.slice(0, left).findLastIndex(({ to }) => to === state);
  const at = (index: number) => {
    const time = moves[index]?.time;
    return time === undefined ? Number.NaN : timestampMs(time);
  };
  return at(left) - at(entered);
}

/** What somebody at another terminal can do while the demo still runs; `env` is what the command line has to know. */
export function tellWhatToTry(screen: Screen, env: Readonly<Record<string, string>>, deviceId: string): void {
  for (const [name, value] of Object.entries(env)) screen.command(`export ${name}=${value}`);
  screen.command('npx iotdh device list');
  screen.command(`npx iotdh watch ${deviceId}`);
  screen.command('npx iotdh assignment list -o yaml');
  screen.command(
    [
      'curl --cacert $IOTDH_CA_FILE -H "content-type: application/json" -d "{}"',
      '-H "authorization: Bearer $(sed -E \'s/.*"token": ?"([^"]*)".*/\\1/\' $IOTDH_TOKEN_FILE)"',
      '$IOTDH_API_URL/iotdh.fleet.v1.DeviceService/ListDevices',
    ].join(' \\\n       '),
  );
}

/** What there is to try when the demo is over. */
export function tellWhatIsNext(screen: Screen): void {
  screen.command('npx iotdh dev up       # the same cloud, to keep; it prints how to reach it');
  screen.command('npx iotdh watch        # follow the fleet');
  screen.command('npx iotdh --help');
  screen.command('make test              # every check and every test');
}
