/** The `iotdh` command line, typed by the demo as an operator would. */
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Processes } from './processes.ts';

export type CommandLineOptions = {
  apiUrl: string;
  brokerUrl: string;
  caPath: string;
  operatorTokenFile: string;
  /** The keys that sign what is uploaded. */
  keysFolder: string;
  /** For profiles, of which there are none. */
  configFolder: string;
  processes: Processes;
  env: Readonly<Record<string, string | undefined>>;
};

export type CommandLine = {
  /** What somebody has to set to type the same commands. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `iotdh` with these arguments and `-o json`. Throws with what it says when it fails. */
  run(...args: string[]): Promise<unknown>;
};

const bin = join(import.meta.dirname, '..', 'cli', 'bin', 'iotdh.js');

export function createCommandLine(options: CommandLineOptions): CommandLine {
  const env = {
    IOTDH_API_URL: options.apiUrl,
    IOTDH_BROKER_URL: options.brokerUrl,
    IOTDH_CA_FILE: options.caPath,
    IOTDH_TOKEN_FILE: options.operatorTokenFile,
    IOTDH_KEYS_FOLDER: options.keysFolder,
  };
  return {
    env,
    async run(...args) {
      const child = options.processes.start(process.execPath, [bin, ...args, '-o', 'json'], {
        env: { ...options.env, ...env, IOTDH_CONFIG_DIR: options.configFolder },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [out, errors, [code]] = await Promise.all([
        text(child.stdout!),
        text(child.stderr!),
        once(child, 'exit'),
      ]);
      if (code !== 0) throw new Error(`iotdh ${args.join(' ')} ended with ${String(code)}:\n${errors}`);
      return JSON.parse(out) as unknown;
    },
  };
}
