/** Windows Update of the host. */
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { WindowsUpdate, WindowsUpdateEnd } from '../install/ports.ts';
import { callMs, endOf, failedIn, type HostClient, never } from './host-client.ts';
import { operationId } from './operation-id.ts';

type Answer = { updateIds: string[]; restartRequired: boolean; output: string };

export function createRemoteWindows({ client, persistently }: HostClient): WindowsUpdate {
  async function act(signal: AbortSignal, call: () => Promise<Answer>): Promise<WindowsUpdateEnd> {
    try {
      const { updateIds: installed, restartRequired, output } = await persistently(signal, call);
      return { kind: 'done', installed, restartRequired, output };
    } catch (error) {
      const end = endOf(error, signal);
      return end.kind === 'stopped' ? end : { ...end, installed: failedIn(error)?.updateIds ?? [] };
    }
  }

  return {
    async refusal() {
      const { hasWindowsUpdate } = await persistently(never, () =>
        client.getMachine({}, { timeoutMs: callMs }),
      );
      return hasWindowsUpdate ? null : 'the host has Windows Update do nothing for the agent';
    },
    install(selection, { timeLimitMs, signal, operation }) {
      const timeLimit = durationFromMs(timeLimitMs);
      const request = {
        ...{ operationId: operationId(operation), timeLimit },
        selection:
          selection.kind === 'build'
            ? {
                case: 'build' as const,
                value: { buildTag: selection.buildTag, kbArticles: [...selection.kbArticles] },
              }
            : { case: 'updates' as const, value: { updateIds: [...selection.updateIds] } },
      };
      const limits = { signal, timeoutMs: timeLimitMs + callMs };
      return act(signal, () => client.installWindowsUpdates(request, limits));
    },
    uninstall(updateIds, { timeLimitMs, signal, operation }) {
      const timeLimit = durationFromMs(timeLimitMs);
      const request = {
        operationId: operationId(operation),
        updates: { updateIds: [...updateIds] },
        timeLimit,
      };
      const limits = { signal, timeoutMs: timeLimitMs + callMs };
      return act(signal, () => client.uninstallWindowsUpdates(request, limits));
    },
  };
}
