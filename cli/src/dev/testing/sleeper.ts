/** A process that serves nothing until it is asked to end. */
process.on('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 2 ** 30);
console.error('asleep');
process.send?.('asleep');
