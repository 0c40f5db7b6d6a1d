/** `iotdh-local-hub` without a command: runs the hub until a signal ends it. */
import { announcementOf, announcementText } from './announcement.ts';
import { createLog } from './diagnostics.ts';
import { createLocalHub } from './local-hub.ts';
import { redacted, type Settings } from './settings.ts';
import { explainStartFailure } from './start-failure.ts';

/** What a running process has to offer. */
export type Terminal = {
  out(text: string): void;
  error(line: string): void;
  /** Calls back with each signal that asks to end. */
  onSignal(listener: (signal: 'SIGINT' | 'SIGTERM') => void): void;
  pid: number;
};

/** Resolves to the exit code when the hub has ended: 0 after a signal, 1 when it could not start, 130 when it was forced. */
export async function serve(settings: Readonly<Settings>, terminal: Terminal): Promise<number> {
  const log = createLog({ write: terminal.error, format: settings.json ? 'json' : 'text' });
  const { devices: _, json, ports, storage, partitions, ...rest } = settings;
  const ended = Promise.withResolvers<number>();
  let signals = 0;
  try {
    const hub = await createLocalHub({
      ...rest,
      port: ports,
      log,
      ...(storage && { storage }),
      ...(partitions !== undefined && { partitions }),
    });
    terminal.onSignal((signal) => {
      signals += 1;
      if (signals > 1) {
        ended.resolve(130);
        return;
      }
      log.info({ what: 'Stopping', reason: signal, next: 'Once more ends it at once' });
      hub.stop().then(
        () => ended.resolve(0),
        (error: unknown) => {
          log.warn({ what: 'Not stopped cleanly', reason: String(error) });
          ended.resolve(1);
        },
      );
    });
    const announcement = await announcementOf(hub, settings, terminal.pid);
    terminal.out(json ? `${JSON.stringify(announcement)}\n` : announcementText(announcement));
    log.info({ what: 'Settings', reason: redacted(settings) });
  } catch (error) {
    const finding = explainStartFailure(error);
    if (finding === undefined) throw error;
    log.warn(finding);
    ended.resolve(1);
  }
  return ended.promise;
}
