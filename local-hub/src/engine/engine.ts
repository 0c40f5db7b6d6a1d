/**
 * Everything that an IoT Hub is, without a protocol: the one object that front-ends work with. Modules are put together
 * here and know only what they are given.
 */
import type { Log } from '../diagnostics.ts';
import type { Store } from '../store/store.ts';
import { type Authentication, createAuthentication } from './authentication.ts';
import { type Authorities, openAuthorities } from './authorities.ts';
import { type BlobStorageSettings, createBlobStorage } from './blob-storage.ts';
import type { Clock } from './clock.ts';
import { type CloudToDevice, type CloudToDeviceSettings, createCloudToDevice } from './cloud-to-device.ts';
import { createFaults, type Faults } from './faults.ts';
import { createFeed, type Feed, type FeedSettings } from './feed.ts';
import { createFeedbackBatcher, type FeedbackSettings } from './feedback.ts';
import { type FileUpload, openFileUpload } from './file-upload.ts';
import type { DeviceConnectivity } from './identity.ts';
import { createMethods, type Methods } from './methods.ts';
import { openPolicies, type Policies } from './policies.ts';
import { createPresence, type Presence } from './presence.ts';
import { createQueries, type Queries } from './query.ts';
import { openRegistry, type Registry } from './registry.ts';
import { createTelemetry, type Telemetry, type TelemetrySettings } from './telemetry.ts';
import { limitsOf } from './throttle-limits.ts';
import { openThrottles, type ThrottleProfile, type Throttles } from './throttles.ts';
import { openTwins, type Twins } from './twins.ts';

export type EngineSettings = {
  /** The name under which clients reach the hub, with its port: `localhost:18443`. */
  hostName: string;
  /** Default S1 with one unit. */
  throttles?: ThrottleProfile;
  /** How long operations over a limit are delayed before they are refused, ms. Default 10 s. */
  maxShapeMs?: number;
  /** How much unused capacity is saved for bursts, as time at the full rate, ms. Default one minute. */
  burstMs?: number;
  /** PEM of authorities that are always trusted for device certificates: the hub's own. */
  authorities?: readonly string[];
  /** Where devices upload files to. Undefined: file upload answers that there is no storage account. */
  storage?: BlobStorageSettings;
  cloudToDevice?: Partial<CloudToDeviceSettings>;
  feedback?: Partial<FeedbackSettings>;
  /** Of both feeds. */
  feeds?: Partial<FeedSettings>;
  telemetry?: Partial<TelemetrySettings>;
};

export type EngineOptions = { store: Store; clock: Clock; log: Log; settings: EngineSettings };

export type Engine = {
  hostName: string;
  registry: Registry;
  policies: Policies;
  authorities: Authorities;
  authentication: Authentication;
  presence: Presence;
  twins: Twins;
  methods: Methods;
  cloudToDevice: CloudToDevice;
  /** Messages with feedback records, for services. */
  feedback: Feed;
  /** One message per finished file upload, for services. */
  fileNotifications: Feed;
  telemetry: Telemetry;
  throttles: Throttles;
  faults: Faults;
  fileUpload: FileUpload;
  queries: Queries;
  /** Closes all connections, stops the timers and writes what is still to be written. The store stays open. */
  stop(): Promise<void>;
};

/** Opens the hub with everything that the store has of it. Resolves when its keys are on disk. */
export async function createEngine({ store, clock, log, settings }: EngineOptions): Promise<Engine> {
  const policies = await openPolicies({ store });
  const authorities = openAuthorities({ store, clock, own: settings.authorities ?? [] });
  const profile = settings.throttles ?? { sku: 'S1', units: 1 };
  const maxDevices = profile !== 'off' && { maxDevices: limitsOf(profile).maxDevices };
  const registry = openRegistry({ store, clock, connectivity, ...maxDevices });
  const authentication = createAuthentication({ registry, policies, authorities, clock, log });
  const faults = createFaults();
  const { maxShapeMs, burstMs } = settings;
  const shaping = {
    ...(maxShapeMs !== undefined && { maxShapeMs }),
    ...(burstMs !== undefined && { burstMs }),
  };
  const throttles = openThrottles({ profile, store, clock, faults, ...shaping });
  const presence = createPresence({ registry, throttles, faults, clock, log });
  const twins = openTwins({ store, registry, throttles, clock });
  const methods = createMethods({ registry, presence, throttles, clock });

  const feedSettings = settings.feeds ?? {};
  const feedback = createFeed({ name: 'feedback', store, clock, settings: feedSettings });
  const fileNotifications = createFeed({ name: 'fileNotifications', store, clock, settings: feedSettings });
  const batcher = createFeedbackBatcher({ store, clock, feed: feedback, settings: settings.feedback ?? {} });
  const cloudToDevice = createCloudToDevice({
    store,
    clock,
    registry,
    throttles,
    feedback: batcher,
    settings: settings.cloudToDevice ?? {},
  });
  const telemetry = createTelemetry({ store, clock, throttles, settings: settings.telemetry ?? {} });
  const storage = settings.storage && createBlobStorage(settings.storage, clock.now);
  const notify = fileNotifications.publish;
  const fileUpload = openFileUpload({ store, registry, throttles, clock, log, storage, notify });
  const queries = createQueries({ registry, twins });

  /** What only a running hub knows of a device, for the registry to show. */
  function connectivity(deviceId: string): DeviceConnectivity {
    const cloudToDeviceMessageCount = cloudToDevice.pending(deviceId);
    return { ...presence.connectivity(deviceId), cloudToDeviceMessageCount };
  }

  return {
    hostName: settings.hostName,
    registry,
    policies,
    authorities,
    authentication,
    presence,
    twins,
    methods,
    cloudToDevice,
    feedback,
    fileNotifications,
    telemetry,
    throttles,
    faults,
    fileUpload,
    queries,
    async stop() {
      presence.closeAll('shutdown');
      for (const part of [
        presence,
        methods,
        cloudToDevice,
        batcher,
        feedback,
        fileNotifications,
        telemetry,
      ]) {
        part.stop();
      }
      await throttles.stop();
    },
  };
}
