/** The process that `renew.test.ts` kills: renews the identity in a folder, and dies at the point that it is told. */
import { openIdentity } from '../identity.ts';
import { keepRenewed } from '../renew.ts';

const [folder = '', brokerUrl = '', caPem = '', point = ''] = process.argv.slice(2);
await keepRenewed({
  ...{ brokerUrl, caPem, identity: openIdentity(folder), random: () => 0, now: () => 8.64e15 },
  sleep: () => Promise.resolve(),
  signal: new AbortController().signal,
  onRenewed: () => process.exit(1),
  onAttemptFailed: () => process.exit(1),
  onFailPoint: (reached) => reached === point && process.kill(process.pid, 'SIGKILL'),
});
