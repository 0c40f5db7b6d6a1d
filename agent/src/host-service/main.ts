/** The process of the host service: arguments, signals and exit codes. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../api/clock.ts';
import { makePrivateFolder } from '../durable/document.ts';
import { redactText } from '../redaction/redact.ts';
import { SettingsError } from '../settings/fields.ts';
import { isMistake, kernelBootId, problemOf } from '../settings/read-settings.ts';
import { openCallJournal } from './call-journal.ts';
import { makeKeyFiles, readKeyFile } from './key-files.ts';
import { createNativeOperations } from './native.ts';
import { createHostServer } from './server.ts';
import { type HostSettings, keptFoldersOf, readHostSettings } from './settings.ts';

const defaultConfig = '/etc/iotdh-host-service/config.json';
const help = `iotdh-host-service: privileged work for an agent in a container, of a closed list

  iotdh-host-service [--config FILE]     serve (default ${defaultConfig})
  iotdh-host-service init FOLDER         make both sides' keys and certificates, once
  iotdh-host-service --help

It restarts services that its settings name, restarts the machine, and, if they allow it, installs packages at exact versions, has
Windows Update work, and writes images of a BASE to the other slot.
Every call is written down before it acts. It ends with 0 after SIGTERM or SIGINT, with 2 when the command line or the
settings will not do, with 1 when it cannot go on.
`;

async function init(folder: string): Promise<void> {
  await makeKeyFiles(folder, Date.now());
  const at = (name: string) => join(folder, name);
  process.stdout.write(`Made ${folder}. Mount ${at('host.crt')}, ${at('agent.crt')} and ${at('agent.key')} into the agent's container,
readable by its user alone, and name them in its settings as hostService.caFile, certFile and keyFile, with the socket.
${at('host.key')} stays here.\n`);
}

async function serve(settings: HostSettings): Promise<void> {
  const { keyFolder, stateFolder, serviceCommands, programPath, bootIdFile, imageFolder, slots } = settings;
  makePrivateFolder(stateFolder);
  const journal = openCallJournal(join(stateFolder, 'calls.db'));
  const operations = createNativeOperations({
    ...{ ...settings, environment: process.env, clock: systemClock, redact: redactText },
    ...{ kernelBoot: bootIdFile === kernelBootId, outputFolder: stateFolder, programPath },
    allows: { apt: settings.packages, windows: settings.windowsUpdate },
    slots: slots && {
      settings: { slots, partitions: settings.partitions },
      folder: stateFolder,
      keptFolders: keptFoldersOf(settings),
    },
  });
  const server = createHostServer({
    ...{ operations, imageFolder },
    services: [...settings.services, ...Object.keys(serviceCommands)],
    ...{ journal, now: Date.now, socket: settings.socket },
    tls: {
      cert: readFileSync(join(keyFolder, 'host.crt'), 'utf8'),
      key: readKeyFile(join(keyFolder, 'host.key')),
      agentCert: readFileSync(join(keyFolder, 'agent.crt'), 'utf8'),
    },
  });
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end());
  await server.start();
  process.stderr.write(`iotdh-host-service listens on ${settings.socket.path}\n`);
  await over;
  await server.stop();
  journal.close();
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  const [command, folder, ...more] = positionals;
  if (values.help) process.stdout.write(help);
  else if (command === 'init' && folder !== undefined && more.length === 0) await init(resolve(folder));
  else if (command === undefined) await serve(readHostSettings(values.config ?? defaultConfig));
  else throw new SettingsError(`${positionals.join(' ')} is no command. See iotdh-host-service --help.`);
} catch (error) {
  const hint = isMistake(error) ? '. See iotdh-host-service --help.' : '';
  process.stderr.write(`iotdh-host-service: ${problemOf(error)}${hint}\n`);
  process.exitCode = error instanceof SettingsError || isMistake(error) ? 2 : 1;
}
