/** The selector filters with which Event Hubs clients say where to begin (Event Hubs AMQP protocol guide, "Filters"). */
import type { StartPosition } from '../engine/telemetry.ts';
import { AmqpRefusal } from './errors.ts';

const pattern = /^\s*amqp\.annotation\.(x-opt-[a-z-]+)\s*(>=?)\s*'?([^']*)'?\s*$/i;

function refuse(selector: string): never {
  throw new AmqpRefusal(
    'com.microsoft:argument-error',
    `The filter "${selector.slice(0, 200)}" is not one of x-opt-offset, x-opt-sequence-number and x-opt-enqueued-time with > or >=.`,
  );
}

function wholeNumber(text: string, selector: string): number {
  if (!/^-?\d{1,16}$/.test(text)) refuse(selector);
  return Number(text);
}

/** Reads a filter; without one, reading begins with the oldest event. Throws AmqpRefusal for any other text. */
export function parseStartPosition(selector: string | undefined): StartPosition {
  if (selector === undefined) return 'earliest';
  const [, annotation = '', operator, value = ''] = pattern.exec(selector) ?? [];
  const inclusive = operator === '>=';
  switch (annotation.toLowerCase()) {
    case 'x-opt-offset':
      if (value.toLowerCase() === '@latest') return 'latest';
      if (value === '-1' || value === '') return 'earliest';
      if (!/^\d{1,20}$/.test(value)) refuse(selector);
      return { offset: value, inclusive };
    case 'x-opt-sequence-number': {
      const sequence = wholeNumber(value, selector);
      return sequence < 0 ? 'earliest' : { sequence, inclusive };
    }
    // The second name is that of older clients.
    case 'x-opt-enqueued-time':
    case 'x-opt-enqueuedtimeutc': {
      return { enqueuedTimeMs: wholeNumber(value, selector), inclusive };
    }
    default:
      return refuse(selector);
  }
}
