/** The methods of HostService that are about Windows Update. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { HostService, type InstallWindowsUpdatesRequest } from '@iotdh/proto/host/v1';
import type { WindowsSelection, WindowsUpdate, WindowsUpdateEnd } from '../install/ports.ts';
import { type Ended, endOf, type Once } from './journalled.ts';

export type WindowsMethodsOptions = {
  /** Undefined: refused. */
  windows: WindowsUpdate | undefined;
  once: Once;
  stopping: AbortSignal;
};

const { method } = HostService;

export function createWindowsMethods(
  options: WindowsMethodsOptions,
): Pick<ServiceImpl<typeof HostService>, 'installWindowsUpdates' | 'uninstallWindowsUpdates'> {
  const { windows, once, stopping } = options;
  const allowed = () => {
    if (windows !== undefined) return windows;
    throw new ConnectError('this host has Windows Update do nothing for the agent', Code.PermissionDenied);
  };
  return {
    installWindowsUpdates(request) {
      const { operationId: operation, selection, timeLimit } = request;
      const limits = { timeLimitMs: durationMs(timeLimit!), signal: stopping, operation };
      const service = allowed();
      return once(method.installWindowsUpdates, request, true, async () =>
        responseOf(await service.install(selectionOf(selection), limits)),
      );
    },
    uninstallWindowsUpdates(request) {
      const { operationId: operation, updates, timeLimit } = request;
      const limits = { timeLimitMs: durationMs(timeLimit!), signal: stopping, operation };
      const service = allowed();
      return once(method.uninstallWindowsUpdates, request, true, async () =>
        responseOf(await service.uninstall(updates?.updateIds ?? [], limits)),
      );
    },
  };
}

function selectionOf({ case: kind, value }: InstallWindowsUpdatesRequest['selection']): WindowsSelection {
  if (kind === 'build') return { kind, buildTag: value.buildTag, kbArticles: value.kbArticles };
  return { kind: 'updates', updateIds: kind === 'updates' ? value.updateIds : [] };
}

function responseOf(
  end: WindowsUpdateEnd,
): Ended<{ updateIds: string[]; restartRequired: boolean; output: string }> {
  if (end.kind !== 'done') return end;
  const { installed, restartRequired, output } = end;
  return { kind: 'done', response: { updateIds: installed, restartRequired, output: endOf(output) } };
}
