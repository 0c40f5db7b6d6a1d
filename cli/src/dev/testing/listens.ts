/** A process that listens on a port of loopback: `listens.ts PORT`. */
import { createServer } from 'node:net';

createServer().listen(Number(process.argv[2]), '127.0.0.1', () => process.send?.('listening'));
