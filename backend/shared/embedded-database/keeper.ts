/**
 * Runs one program for as long as its own standard input stays open: `node keeper.ts PROGRAM ARGUMENT…`. The system closes that
 * input when the parent ends, however it ends, so the program never outlives it. SIGTERM asks it to end; what does not is killed.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';

const graceMs = 8_000;

const [program = '', ...args] = process.argv.slice(2);
const { KEEPER_REMOVE: removed } = process.env;
const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });

function end(): void {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), graceMs).unref();
}

process.stdin.on('end', end).on('error', end).resume();
process.on('SIGTERM', end);
// Whoever interrupts the terminal interrupts the parent too, which decides about us.
process.on('SIGINT', () => {});
child.once('error', () => process.exit(127));
child.once('close', (code) => {
  if (removed) rmSync(removed, { recursive: true, force: true });
  process.exit(code ?? 1);
});
