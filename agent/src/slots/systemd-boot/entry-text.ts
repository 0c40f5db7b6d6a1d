/** The text of a boot loader entry (Boot Loader Specification, "Type #1"). */
import type { SlotName } from '../boot-environment.ts';

/** How a slot is started; paths are those of the EFI system partition. */
export type SlotEntry = {
  title: string;
  /** Such as `/iotdh/a/linux`. */
  linux: string;
  initrd: readonly string[];
  /** Kernel options: `root=PARTUUID=…`, and `panic=…`, so that a kernel that gives up starts the machine anew. */
  options: string;
};

/** What tells the system that runs which slot it is. */
export const slotOption = 'iotdh.slot=';

export function entryText(slot: SlotName, { title, linux, initrd, options }: SlotEntry): string {
  const lines = [
    `title ${title}`,
    'sort-key iotdh',
    `linux ${linux}`,
    ...initrd.map((path) => `initrd ${path}`),
    `options ${options} ${slotOption}${slot}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** The slot that a kernel command line names; null: none, or no such slot. */
export function slotOnCommandLine(commandLine: string): SlotName | null {
  const words = commandLine.trim().split(/\s+/);
  const named = words
    .filter((word) => word.startsWith(slotOption))
    .at(-1)
    ?.slice(slotOption.length);
  return named === 'a' || named === 'b' ? named : null;
}
