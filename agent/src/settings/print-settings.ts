/** The settings as they may be shown: they name files with secrets and hold none, and a password in an address is hidden. */
import type { Settings } from './settings.ts';

const inAddress = /^(https?:\/\/)[^/@]*@/;

/** One JSON text. Modes are octal, as people write them. */
export function printSettings(settings: Settings): string {
  const shown = (key: string, value: unknown) => {
    if (key === 'mode' && typeof value === 'number') return `0${value.toString(8)}`;
    return typeof value === 'string' ? value.replace(inAddress, '$1***@') : value;
  };
  return JSON.stringify(settings, shown, 2);
}
