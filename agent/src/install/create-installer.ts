/** Composes the installers: one transaction over all components of a PATCH, kept in a folder of its own. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { StepOutcomeSchema, UpdateStep } from '@iotdh/proto/bus/v1';
import type { Component, Manifest } from '@iotdh/proto/update/v1';
import { isFull } from '../durable/document.ts';
import type { Clock } from './clock.ts';
import { wordsOf } from './component-installer.ts';
import { createComponentInstaller, fileSetOf } from './components.ts';
import { removeFolder } from './durable.ts';
import type { OnFailPoint } from './fail-point.ts';
import { findPlace, type Place } from './files/place.ts';
import { createInstalledVersion } from './installed-version.ts';
import type { Installer, Job, Preflight } from './installer.ts';
import { beginJournal, hasJournal, type Journal, openJournal } from './journal.ts';
import type { InstallOutcome } from './outcome.ts';
import { createPlan, type Part } from './plan.ts';
import type { Connections, Host, Inventory, MachineFacts, Products, UpdateServices } from './ports.ts';
import { findUnmet, together, type Unmet } from './preflight.ts';
import { refuseManifest, refuseNestedRoots } from './refuse-manifest.ts';
import { createSandbox } from './sandbox.ts';
import { beginStep } from './step-outcome.ts';
import { outcomeIn, runTransaction } from './transaction.ts';

export type InstallerOptions = {
  /** The install roots of this machine, by the name that manifests use; each an absolute path whose parent exists. */
  roots: Readonly<Record<string, { path: string }>>;
  /** Holds a folder for each job; made if absent. */
  stateFolder: string;
  host: Host;
  connections: Connections;
  products: Products;
  inventory: Inventory;
  facts: MachineFacts;
  updateServices: UpdateServices;
  /** The agent's own environment, of which scripts get PATH and what they name. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Takes secrets and patients out of what scripts and installers print. */
  redact: (text: string) => string;
  clock: Clock;
  /** For tests. Default: nothing happens there. */
  onFailPoint?: OnFailPoint;
};

export function createInstaller(options: InstallerOptions): Installer {
  const { roots, stateFolder, host, connections, products, inventory, facts, updateServices, clock } =
    options;
  const { onFailPoint: failPoint = () => {} } = options;
  const scripts = join(stateFolder, 'scripts');
  const sandbox = createSandbox({ ...options, folder: scripts });
  const versionOf = createInstalledVersion(inventory, updateServices.apt);
  const surroundings = { connections, products, updateServices, sandbox, clock };

  function folderOf(id: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(id)) throw new Error(`${id} cannot name a job`);
    return join(stateFolder, 'jobs', id);
  }

  async function findPlaces(components: readonly Component[], id: string): Promise<Record<string, Place>> {
    const places: Record<string, Place> = {};
    for (const component of components) {
      const root = fileSetOf(component)?.root;
      const path = root === undefined ? undefined : roots[root]?.path;
      if (path !== undefined) places[component.id] = await findPlace(path, id, component.id);
    }
    return places;
  }

  function partsOf(
    manifest: Manifest,
    places: Record<string, Place>,
    folder: string,
    contentPath: Job['contentPath'],
  ) {
    return componentsOf(manifest).map((component): Part => {
      const context = { id: component.id, notes: join(folder, component.id), contentPath, failPoint };
      const place = places[component.id];
      return { component, installer: createComponentInstaller(component, place, surroundings, context) };
    });
  }

  async function unmetBy(manifest: Manifest, carryBytes: number): Promise<Unmet | null> {
    const lasting = (reason: string | null) => (reason === null ? null : { reason, passing: false });
    if (manifest.content.case !== 'patch') return lasting('it is not a PATCH');
    const { components } = manifest.content.value;
    const unknown = components
      .map((component) => fileSetOf(component)?.root)
      .find((root) => root !== undefined && !Object.hasOwn(roots, root));
    if (unknown !== undefined) return lasting(`this machine has no install root "${unknown}"`);
    const nested = lasting(refuseNestedRoots(components, (root) => roots[root]?.path));
    if (nested !== null) return nested;
    let places: Record<string, Place>;
    try {
      places = await findPlaces(components, 'preflight');
    } catch (error) {
      return lasting(wordsOf(error));
    }
    const parts = partsOf(manifest, places, join(stateFolder, 'preflight'), () => '');
    const refused = lasting(await refuseManifest(parts, sandbox));
    if (refused !== null) return refused;
    return await requirementsUnmet(manifest, carryBytes);
  }

  async function requirementsUnmet(manifest: Manifest, carryBytes: number): Promise<Unmet | null> {
    const unmet = await findUnmet(manifest, {
      ...{ facts, carryBytes, stateFolder },
      historyOf: inventory.historyOf,
      registeredVersionOf: products.versionOf,
      versionOf: (product) => versionOf(product, new AbortController().signal),
      rootPath: (root) => roots[root]?.path,
    });
    return together(unmet);
  }

  /** Opens the job's journal, or begins one if nothing speaks against it. */
  async function openJob(job: Job, folder: string): Promise<Journal | InstallOutcome> {
    if (hasJournal(folder)) return openJournal(folder);
    const outcomeOf = beginStep(clock, UpdateStep.PREFLIGHT, '');
    const unmet = await unmetBy(job.manifest, 0);
    if (unmet?.passing === true) return { kind: 'failed', reason: unmet.reason, passing: true };
    if (unmet !== null) {
      const steps = [outcomeOf({ kind: 'failed', reason: unmet.reason })];
      return { kind: 'fault', reason: unmet.reason, takenBack: true, steps };
    }
    const components = componentsOf(job.manifest);
    const places = await findPlaces(components, job.id);
    failPoint('before_journal', job.id);
    try {
      await removeFolder(folder);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const { id } of components) await mkdir(join(folder, id), { mode: 0o700 });
      const ids = components.map(({ id }) => id);
      const began = { kind: 'began', version: 1, id: job.id, components: ids, places } as const;
      const journal = await beginJournal(folder, began, maxSteps(components));
      const outcome = toJson(StepOutcomeSchema, outcomeOf({ kind: 'done' }));
      journal.append({ kind: 'step_ended', step: 'preflight', ok: true, outcome });
      failPoint('after_journal', job.id);
      return journal;
    } catch (error) {
      await removeFolder(folder).catch(() => {});
      const reason = `the job cannot be begun: ${wordsOf(error)}`;
      return { kind: 'failed', reason, ...(isFull(error) && { passing: true }) };
    }
  }

  async function applyWith(
    journal: Journal,
    job: Job,
    folder: string,
    resumed: boolean,
  ): Promise<InstallOutcome> {
    const { manifest, contentPath, signal } = job;
    const [began] = journal.entries;
    const components = componentsOf(manifest);
    if (began?.kind !== 'began' || began.components.join() !== components.map(({ id }) => id).join()) {
      throw new Error(`${folder} belongs to another manifest than the job ${job.id}`);
    }
    const parts = partsOf(manifest, began.places, folder, contentPath);
    const over = outcomeIn(journal, parts);
    if (over !== null) return over;

    const plan = createPlan({ parts, host, sandbox, clock, contentPath, versionOf });
    const progress = () => job.progress();
    const end = await runTransaction({
      journal,
      resumed,
      parts,
      plan,
      host,
      clock,
      signal,
      progress,
      failPoint,
    });
    if (end.kind !== 'surroundings_failed') return end;
    // Nothing has changed but the stage, and the next attempt begins anew.
    for (const { installer } of parts) await installer.letGo();
    await removeFolder(folder);
    return { kind: 'failed', reason: end.reason, ...(end.passing && { passing: true }) };
  }

  return {
    preflight: async (manifest, carryBytes = 0) => preflightOf(await unmetBy(manifest, carryBytes)),
    requirements: async (manifest, carryBytes = 0) =>
      preflightOf(await requirementsUnmet(manifest, carryBytes)),
    async apply(job) {
      const folder = folderOf(job.id);
      const resumed = hasJournal(folder);
      // What a script that died with the agent has left.
      await removeFolder(scripts);
      const journal = await openJob(job, folder);
      if ('kind' in journal) return journal;
      try {
        return await applyWith(journal, job, folder, resumed);
      } finally {
        journal.close();
      }
    },
    async forget(id) {
      const folder = folderOf(id);
      if (hasJournal(folder)) {
        const journal = openJournal(folder);
        journal.close();
        const { entries } = journal;
        const changed = entries.some(
          ({ kind, ...entry }) => kind === 'step_began' && 'step' in entry && entry.step.startsWith('apply:'),
        );
        if (changed && entries.at(-1)?.kind !== 'ended') throw new Error(`the job ${id} is half applied`);
        const [began] = entries;
        const places = began?.kind === 'began' ? Object.values(began.places) : [];
        for (const { work } of places) await removeFolder(work);
      }
      await removeFolder(folder);
    },
  };
}

function preflightOf(unmet: Unmet | null): Preflight {
  if (unmet === null) return { kind: 'met' };
  return { kind: 'unmet', reason: unmet.reason, ...(unmet.passing && { passing: true }) };
}

function componentsOf({ content }: Manifest): Component[] {
  return content.case === 'patch' ? content.value.components : [];
}

/** The most steps that applying and undoing these components can have. */
function maxSteps(components: readonly Component[]): number {
  return components.reduce((sum, { followUps, checks }) => sum + 4 + 2 * followUps.length + checks.length, 4);
}
