/** The whole product on this machine for a file of tests: the cloud's parts as processes, an operator, and workstations on demand. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext } from 'node:test';
import {
  type Environment,
  type EnvironmentOptions,
  startEnvironment,
} from '../../cli/src/dev/environment.ts';
import { createOperator, type Operator } from './operator.ts';
import { startWorkstation, type Workstation } from './workstation.ts';

export type Rig = {
  readonly environment: Environment;
  readonly operator: Operator;
  /** A folder of its own in the rig's. */
  folder(name: string): string;
  /** A workstation whose agent runs and is BUSY, as always at first. */
  workstation(t: TestContext, deviceId: string, env?: Readonly<Record<string, string>>): Promise<Workstation>;
};

/**
 * Starts the environment before the file's first test and stops it after the last. The services are processes of their own only
 * where one of them is killed.
 */
export function rigOfFile({ services }: Pick<EnvironmentOptions, 'services'> = {}): Rig {
  let folder = '';
  let environment: Environment | undefined;
  let operator: Operator | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'iotdh-main-job-'));
    environment = await startEnvironment({
      folder: join(folder, 'cloud'),
      services: services ?? 'together',
      // What a killed service leaves is taken over sooner than in a cluster.
      serviceEnv: { TAKEOVER_MS: '3000' },
    });
    operator = await createOperator(environment);
  });
  after(async () => {
    await environment?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function there<T>(part: T | undefined): T {
    if (part === undefined) throw new Error('the environment has not started');
    return part;
  }
  const rig: Rig = {
    get environment() {
      return there(environment);
    },
    get operator() {
      return there(operator);
    },
    folder: (name) => join(folder, name),
    workstation: (t, deviceId, env = {}) =>
      startWorkstation(t, {
        environment: rig.environment,
        operator: rig.operator,
        ...{ deviceId, env, folder: rig.folder(deviceId) },
      }),
  };
  return rig;
}
