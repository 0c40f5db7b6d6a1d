/**
 * Everything that an IoT Hub is, without a protocol: the one object that front-ends work with. Modules are put together
 * here and know only what they are given.
 */
import type { Authentication } from './authentication.ts';
import type { Authorities } from './authorities.ts';
import type { CloudToDevice, CloudToDeviceSettings } from './cloud-to-device.ts';
import type { Faults } from './faults.ts';
import type { Feed, FeedSettings } from './feed.ts';
import type { FeedbackSettings } from './feedback.ts';
import type { FileUpload } from './file-upload.ts';
import type { Methods } from './methods.ts';
import type { Policies } from './policies.ts';
import type { Presence } from './presence.ts';
import type { Queries } from './query.ts';
import type { Registry } from './registry.ts';
import type { Telemetry, TelemetrySettings } from './telemetry.ts';
import type { ThrottleProfile, Throttles } from './throttles.ts';
import type { Twins } from './twins.ts';

export type EngineSettings = {
  /** The name under which clients reach the hub, with its port: `localhost:18443`. */
  hostName: string;
  /** Default S1 with one unit. */
  throttles?: ThrottleProfile;
  cloudToDevice?: Partial<CloudToDeviceSettings>;
  feedback?: Partial<FeedbackSettings>;
  feeds?: Partial<FeedSettings>;
  telemetry?: Partial<TelemetrySettings>;
};

export type Engine = {
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
