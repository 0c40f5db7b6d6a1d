/** How the backend wants this agent to behave; kept over restarts. What it never said is as in the settings. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import { LogLevel } from '@iotdh/proto/agent/v1';
import type { Configuration } from '@iotdh/proto/bus/v1';
import { openDocument } from '../durable/document.ts';
import { type Level, levelOf } from '../log/log.ts';

export type Behaviour = {
  telemetryIntervalMs: number;
  minLogLevel: Level;
  frameWindow: number;
  maxPostponeMs: number;
};

export type KeptConfiguration = {
  readonly now: Behaviour;
  /** Durable when it returns. */
  apply(configuration: Configuration): void;
};

export function openConfiguration(
  path: string,
  { defaults, onDamaged }: { defaults: Behaviour; onDamaged: (path: string) => void },
): KeptConfiguration {
  const document = openDocument<Partial<Behaviour>>({
    path,
    read: (parsed) => (typeof parsed === 'object' && parsed !== null ? (parsed as Partial<Behaviour>) : null),
    initial: {},
    onDamaged,
  });
  return {
    get now() {
      return { ...defaults, ...document.value };
    },
    apply({ telemetryInterval, minLogLevel, frameWindow, maxPostponement }) {
      document.write({
        ...document.value,
        ...(telemetryInterval && { telemetryIntervalMs: durationMs(telemetryInterval) }),
        ...(minLogLevel !== LogLevel.UNSPECIFIED && { minLogLevel: levelOf(minLogLevel) }),
        ...(frameWindow !== undefined && { frameWindow }),
        ...(maxPostponement && { maxPostponeMs: durationMs(maxPostponement) }),
      });
    },
  };
}
