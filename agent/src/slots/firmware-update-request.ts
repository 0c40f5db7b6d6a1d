/**
 * How a site engineer has the machine started into firmware update: they leave an empty file where only the agent's own
 * user may write, and start the machine or the agent. It confirms the base that waits, without the host application.
 */
import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../durable/document.ts';

/**
 * Whether it was asked for. The file is gone for good before this answers, so that one request never confirms a second
 * update. Throws when the file cannot be removed.
 */
export function takeFirmwareUpdateRequest(path: string): boolean {
  if (!existsSync(path)) return false;
  rmSync(path);
  syncFolder(dirname(path));
  return true;
}
