/** When V8 collects the whole heap of this process. */
import { setFlagsFromString } from 'node:v8';

/**
 * For a process that many MB of Buffers pass through. V8 counts them as if they were its heap and, left to itself, collects all of a
 * heap of 50 MB for every 5 MB or so that pass, which was nearly half of the firmware updater's work. Now it does so when
 * heap and Buffers have grown to three times what the last collection left.
 */
export function collectSeldom(): void {
  setFlagsFromString('--heap-growing-percent=200');
}
