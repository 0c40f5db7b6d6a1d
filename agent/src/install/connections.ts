/** Component e: new settings of the backends' connections, which must connect in time or are taken back at once. */
import { join } from 'node:path';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { type Connections as ConnectionSet, ConnectionTarget, type Setting } from '@iotdh/proto/update/v1';
import { type Clock, pause } from './clock.ts';
import {
  type ComponentContext,
  type ComponentInstaller,
  done,
  failed,
  stopped,
  wordsOf,
} from './component-installer.ts';
import { readIfThere, writeDurably } from './durable.ts';
import type { ActionEnd, Connections, Settings, Target } from './ports.ts';

const targets: Partial<Record<ConnectionTarget, Target>> = {
  [ConnectionTarget.IOT]: 'iot',
  [ConnectionTarget.WINDOWS_UPDATE]: 'windows-update',
  [ConnectionTarget.LOG_COLLECTION]: 'log-collection',
};
const defaultTimeLimitMs = 120_000;
const pauseBetweenProbesMs = 1000;

type Before = { target: Target; name: string; settings: Settings | null };

export function createConnectionsComponent(
  set: ConnectionSet,
  options: { connections: Connections; clock: Clock },
  context: ComponentContext,
): ComponentInstaller {
  const { connections, clock } = options;
  const { id, failPoint } = context;
  // Holds secrets, as the settings do: readable by the agent alone, and gone with the job.
  const note = join(context.notes, 'settings.json');
  const timeLimitMs = set.timeLimit === undefined ? defaultTimeLimitMs : durationMs(set.timeLimit);
  const named = set.connections.map(({ target, name, settings }) => ({
    target: targets[target],
    name,
    settings,
  }));
  const nameOf = ({ target, name }: { target: Target; name: string }) =>
    name === '' ? target : `${target} ${name}`;

  async function settingValue({ value }: Setting, signal: AbortSignal): Promise<string> {
    return value.case === 'secretName' ? await connections.secret(value.value, signal) : (value.value ?? '');
  }

  /** Fetches every secret before anything is changed. */
  async function wanted(signal: AbortSignal): Promise<(Omit<Before, 'settings'> & { settings: Settings })[]> {
    const result = [];
    for (const { target, name, settings } of named) {
      if (target === undefined) throw new Error('this agent does not know the target of a connection');
      const values: Record<string, string> = { ...(await connections.read(target, name)) };
      for (const setting of settings) values[setting.key] = await settingValue(setting, signal);
      result.push({ target, name, settings: values });
    }
    return result;
  }

  async function noteBefore(): Promise<void> {
    if ((await readIfThere(note)) !== null) return;
    const before: Before[] = [];
    for (const { target, name } of named) {
      if (target !== undefined) before.push({ target, name, settings: await connections.read(target, name) });
    }
    await writeDurably(note, JSON.stringify(before));
    failPoint('settings_noted', id);
  }

  /** Those that did not connect, by name. */
  async function probeAll(all: readonly Omit<Before, 'settings'>[], signal: AbortSignal): Promise<string[]> {
    const timeIsOver = new AbortController();
    const cancel = clock.after(timeLimitMs, () => timeIsOver.abort());
    const either = AbortSignal.any([signal, timeIsOver.signal]);
    let missing = [...all];
    try {
      while (missing.length > 0 && !either.aborted) {
        const answers = await Promise.all(missing.map((one) => probe(one, either)));
        missing = missing.filter((_, index) => answers[index] !== true);
        if (missing.length > 0) await pause(clock, pauseBetweenProbesMs, either);
      }
    } finally {
      cancel();
    }
    return missing.map(nameOf);
  }

  /** Whether it connected before the signal, even if the probe does not heed it. */
  async function probe({ target, name }: Omit<Before, 'settings'>, signal: AbortSignal): Promise<boolean> {
    const aborted = Promise.withResolvers<boolean>();
    const onAbort = () => aborted.resolve(false);
    signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race([connections.probe(target, name, signal), aborted.promise]);
    } catch {
      return false;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async function restore(): Promise<ActionEnd> {
    const noted = await readIfThere(note);
    if (noted === null) return done;
    const lost: string[] = [];
    for (const before of (JSON.parse(noted) as Before[]).toReversed()) {
      try {
        await connections.write(before.target, before.name, before.settings);
      } catch (error) {
        lost.push(`${nameOf(before)}: ${wordsOf(error)}`);
      }
      failPoint('settings_put_back', id);
    }
    return lost.length === 0 ? done : failed(`the old settings are not back: ${lost.join('; ')}`);
  }

  return {
    atomic: true,
    notRestorable: null,
    refusal() {
      const seen = new Set<string>();
      for (const { target, name } of named) {
        if (target === undefined)
          return Promise.resolve('this agent does not know the target of a connection');
        if (seen.has(nameOf({ target, name }))) {
          return Promise.resolve(`the connection ${nameOf({ target, name })} is set twice`);
        }
        seen.add(nameOf({ target, name }));
      }
      return Promise.resolve(null);
    },
    stage: () => Promise.resolve(done),
    async apply(signal) {
      let all: Awaited<ReturnType<typeof wanted>>;
      try {
        all = await wanted(signal);
      } catch (error) {
        return signal.aborted ? stopped : failed(`nothing was changed: ${wordsOf(error)}`);
      }
      await noteBefore();
      for (const { target, name, settings } of all) {
        await connections.write(target, name, settings);
        failPoint('settings_written', id);
      }
      const missing = await probeAll(all, signal);
      if (missing.length === 0) return { kind: 'done', detail: `connected: ${all.map(nameOf).join(', ')}` };
      if (signal.aborted) return stopped;
      const taken = await restore();
      const reason = `${missing.join(', ')} did not connect within ${timeLimitMs} ms`;
      return failed(
        taken.kind === 'failed' ? `${reason}; ${taken.reason}` : `${reason}; the old settings are back`,
      );
    },
    restore,
    letGo: () => Promise.resolve(),
  };
}
