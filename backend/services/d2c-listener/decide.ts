/**
 * What a batch of messages changes: pure, from what the database knows and what arrived to what is to be written. The order of the
 * messages is that of the partition, so those of one device come as it sent them.
 */
import type { JsonObject } from '@bufbuild/protobuf';
import {
  type Consent,
  ConsentSchema,
  InstalledProductSchema,
  type StateChanged,
} from '@iotdh/proto/agent/v1';
import {
  type DeviceToCloud,
  type Hello,
  type LogBatch,
  UpdateOutcome,
  type UpdateResult,
  UpdateResultSchema,
} from '@iotdh/proto/bus/v1';
import { Binary, Long } from 'mongodb';
import type { AssignmentDocument, DeviceDocument } from '../../shared/database/collections.ts';
import { assignmentEvent, consentEvent, deviceEvent, stateEvent } from '../../shared/messages/fleet-event.ts';
import { afterMove, afterResult } from './assignment-rules.ts';
import {
  jsonOf,
  logLineDocuments,
  pointDocuments,
  reportAfter,
  reportOf,
  stateDocument,
  stateId,
} from './documents.ts';
import type { Incoming } from './incoming.ts';
import { createWrites, type Known, type Writes } from './writes.ts';

type Message = Extract<Incoming, { kind: 'message' }>;

/** A message less than this after the last one changes nothing of what is shown about the device. */
const lastSeenStepMs = 15_000;

/** Whether something that the device said in this place of this journal is newer than what its document tells. */
function isNewer({ reportOrder }: DeviceDocument, { journalId, sequence }: DeviceToCloud): boolean {
  if (reportOrder === null || reportOrder.journalId !== journalId) return true;
  return Long.fromBigInt(sequence).greaterThan(reportOrder.sequence);
}

/** Decides on a batch. `known` is used up: it follows the changes, so that each message sees those before it. */
export function decide(known: Known, batch: readonly Incoming[], now: Date): Writes {
  const writes = createWrites();

  function setAside(incoming: Incoming, reason: string): void {
    if (incoming.kind !== 'message' && incoming.kind !== 'unreadable') return;
    const { position, deviceId, enqueuedTime, body } = incoming;
    writes.setAside.push({
      _id: position,
      deviceId,
      reason,
      body: new Binary(body),
      enqueuedTime,
      time: now,
    });
  }
  function changeDevice(device: DeviceDocument, changes: Partial<DeviceDocument>): DeviceDocument {
    const changed = { ...device, ...changes };
    known.devices.set(device._id, changed);
    writes.devices.set(device._id, changed);
    return changed;
  }
  function changeAssignment(before: AssignmentDocument, after: AssignmentDocument): void {
    if (after === before) return;
    known.assignments.set(after._id, after);
    writes.assignments.set(after._id, after);
    writes.events.push(assignmentEvent(after));
  }
  /** True once for each id. */
  function isNew(seen: Set<string>, id: string): boolean {
    if (seen.has(id)) {
      writes.duplicates += 1;
      return false;
    }
    seen.add(id);
    return true;
  }

  function onSeen(device: DeviceDocument, { enqueuedTime }: Incoming): DeviceDocument {
    const last = device.lastSeenTime?.getTime() ?? 0;
    const connectivity = 'connected';
    if (device.connectivity !== connectivity) {
      const changed = changeDevice(device, { connectivity, lastSeenTime: enqueuedTime });
      writes.events.push(deviceEvent(changed));
      return changed;
    }
    if (enqueuedTime.getTime() < last + lastSeenStepMs) return device;
    return changeDevice(device, { lastSeenTime: enqueuedTime });
  }

  function onConnection(device: DeviceDocument, connected: boolean): void {
    const connectivity = connected ? 'connected' : 'disconnected';
    if (device.connectivity === connectivity) return;
    writes.events.push(deviceEvent(changeDevice(device, { connectivity })));
  }

  function onHello(device: DeviceDocument, message: DeviceToCloud, hello: Hello): void {
    if (!isNew(known.received, message.messageId)) return;
    writes.received.push({ _id: message.messageId, time: now });
    if (isNewer(device, message)) report(device, message, reportOf(hello, now), true);
  }

  function report(device: DeviceDocument, message: DeviceToCloud, content: JsonObject, tell: boolean): void {
    const { journalId, sequence } = message;
    const reportOrder = { journalId, sequence: Long.fromBigInt(sequence) };
    const changed = changeDevice(device, { report: content, reportOrder });
    if (tell) writes.events.push(deviceEvent(changed));
  }

  function onMove(device: DeviceDocument, message: DeviceToCloud, change: StateChanged): void {
    const { journalId } = message;
    if (!isNew(known.states, stateId(device._id, journalId, change))) return;
    const document = stateDocument(device._id, journalId, change, now);
    writes.states.push(document);
    writes.events.push(stateEvent(device._id, document.record));
    if (!isNewer(device, message)) return;
    // Before its first Hello nothing is known about the machine that a report could be made of.
    if (device.report !== null)
      report(device, message, reportAfter(device.report, journalId, change, now), false);
    for (const assignment of known.assignments.values())
      if (assignment.deviceId === device._id)
        changeAssignment(assignment, afterMove(assignment, change, now));
  }

  function onResult(device: DeviceDocument, incoming: Message, result: UpdateResult): void {
    const { message } = incoming;
    const assignment = known.assignments.get(result.assignmentId);
    if (assignment !== undefined && assignment.deviceId !== device._id) {
      setAside(incoming, 'it names the assignment of another device');
      return;
    }
    if (!isNew(known.updateResults, message.messageId)) return;
    const { assignmentId } = result;
    const record = jsonOf(UpdateResultSchema, result);
    writes.updateResults.push({
      _id: message.messageId,
      deviceId: device._id,
      assignmentId,
      receivedTime: now,
      record,
    });
    if (device.report !== null && isNewer(device, message)) {
      const { outcome, manifestDigest } = result;
      const inventory = result.inventory.map((product) => jsonOf(InstalledProductSchema, product));
      const applied = outcome === UpdateOutcome.APPLIED && {
        appliedManifestDigest: Buffer.from(manifestDigest).toString('base64'),
      };
      const content = { ...device.report, inventory, ...applied, time: now.toISOString() };
      report(device, message, content, true);
    }
    if (assignment === undefined) return;
    const after = afterResult(assignment, result, now);
    changeAssignment(assignment, after);
    if (assignment.goesOn && !after.goesOn) {
      writes.orders.push({
        deviceId: device._id,
        kind: 'pointer',
        assignmentId,
        payload: null,
        pointer: null,
        traceParent: message.traceParent || assignment.traceParent,
        now,
      });
    }
  }

  function onConsent(device: DeviceDocument, { messageId }: DeviceToCloud, consent: Consent): void {
    if (!isNew(known.consents, messageId)) return;
    // Evidence is kept as the device made it, whatever it is worth: who verifies it trusts no service, this one included.
    const record = jsonOf(ConsentSchema, consent);
    writes.consents.push({ _id: messageId, deviceId: device._id, receivedTime: now, record });
    writes.events.push(consentEvent(device._id, record));
  }

  function onLogs(device: DeviceDocument, { messageId }: DeviceToCloud, logs: LogBatch): void {
    if (!isNew(known.logBatches, messageId)) return;
    const { collectionId, entries, last } = logs;
    writes.logLines.push(...logLineDocuments(messageId, device._id, logs, now));
    writes.lostLines += Number(logs.dropped);
    // A batch without lines leaves nothing behind that it would be known by.
    if (entries.length === 0) writes.received.push({ _id: messageId, time: now });
    if (collectionId !== '')
      writes.logCollections.push({ collectionId, deviceId: device._id, entries: entries.length, last });
  }

  function onMessage(device: DeviceDocument, incoming: Message): void {
    const { message } = incoming;
    const { messageId, payload } = message;
    switch (payload.case) {
      case 'hello':
        onHello(device, message, payload.value);
        break;
      case 'stateChanged':
        onMove(device, message, payload.value);
        break;
      case 'updateResult':
        onResult(device, incoming, payload.value);
        break;
      case 'consent':
        onConsent(device, message, payload.value);
        break;
      case 'logBatch':
        onLogs(device, message, payload.value);
        break;
      case 'telemetry':
        // Whether it is new is found out where it is stored, because a time series takes part in no transaction.
        writes.points.push({
          messageId,
          deviceId: device._id,
          documents: pointDocuments(messageId, device._id, payload.value),
        });
        writes.lostMeasurements += Number(payload.value.dropped);
        break;
      case 'dicomStatus':
        if (isNew(known.received, messageId)) writes.received.push({ _id: messageId, time: now });
        break;
      default:
        setAside(incoming, 'its kind is not known to this service');
    }
  }

  for (const incoming of batch) {
    if (incoming.kind === 'not-ours') continue;
    if (incoming.kind === 'unreadable') {
      setAside(incoming, incoming.reason);
      continue;
    }
    const device = known.devices.get(incoming.deviceId);
    if (device === undefined) setAside(incoming, 'the device is not registered');
    else if (device.retireTime !== null) setAside(incoming, 'the device is retired');
    else if (incoming.kind === 'connection') onConnection(device, incoming.connected);
    else onMessage(onSeen(device, incoming), incoming);
  }
  return writes;
}
