/** The demo from beginning to end: it lives in one temporary folder, and whatever happens nothing of it is left. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { prepareEnvironment, startEnvironment } from '../cli/src/dev/environment.ts';
import { openLogCollection } from './log-collection.ts';
import { layOutPacks } from './packs/author.ts';
import { applyServicePack, awaitTheFleet, Declined, fallBackToBase, publishPacks, switchOn } from './play.ts';
import { createProcesses } from './processes.ts';
import { fetchReleases } from './releases/fetch-releases.ts';
import { createRun } from './run.ts';
import { installWorkstation, openCloud, startSimulated, workstation } from './stage.ts';
import type { Screen } from './story/screen.ts';
import {
  chainOf,
  tellChain,
  tellFleet,
  tellSummary,
  tellWhatIsNext,
  tellWhatToTry,
} from './story/tell-the-end.ts';

export type DemoOptions = {
  screen: Screen;
  /** Whether every question is answered with yes. */
  yes: boolean;
  /** Of every process that is started. */
  env: Readonly<Record<string, string | undefined>>;
  nowMs: () => number;
  /** Ends the demo wherever it is. */
  signal: AbortSignal;
};

const repository = join(import.meta.dirname, '..');

/** Resolves when the story is told and nothing of it is left; rejects with what went wrong, or the signal's reason. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { screen, yes, env, nowMs, signal: interrupted } = options;
  const releases = await fetchReleases({
    folder: join(repository, '.iotdh', 'releases'),
    environmentFolder: join(repository, '.venv'),
    architecture: process.arch,
    run: createRun(interrupted),
    signal: interrupted,
    onDownload: (age) => screen.say(`Set-up, once: fetching the ${age} releases of two programs from PyPI`),
  });
  await prepareEnvironment({ env, log: screen.say, signal: interrupted });
  await using ending = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-demo-'));
  ending.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const over = new AbortController();
  const signal = AbortSignal.any([interrupted, over.signal]);
  const run = createRun(signal);
  const stage = { folder, screen, run, signal, env, processes: createProcesses() };
  const beganMs = nowMs();

  screen.chapter('The cloud’s part, on this machine');
  const logCollection = await openLogCollection();
  ending.defer(logCollection.stop);
  const starting = startEnvironment({
    folder: join(folder, 'cloud'),
    services: 'together',
    env,
    log: screen.say,
    signal,
  });
  ending.defer(async () => (await starting.catch(() => null))?.stop());
  const [environment, descriptions] = await Promise.all([
    screen.timed('local IoT Hub, Blob Storage, database and backend', () => starting),
    layOutPacks({ folder: join(folder, 'packs'), releases, logCollectionPort: logCollection.port, run }),
  ]);
  // Before the cloud's end, so that nobody reports its loss.
  ending.defer(() => stage.processes.stop());
  ending.defer(() => over.abort());
  const cloud = await openCloud(stage, environment);

  screen.chapter('Four workstations enrol, each with a token that is good once');
  await startSimulated(stage, cloud);
  const image = join(dirname(descriptions.baseline), 'baseline', 'system.img');
  const machine = await installWorkstation(stage, cloud, image);
  const play = { screen, cloud, machine, descriptions, yes, signal };
  await switchOn(play);

  screen.chapter('Two packs from two releases of real programs');
  await publishPacks(play);
  await awaitTheFleet(play);

  try {
    screen.chapter('A service pack comes while an examination goes on');
    const applied = await applyServicePack(play);
    screen.chapter('A pack that fails its integrity check, and the BASE');
    const outcomes = [applied, ...(await fallBackToBase(play))];
    screen.chapter('What came of it');
    tellFleet(screen, await cloud.operator.devices());
    screen.say();
    tellChain(screen, chainOf(cloud.operator.events.all, workstation.deviceId));
    screen.say();
    tellSummary(screen, outcomes, nowMs() - beganMs);
  } catch (error) {
    if (!(error instanceof Declined)) throw error;
    screen.say(
      `${error.message}: declined, and put on record. The agent asks again only if it is offered anew.`,
    );
  }
  if (!yes) {
    screen.chapter('Your turn: in another terminal');
    tellWhatToTry(screen, cloud.commandLine.env, workstation.deviceId);
    screen.say();
    await screen.ask('   Enter ends the demo.', signal);
  }
  screen.chapter('Try next');
  tellWhatIsNext(screen);
}
