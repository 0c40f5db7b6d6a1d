/** A process that starts a part and says its process id, to be killed by a test: `victim.ts LOG`. */
import { join } from 'node:path';
import { createPart } from '../part.ts';

const part = createPart({
  name: 'sleeper',
  logPath: process.argv[2] ?? '',
  command: () => ({ main: join(import.meta.dirname, 'sleeper.ts'), args: [], env: process.env }),
  ready: async ({ announced }) => void (await announced),
});
await part.start();
console.log(part.pid);
