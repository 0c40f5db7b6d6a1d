/** Whether the machine is on mains power, as Linux tells it. Nothing tells it on Windows yet: there it counts as plugged in. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A machine without a battery is on mains power, whatever else its power supplies say. */
export function onMainsPower(root = '/'): boolean {
  const folder = join(root, 'sys/class/power_supply');
  if (!existsSync(folder)) return true;
  const read = (name: string, file: string) => {
    const path = join(folder, name, file);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  };
  const supplies = readdirSync(folder).map((name) => ({
    type: read(name, 'type'),
    online: read(name, 'online'),
  }));
  if (!supplies.some(({ type }) => type === 'Battery')) return true;
  return supplies.some(({ type, online }) => type !== 'Battery' && online === '1');
}
