/** Which node an address leads to. The only file that knows all nodes. */
import { type Address, parseAddress } from '../address.ts';
import { AmqpRefusal } from '../errors.ts';
import type { OpenInbound, OpenOutbound } from '../node-context.ts';
import { cbs } from './cbs.ts';
import { openCommands } from './commands.ts';
import { openDeviceCommands } from './device-commands.ts';
import { openDeviceEvents } from './device-events.ts';
import { openMethodCalls, openMethodResponses } from './device-methods.ts';
import { openTwinAnswers, openTwinRequests } from './device-twin.ts';
import { openFeedback, openFileNotifications } from './feed.ts';
import { management } from './management.ts';
import { openPartition } from './partition.ts';

function require(address: unknown): Address {
  const parsed = parseAddress(address);
  if (parsed !== undefined) return parsed;
  throw new AmqpRefusal('amqp:not-found', `There is no node "${String(address).slice(0, 200)}"`);
}

function notOffered(what: string): AmqpRefusal {
  return new AmqpRefusal('amqp:not-allowed', what);
}

/** The node to which the peer wants to send. Throws AmqpRefusal. */
export function routeInbound(address: unknown): OpenInbound {
  const node = require(address);
  switch (node.kind) {
    case 'cbs':
      return cbs.requests;
    case 'management':
      return management.requests;
    case 'commands':
      return openCommands;
    case 'device':
      if (node.node === 'events') return openDeviceEvents(node.deviceId);
      if (node.node === 'methods') return openMethodResponses(node.deviceId);
      if (node.node === 'twin') return openTwinRequests(node.deviceId);
      throw notOffered('A device cannot send to its own queue');
    case 'eventHub':
      throw notOffered(
        'Events cannot be sent to the built-in endpoint of an IoT hub; only devices send, by telemetry',
      );
    default:
      throw notOffered('This node can only be received from');
  }
}

/** The node from which the peer wants to receive. Throws AmqpRefusal. */
export function routeOutbound(address: unknown): OpenOutbound {
  const node = require(address);
  switch (node.kind) {
    case 'cbs':
      return cbs.replies;
    case 'management':
      return management.replies;
    case 'feedback':
      return openFeedback;
    case 'fileNotifications':
      return openFileNotifications;
    case 'partition':
      return openPartition(node);
    case 'device':
      if (node.node === 'commands') return openDeviceCommands(node.deviceId);
      if (node.node === 'methods') return openMethodCalls(node.deviceId);
      if (node.node === 'twin') return openTwinAnswers(node.deviceId);
      throw notOffered('Telemetry is received from the partitions of the built-in endpoint');
    default:
      throw notOffered('This node can only be sent to');
  }
}
