/**
 * The life of the agent, as one table. Everything that changes the agent's state is a row here; a pair of state and event
 * that has no row is refused and changes nothing. `next.ts` reads the table, `runner.ts` lives it.
 */

/** The ten states. `BUSY` is initial: until the host application says otherwise, a procedure may be under way. */
export const states = [
  'BUSY',
  'READY',
  'INTRANSIT_PATCH',
  'READY_WITHPATCH',
  'WAIT_CONFIRM_PATCH',
  'APPLYING_PATCH',
  'INTRANSIT_BASE',
  'READY_WITHBASE',
  'WAIT_CONFIRM_BASE',
  'APPLYING_BASE',
] as const;
export type State = (typeof states)[number];

/** The events: `sdk_` from the host application, `cloud_` from the backend, the others from the agent and its machine. */
export const events = [
  'sdk_cmdready',
  'sdk_cmdbusy',
  'cloud_cmdupgrade',
  'transfer_complete',
  'prompt_issued',
  'sdk_confirmpatch',
  'integrity_ok',
  'integrity_fault',
  'sdk_confirmbase',
  'boot_fwupd',
  'boot_sys',
] as const;
export type EventName = (typeof events)[number];

/** What `sdk_cmdready` finds on disk; a base, whole or part, wins over any patch, for it exists only because that failed. */
export const guards = ['no_patch_no_base', 'has_patch', 'has_partpatch', 'has_base', 'has_partbase'] as const;
export type Guard = (typeof guards)[number];

/** One allowed transition. Only `sdk_cmdready` has a guard. */
export type Row = readonly [from: State, event: EventName, guard: Guard | null, to: State];

// biome-ignore format: a table is read by its columns
export const table = [
  // from                event                guard               to
  ['BUSY',               'sdk_cmdready',      'no_patch_no_base', 'READY'],
  ['BUSY',               'sdk_cmdready',      'has_patch',        'READY_WITHPATCH'],
  ['BUSY',               'sdk_cmdready',      'has_partpatch',    'INTRANSIT_PATCH'],
  ['BUSY',               'sdk_cmdready',      'has_base',         'READY_WITHBASE'],
  ['BUSY',               'sdk_cmdready',      'has_partbase',     'INTRANSIT_BASE'],

  ['READY',              'cloud_cmdupgrade',  null,               'INTRANSIT_PATCH'],
  ['INTRANSIT_PATCH',    'transfer_complete', null,               'READY_WITHPATCH'],
  ['READY_WITHPATCH',    'prompt_issued',     null,               'WAIT_CONFIRM_PATCH'],
  ['WAIT_CONFIRM_PATCH', 'sdk_confirmpatch',  null,               'APPLYING_PATCH'],
  ['APPLYING_PATCH',     'integrity_ok',      null,               'READY'],
  ['APPLYING_PATCH',     'integrity_fault',   null,               'INTRANSIT_BASE'],

  ['INTRANSIT_BASE',     'transfer_complete', null,               'READY_WITHBASE'],
  ['READY_WITHBASE',     'prompt_issued',     null,               'WAIT_CONFIRM_BASE'],
  ['WAIT_CONFIRM_BASE',  'sdk_confirmbase',   null,               'APPLYING_BASE'],
  ['WAIT_CONFIRM_BASE',  'boot_fwupd',        null,               'APPLYING_BASE'],
  ['APPLYING_BASE',      'boot_sys',          null,               'READY'],

  ['READY',              'sdk_cmdbusy',       null,               'BUSY'],
  ['INTRANSIT_PATCH',    'sdk_cmdbusy',       null,               'BUSY'],
  ['READY_WITHPATCH',    'sdk_cmdbusy',       null,               'BUSY'],
  ['WAIT_CONFIRM_PATCH', 'sdk_cmdbusy',       null,               'BUSY'],
  ['INTRANSIT_BASE',     'sdk_cmdbusy',       null,               'BUSY'],
  ['READY_WITHBASE',     'sdk_cmdbusy',       null,               'BUSY'],
  ['WAIT_CONFIRM_BASE',  'sdk_cmdbusy',       null,               'BUSY'],
] as const satisfies readonly Row[];

/**
 * What is recorded without moving the agent: a person who answers "later" or "no", an upgrade that arrives while a
 * procedure may be under way, the base that a service pack lacked, and that an update was dropped. These pairs have no row
 * in the table above.
 */
export const notes = [
  ['BUSY', 'cloud_cmdupgrade'],
  ['WAIT_CONFIRM_PATCH', 'sdk_postpone'],
  ['WAIT_CONFIRM_PATCH', 'sdk_decline'],
  ['WAIT_CONFIRM_BASE', 'sdk_postpone'],
  ['WAIT_CONFIRM_BASE', 'sdk_decline'],

  ['INTRANSIT_PATCH', 'cloud_fallback'],
  ['READY_WITHPATCH', 'cloud_fallback'],
  ['WAIT_CONFIRM_PATCH', 'cloud_fallback'],
  ['APPLYING_PATCH', 'cloud_fallback'],
  ['INTRANSIT_BASE', 'cloud_fallback'],

  ['BUSY', 'update_dropped'],
  ['READY', 'update_dropped'],
  ['INTRANSIT_PATCH', 'update_dropped'],
  ['READY_WITHPATCH', 'update_dropped'],
  ['WAIT_CONFIRM_PATCH', 'update_dropped'],
  ['INTRANSIT_BASE', 'update_dropped'],
  ['READY_WITHBASE', 'update_dropped'],
  ['WAIT_CONFIRM_BASE', 'update_dropped'],
] as const satisfies readonly (readonly [State, string])[];

/** The row for this state, event and guard, or undefined when the table has none. */
export function findRow(from: State, event: string, guard: Guard | null): Row | undefined {
  return table.find((row) => row[0] === from && row[1] === event && row[2] === guard);
}

/** Whether this event is recorded in this state without moving the agent. */
export function isNoted(from: State, event: string): boolean {
  return notes.some(([state, name]) => state === from && name === event);
}
