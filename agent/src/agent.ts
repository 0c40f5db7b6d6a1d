/** The agent, composed: every subsystem is made here, and only here do they meet. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { machinePort } from './api/machine-port.ts';
import { done } from './api/refusal.ts';
import { createApiServer } from './api/server.ts';
import { openToken } from './api/token.ts';
import { createAzureBus } from './bus/azure-bus.ts';
import { createBundleImport, openWaiting } from './cloud/bundle-import.ts';
import { createWithdrawal } from './cloud/withdrawal.ts';
import { createCloudSide } from './cloud-side.ts';
import { openConnections } from './connections/connections.ts';
import { hubCredentials } from './connections/hub-credentials.ts';
import { openBlobs } from './connections/open-blobs.ts';
import { createReplaceableBus } from './connections/replaceable-bus.ts';
import { openDocument, writeDurably } from './durable/document.ts';
import { createUnlessFull } from './durable/unless-full.ts';
import { createApplyPorts } from './effects/apply-ports.ts';
import { createPromptPort } from './effects/prompt-port.ts';
import { createReminders } from './effects/reminders.ts';
import { createReportPort } from './effects/report-port.ts';
import { createTransferCarriers } from './effects/transfer-carriers.ts';
import { createTransferPort } from './effects/transfer-port.ts';
import { certifiedSigner, keyFileSigner } from './enrolment/consent-signer.ts';
import { openIdentity } from './enrolment/identity.ts';
import { findCredentials } from './find-credentials.ts';
import { createInstallers } from './installers.ts';
import { createInventory } from './inventory/inventory.ts';
import { createMachineFacts } from './inventory/machine-facts.ts';
import { openProducts } from './inventory/products.ts';
import { createLineBuffer } from './log/line-buffer.ts';
import { createLog } from './log/log.ts';
import type { Ports } from './machine/effect.ts';
import type { OnFailPoint } from './machine/fail-point.ts';
import { createMachine } from './machine/machine.ts';
import { createRunner } from './machine/runner.ts';
import { sleep } from './machine/sleep.ts';
import { pendingUpdate } from './machine/snapshot.ts';
import { redactEntry, redactText } from './redaction/redact.ts';
import type { Settings } from './settings/settings.ts';
import { createFirmwareUpdateRequest } from './slots/firmware-update-request.ts';
import { stopAll } from './stop-all.ts';
import { openStores } from './stores.ts';
import type { Clock } from './transfer/clock.ts';
import { readManifest } from './transfer/manifest.ts';
import { createLocalFiles } from './transfer/plan/local-files.ts';
import { readAnchor } from './trust/anchor.ts';
import { builtAtMs } from './trust/built-at.ts';
import { createManifestTrust } from './trust/manifest-trust.ts';
import { createLacking } from './updates/lacking.ts';
import { createManifests } from './updates/manifests.ts';
import { openMedia } from './updates/media.ts';
import { manifestOf } from './updates/record.ts';
import { survey } from './updates/survey.ts';
import { createUpdateView } from './updates/update-view.ts';

export type AgentOptions = {
  settings: Settings;
  version: string;
  /** The process's environment, of which scripts get what their manifest names. */
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  random: () => number;
  /** The process's output. */
  write: (text: string) => void;
  /** The agent cannot go on; only a restart helps. */
  onFailure: (error: unknown) => void;
  onFailPoint?: OnFailPoint;
};

export type Agent = {
  /** Serves host applications, goes on where the journal says, and opens the link. Throws when it cannot listen. */
  start(): Promise<void>;
  /** Within 5 s; what was under way goes on after the next start. Idempotent. */
  stop(): Promise<void>;
};

const slowStopMs = 3_000;

/** Throws when the data folder is in use, of a newer agent, or cannot be written. */
export function createAgent(options: AgentOptions): Agent {
  const { settings, version, environment, clock, random, write, onFailure, onFailPoint } = options;
  const { dataDir } = settings;
  const { now, after } = clock;
  const inData = (name: string) => join(dataDir, name);
  const stores = openStores(dataDir, clock);
  const { journal, host, logStore, outbox, updates } = stores;
  const stopping = new AbortController();

  const lines = createLineBuffer({
    keep: (entries) => void server.log.append(entries),
    ...{ after, onFailure },
  });
  const log = createLog({ now, write, redact: redactEntry, keep: lines.add, least: settings.minLogLevel });
  const unlessFull = createUnlessFull(log);
  const onDamaged = (path: string) =>
    log({ level: 'error', component: 'disk', message: `${path} was damaged and has begun anew` });
  const state = openDocument<{ appliedDigest: string; route?: string }>({
    path: inData('agent.json'),
    read: (parsed) => (typeof parsed === 'object' ? (parsed as { appliedDigest: string }) : null),
    initial: { appliedDigest: '' },
    onDamaged,
  });

  // The machine, and what people and the cloud can know about it.
  const machine = createMachine({ journal, now, ...(onFailPoint && { onFailPoint }) });
  const pending = () => pendingUpdate(machine.snapshot());
  const manifests = createManifests({
    updates,
    read(bytes, digest) {
      const read = readManifest(bytes, digest);
      return read.kind === 'read' ? read.manifest : null;
    },
  });
  const view = createUpdateView({ updates, manifests });
  const facts = createMachineFacts({ model: settings.model });
  const products = openProducts({
    path: inData('products.json'),
    now,
    onChange: () => cloud.hello.inventoryChanged(),
    onDamaged,
  });
  const inventory = createInventory({
    ...{ agentVersion: version, facts, register: products },
    hostVersion: () => server.hostVersion.last(),
  });

  const signer =
    settings.credentials.kind === 'connection_string'
      ? keyFileSigner(inData('evidence-key.pem'), settings.credentials.file)
      : certifiedSigner(openIdentity(inData('identity')).read);

  // The link to the hub. Until the device has credentials there is none, and everything waits in the outbox.
  const caPem = settings.hub.caFile === null ? null : readFileSync(settings.hub.caFile, 'utf8');
  const bus = createReplaceableBus((credentials) =>
    createAzureBus({
      ...{ credentials, outgoing: outbox, clock, random },
      routes: settings.hub.routes,
      receivers: cloud.receivers,
      onAssignment: cloud.assignments.onAssignment,
      routeMemory: {
        read: () => state.value.route,
        write: (route) =>
          void unlessFull('the route to the hub', () => state.write({ ...state.value, route })).catch(
            onFailure,
          ),
      },
      notes: ({ level, what, detail }) => log({ level, component: 'bus', message: what, about: { detail } }),
      ...(caPem !== null && { sdk: { ca: caPem } }),
    }),
  );
  const { rootFile } = settings.trust;
  const trust = createManifestTrust({
    ...{ builtAtMs, clock, log, folder: inData('trust') },
    anchor: rootFile === null ? null : readAnchor(rootFile),
  });
  const credentials = findCredentials({
    ...{ settings, signal: stopping.signal, random, sleep, log, onFailure },
    now: trust.latestMs,
    onRenewed: () => void openLink().catch(noLink),
  });
  const connections = openConnections({
    folder: dataDir,
    onHubSettings: () => void openLink().catch(noLink),
    hubOpens: bus.opens,
    onDamaged,
  });
  async function openLink(): Promise<void> {
    bus.leave();
    const given = await credentials();
    if (given !== null && !stopping.signal.aborted) bus.use(hubCredentials(given, connections.hub()));
  }
  /** What a manifest has set must not end the agent: without a link its installer takes it back. */
  function noLink(error: unknown): void {
    if (connections.hub() === null) onFailure(error);
    else {
      const message = `the settings of the connection to the hub will not do: ${error instanceof Error ? error.message : error}`;
      log({ level: 'error', component: 'bus', message });
    }
  }

  // What the machine decides on is executed by these.
  const installers = createInstallers({
    ...{ settings, environment, facts, products, inventory, connections, bus, clock },
  });
  const withdrawal = createWithdrawal({
    snapshot: machine.snapshot,
    submit: (event) => runner.submit(event),
    interrupt: () => server.interrupt(),
    log,
  });
  const media = openMedia(inData('media.json'), onDamaged);
  const blobs = openBlobs(settings, credentials);
  const transfer = createTransferPort({
    ...{ updates, view, trust, withdrawal, sleep, clock, random, log },
    ask: (value, traceParent) => bus.ask({ case: 'frameRequest', value }, { traceParent }),
    askForOffer: (assignmentId) => void cloud.assignments.askFor(assignmentId),
    preflight: installers.preflight,
    reservedBytes: settings.reservedDiskBytes,
    frameWindow: () => cloud.configuration.now.frameWindow,
    makeCarriers: createTransferCarriers({ https: blobs, clock }),
    media,
    local: createLocalFiles({
      roots: settings.roots,
      stores: updates.contentFolders,
      images: installers.images,
      onAltered({ partition, path }) {
        const message = `${path} no longer holds the image that a base wrote to ${partition}: only its chunks serve`;
        log({ level: 'info', component: 'transfer', message });
      },
      indexPath: inData('digests.db'),
    }),
  });
  const prompt = createPromptPort({ updates, withdrawal, now, sleep });
  const reminders = createReminders({
    ...{ updates, snapshot: machine.snapshot, pending, withdrawal, now, after },
    interrupt: () => server.interrupt(),
  });
  const ports: Ports = {
    start_transfer: transfer.start,
    // The cloud keeps nothing of a transfer and sends only what is asked for: not asking any more is all that it takes.
    stop_transfer: async () => ({ kind: 'done' }),
    prompt: prompt.prompt,
    async ask_assignment() {
      await cloud.assignments.ask();
      return { kind: 'done' };
    },
    ...createApplyPorts({
      ...{ updates, manifests, sleep, log, installer: installers.patch, base: installers.base },
      preflight: installers.preflight,
      redact: redactText,
      contentPath: ({ updateId, target }, digest) =>
        join(updates.folderOf(updateId, target), 'contents', digest),
    }),
    ...createReportPort({
      ...{ updates, inventory, now, log },
      tell: (payload, traceParent) => cloud.tell(payload, traceParent),
      consentsToTell: (decision) => server.consents.toTell(decision),
      onApplied: (appliedDigest) => state.write({ ...state.value, appliedDigest }),
      onDecided: () => void reminders.look(),
      async forget(updateId) {
        const record = updates.get(updateId);
        const base = record && manifestOf(record, 'base');
        if (base !== null) installers.base?.forget(base.digest);
        await installers.patch.forget(updateId);
      },
    }),
  };
  const runner = createRunner({
    ...{ journal, machine, ports, sleep, ...(onFailPoint && { onFailPoint }) },
    survey: async () => survey(updates, machine.snapshot()),
    onFinding({ kind, ...about }) {
      const level = kind === 'effect_failed' ? 'warn' : 'error';
      log({ level, component: 'machine', message: kind.replaceAll('_', ' '), about });
    },
  });

  // What host applications talk to.
  const { socket, loopback } = settings.api;
  const server = createApiServer({
    ...{ view, store: host, logStore, signer, clock, redact: redactEntry, onFailure },
    machine: machinePort({ machine, runner, journal }),
    ...(socket && { socket }),
    ...(loopback && { loopback: { ...loopback, token: openToken(loopback.tokenFile) } }),
    lacks: createLacking({ manifests, sleep, requirements: installers.patch.requirements }),
    maxPostponeMs: () => cloud.configuration.now.maxPostponeMs,
    onLogLines: () => cloud.logs.onLines(),
    async importBundle(path) {
      const imported = await bundles.take(path);
      switch (imported.kind) {
        case 'invalid':
        case 'refused':
          return { kind: `bundle_${imported.kind}`, reason: imported.reason };
        case 'later':
          return { kind: 'unwritable' };
        default:
          return done({ outcome: imported.kind, manifest: imported.ref });
      }
    },
    onHostVersion() {
      void keepHostVersion().catch(onFailure);
    },
  });

  async function keepHostVersion(): Promise<void> {
    const said = server.hostVersion.last()?.product;
    if (said === undefined) return;
    const keep = () => products.set(said.product, said.version, 'host_application');
    await unlessFull('the version of the host application', keep);
  }

  const firmwareUpdate = createFirmwareUpdateRequest({
    path: inData('firmware-update-requested'),
    submit: (event) => runner.submit(event),
    log,
  });

  // What the cloud is told, and what it says.
  const cloud = createCloudSide({
    ...{ settings, version, stores, machine, runner, server },
    ...{ bus, facts, inventory, pending, withdrawal, transfer },
    ...{ clock, sleep, log, onDamaged, onFailure, signal: stopping.signal },
    appliedDigest: () => state.value.appliedDigest,
    evidenceKey: signer.publicKey,
    onOfferedAgain() {
      prompt.onOfferedAgain();
      void reminders.look();
    },
    onMoved(state) {
      void reminders.look();
      if (state === 'READY') void bundles.onReady().catch(onFailure);
      firmwareUpdate.onState(state).catch(onFailure);
    },
  });

  const bundles = createBundleImport({
    ...{ updates, media, pending, trust, log },
    offers: cloud.offers,
    waiting: openWaiting(inData('waiting-bundle.json'), onDamaged),
    onBundle: transfer.onBundle,
  });

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    log({ level: 'info', component: 'agent', message: 'the agent stops' });
    stopping.abort();
    reminders.stop();
    trust.stop();
    const onSlow = (names: string[]) =>
      log({ level: 'warn', component: 'agent', message: `still to stop: ${names.join(', ')}` });
    await stopAll({ api: server, machine: runner, link: bus, cloud }, { after, slowMs: slowStopMs, onSlow });
    lines.flush();
    blobs?.reader.close();
    await stores.close();
  }

  return {
    async start() {
      log({ level: 'info', component: 'agent', message: 'the agent starts', about: { version } });
      for (const path of stores.damaged) onDamaged(path);
      if (rootFile === null) {
        const message = 'no update will be taken: trust.rootFile does not say whom to trust';
        log({ level: 'warn', component: 'trust', message });
      }
      runner.stopped.catch(onFailure);
      // Wherever a snapshot or an owed effect names an update, it does so by its id.
      const named = JSON.stringify([machine.snapshot(), journal.effects()]);
      await updates.sweep((updateId) => named.includes(updateId));
      await server.start();
      const { port } = server;
      if (port !== null)
        await unlessFull('its port', () => writeDurably(inData('loopback-port'), `${port}\n`));
      runner.start();
      cloud.start();
      await withdrawal.resume();
      openLink().catch(noLink);
    },
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}
