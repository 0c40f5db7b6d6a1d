/** What deciding on a batch needs to know, and what it wants written. */
import type {
  AssignmentDocument,
  ConsentDocument,
  DeviceDocument,
  LogLineDocument,
  ReceivedDocument,
  SetAsideDocument,
  StateDocument,
  TelemetryDocument,
  UpdateResultDocument,
} from '../../shared/database/collections.ts';
import type { NewEvent } from '../../shared/database/events.ts';
import type { NewOrder } from '../../shared/database/orders.ts';

/** What the database holds of what a batch touches. */
export type Known = {
  devices: Map<string, DeviceDocument>;
  /** Those that go on for devices that moved, and those that results name. */
  assignments: Map<string, AssignmentDocument>;
  states: Set<string>;
  consents: Set<string>;
  updateResults: Set<string>;
  /** By message id. */
  logBatches: Set<string>;
  /** By message id. */
  received: Set<string>;
};

/** The points of one message. */
export type Points = { messageId: string; deviceId: string; documents: TelemetryDocument[] };

export type Writes = {
  /** As they are after the batch. */
  devices: Map<string, DeviceDocument>;
  assignments: Map<string, AssignmentDocument>;
  states: StateDocument[];
  consents: ConsentDocument[];
  updateResults: UpdateResultDocument[];
  logLines: LogLineDocument[];
  logCollections: { collectionId: string; deviceId: string; entries: number; last: boolean }[];
  received: ReceivedDocument[];
  orders: NewOrder[];
  events: NewEvent[];
  /** Stored apart: a time series takes part in no transaction. */
  points: Points[];
  /** Stored apart: under its place in the partition, as often as it is read. */
  setAside: SetAsideDocument[];
  /** Messages that were stored before. */
  duplicates: number;
  /** What devices had to drop before they could send it. */
  lostLines: number;
  lostMeasurements: number;
};

export function createWrites(): Writes {
  return {
    devices: new Map(),
    assignments: new Map(),
    states: [],
    consents: [],
    updateResults: [],
    logLines: [],
    logCollections: [],
    received: [],
    orders: [],
    events: [],
    points: [],
    setAside: [],
    duplicates: 0,
    lostLines: 0,
    lostMeasurements: 0,
  };
}
