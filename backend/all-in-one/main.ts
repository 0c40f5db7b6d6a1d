/** The process of all services together: settings, signals. */
import { readFileSync } from 'node:fs';
import { createLog } from '../shared/log.ts';
import { printable, readSettings } from '../shared/settings.ts';
import { trustAuthority } from '../shared/trust.ts';
import { createAllInOne } from './all-in-one.ts';
import { shape } from './settings.ts';

const settings = readSettings(process.env, shape);
const log = createLog({ service: 'all-in-one', level: settings.logLevel });
log.info('starting', { settings: printable(shape, settings) });
const caPem = settings.caFile === undefined ? undefined : readFileSync(settings.caFile, 'utf8');
if (caPem !== undefined) trustAuthority(caPem);

const all = await createAllInOne({ settings, caPem });
let ending = false;

async function end(signal: string): Promise<void> {
  if (ending) return;
  ending = true;
  log.info('stopping', { signal });
  setTimeout(() => {
    log.error('did not drain in time; what was not finished is done again at the next start');
    process.exit(1);
  }, settings.graceMs).unref();
  try {
    await all.stop();
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    log.error('stopping failed', { error });
    process.exit(1);
  }
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(signal));

await all.start();
log.info('started', { apiUrl: all.apiUrl, brokerUrl: all.brokerUrl, health: all.health });
// As each service tells its parent when it runs alone.
process.send?.('started');
