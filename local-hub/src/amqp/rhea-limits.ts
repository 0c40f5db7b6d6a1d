/**
 * Checks on performatives before rhea acts on them. Each stands for something that rhea 3.0.5 would do with a bad value: loop
 * for minutes, allocate without end, write to the console, or leave the connection in disorder.
 */
import type {
  AttachFields,
  DispositionFields,
  FlowFields,
  OpenFields,
  RheaSession,
} from './rhea-internals.ts';
import { WireError } from './wire/check.ts';

/** AMQP 1.0 part 2, section 2.7.1: nobody may announce less. rhea would cut messages into frames of negative size. */
const minMaxFrameBytes = 512;
/** A peer with a shorter idle time would be sent a frame every few ms; so would one whose time overflows a timer. */
const minIdleTimeoutMs = 2_000;
const maxIdleTimeoutMs = 86_400_000;
const maxLinkNameLength = 512;
/** No session has more deliveries in flight (rhea's buffer holds 2048). */
const maxDispositionRange = 4_096;
/** More credit than any reader needs. To drain it, rhea counts it down one by one. */
const maxLinkCredit = 1_048_576;

const isUint = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
const isOptionalUint = (value: unknown) => value === null || value === undefined || isUint(value);

export function checkOpen(open: OpenFields): void {
  const { max_frame_size: maxFrame, idle_time_out: idle } = open;
  if (!isOptionalUint(maxFrame) || !isOptionalUint(idle))
    throw new WireError('a field of `open` has the wrong type');
  if (isUint(maxFrame) && maxFrame < minMaxFrameBytes)
    throw new WireError(`the peer's maximum frame size of ${maxFrame} is below ${minMaxFrameBytes}`);
  if (isUint(idle) && idle > 0)
    open.idle_time_out = Math.min(Math.max(idle, minIdleTimeoutMs), maxIdleTimeoutMs);
}

/** 0x28 and 0x29 are source and target; rhea warns on the console about any other, such as a transaction coordinator. */
function isTerminus(value: unknown): boolean {
  const descriptor = (value as { descriptor?: { value: unknown } } | null)?.descriptor?.value;
  return (
    descriptor === 0x28 ||
    descriptor === 0x29 ||
    descriptor === 'amqp:source:list' ||
    descriptor === 'amqp:target:list'
  );
}

export function checkAttach(attach: AttachFields, session: RheaSession | undefined): void {
  const { name, handle, role } = attach;
  if (typeof name !== 'string' || name.length > maxLinkNameLength || !isUint(handle))
    throw new WireError('`attach` has a bad name or handle');
  if (typeof role !== 'boolean') throw new WireError('`attach` has no role');
  if (session === undefined) return;
  // rhea keeps links in plain objects, where such a name would find a method instead of a link.
  if (name in Object.prototype) throw new WireError(`the link name ${name} is reserved`);
  const known = session.links[name];
  if (known !== undefined && known.is_receiver() === role)
    throw new WireError('a link was attached again in the other direction');
  if (session.remote.handles[handle] !== undefined) throw new WireError('a handle was attached twice');
  if (!isTerminus(attach.source)) attach.source = null;
  if (!isTerminus(attach.target)) attach.target = null;
}

export function checkFlow(flow: FlowFields, session: RheaSession | undefined): void {
  const { handle, link_credit: credit } = flow;
  if (!isOptionalUint(handle) || !isOptionalUint(credit))
    throw new WireError('a field of `flow` has the wrong type');
  if (isUint(credit) && credit > maxLinkCredit) flow.link_credit = maxLinkCredit;
  // Only a receiver may drain; rhea complains on the console when a sender does with credit left.
  if (isUint(handle) && flow.drain && credit && session?.remote.handles[handle]?.is_receiver())
    flow.drain = false;
}

/** Received, accepted, rejected, released, modified (AMQP 1.0 part 3, section 3.4). */
const outcomeNames = ['received', 'accepted', 'rejected', 'released', 'modified'];
const outcomes = new Set<unknown>([
  ...outcomeNames.map((_, index) => 0x23 + index),
  ...outcomeNames.map((name) => `amqp:${name}:list`),
]);

export function checkDisposition(disposition: DispositionFields): void {
  const { first, last, state } = disposition;
  if (!isUint(first) || !isOptionalUint(last))
    throw new WireError('a field of `disposition` has the wrong type');
  if ((last ?? first) - first > maxDispositionRange)
    throw new WireError('a disposition covers more deliveries than there are');
  if (!state) return;
  // rhea takes an encoded null for an outcome that it does not know.
  if (state.descriptor === undefined) disposition.value[4] = undefined;
  else if (!outcomes.has(state.descriptor.value)) throw new WireError('a disposition has an unknown outcome');
}
