/** `@iotdh/sdk`: what a host application needs to live with the IoT Agent on its machine. Runs in browsers and Node.js. */
export { AgentError, type AgentErrorCode, type AgentErrorDetails } from './agent-error.ts';
export type { Connection, StateChangesOptions } from './changes.ts';
export {
  type AgentClient,
  type AgentClientOptions,
  type BusyOptions,
  type ConfirmOptions,
  createAgentClient,
} from './client.ts';
export type { Clock } from './clock.ts';
export type { BusyLease } from './lease.ts';
export type {
  Activity,
  AgentEvent,
  AgentState,
  BusyReason,
  Consent,
  Decision,
  Hold,
  LogLevel,
  LogLine,
  PendingUpdate,
  Person,
  Position,
  ProductVersion,
  Progress,
  StateChange,
  StateSnapshot,
  WaitOptions,
} from './types.ts';
