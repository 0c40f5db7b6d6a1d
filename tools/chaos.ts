/** `make chaos [ARGS="machine|slots …"]`: the chaos commands by name; without one, the machine's. Each file says its arguments. */
const commands: Record<string, () => Promise<unknown>> = {
  machine: () => import('../agent/src/machine/chaos/main.ts'),
  slots: () => import('../agent/src/slots/chaos/main.ts'),
};

const command = commands[process.argv[2] ?? ''];
if (command !== undefined) process.argv.splice(2, 1);
await (command ?? commands.machine)?.();
