/** The public API of the local hub: `createLocalHub` for tests and for programs that embed it. */
export type { Certificates, IssueOptions } from './certificates.ts';
export { createLog, type Finding, type Log, silentLog } from './diagnostics.ts';
export { type Clock, createManualClock, type ManualClock } from './engine/clock.ts';
export type { Engine } from './engine/engine.ts';
export type { Fault, FaultKind, Faults } from './engine/faults.ts';
export type { IssuedCertificate } from './issue-certificate.ts';
export { createLocalHub, type LocalHub, type LocalHubOptions } from './local-hub.ts';
