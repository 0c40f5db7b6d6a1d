/** `node victim.ts DIRECTORY`: an agent in a process of its own, to be killed. Says so once it listens. */
import { rigFor } from './rig.ts';

const [, , directory] = process.argv;
if (directory === undefined) throw new Error('usage: victim.ts DIRECTORY');
const { signal } = new AbortController();
await rigFor({ signal, after: () => undefined, diagnostic: console.error }, { directory });
console.log('listening');
