/**
 * Windows Boot Manager: each slot is a boot entry of the store that both slots share, found by the partition that it starts.
 * Its `bootsequence` is used for one boot and then forgotten; its default is not touched before the slot is proven. It has no
 * boot counter, and needs none: all it knows is in one store on disk.
 */
import { type SlotName, slotNames } from '../boot-environment.ts';
import type { BootLoader, LoaderState } from '../boot-loader.ts';
import { SlotsError } from '../slots-error.ts';
import { type BootState, readBootState } from './answer.ts';
import type { AskWindows, WindowsOrder } from './ask-windows.ts';

/** `partitions`: the GPT GUID of each slot's Windows, in braces. */
export function createWindowsBootLoader(
  ask: AskWindows,
  partitions: Readonly<Record<SlotName, string>>,
): BootLoader {
  const partitionOf = (slot: SlotName) => partitions[slot].toLowerCase();

  async function order(what: WindowsOrder): Promise<BootState> {
    const state = readBootState((await ask(what)) ?? {});
    if (state !== null) return state;
    throw new SlotsError('order_failed', `Windows, asked to ${what.action}, did not say what it will start`);
  }

  const idsOf = (state: BootState, slot: SlotName) =>
    state.entries.filter(({ partition }) => partition === partitionOf(slot)).map(({ id }) => id);

  function read(state: BootState): LoaderState {
    const slotOf = (ids: readonly string[]) =>
      slotNames.find((slot) => idsOf(state, slot).some((id) => ids.includes(id))) ?? null;
    const booted = slotNames.find((slot) => partitionOf(slot) === state.booted);
    if (booted === undefined) {
      const message = `which slot runs is not known: Windows runs from ${state.booted}, which is neither slot’s`;
      throw new SlotsError('running_slot_unknown', message);
    }
    return {
      booted,
      byDefault: slotOf([state.default]),
      once: slotOf(state.sequence.slice(0, 1)),
      // A person can choose only what the menu shows, but the store may start any entry that it has.
      offered: slotNames.filter((slot) => idsOf(state, slot).length > 0),
    };
  }

  /** Every order answers with the state after it, which must be what was asked for. */
  async function follow(what: WindowsOrder, holds: (state: LoaderState) => boolean): Promise<void> {
    if (holds(read(await order(what)))) return;
    throw new SlotsError('order_failed', `Windows took the order to ${what.action} and did not keep it`);
  }

  return {
    read: async () => read(await order({ action: 'read' })),
    offer: (slot) =>
      follow({ action: 'offer', partition: partitionOf(slot) }, ({ offered }) => offered.includes(slot)),
    withdraw: (slot) =>
      follow({ action: 'withdraw', partition: partitionOf(slot) }, ({ offered }) => !offered.includes(slot)),
    startOnce: (slot) =>
      follow(
        { action: 'start_once', partition: slot === null ? '' : partitionOf(slot) },
        ({ once }) => once === slot,
      ),
    startByDefault: (slot) =>
      follow(
        { action: 'start_by_default', partition: partitionOf(slot) },
        (state) => state.byDefault === slot,
      ),
  };
}
