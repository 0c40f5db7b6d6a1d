/** The database as a part: the one that MONGODB_URI names, else one on this machine. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createPart, type Part } from './part.ts';
import type { Ports } from './ports.ts';

export type DatabasePartOptions = {
  folder: string;
  ports: Ports;
  env: Readonly<Record<string, string | undefined>>;
  onLost(): void;
};

export function databasePart(options: DatabasePartOptions): { part: Part; uri(): string } {
  const { folder, ports, env, onLost } = options;
  let uri = '';
  const part = createPart({
    name: 'database',
    logPath: join(folder, 'logs', 'database.log'),
    onLost,
    command() {
      mkdirSync(join(folder, 'database'), { recursive: true });
      return {
        main: join(import.meta.dirname, 'database-process.ts'),
        args: [join(folder, 'database'), String(ports.database)],
        env,
      };
    },
    async ready({ announced }) {
      uri = await announced;
    },
  });
  return { part, uri: () => uri };
}
