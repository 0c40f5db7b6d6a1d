/** `iotdh profile …`. */
import { Command } from 'commander';
import type { GlobalOptions } from '../commands/context.ts';
import type { Tree } from './client.ts';

export function profileCommand({ terminal }: Tree): Command {
  const load = () => import('../commands/profile.ts');
  const profile = new Command('profile').description('say which fleet the commands talk to');

  profile
    .command('list')
    .description('Lists the profiles; the one in use has a star.')
    .addHelpText('after', '\nExample:\n  $ iotdh profile list')
    .action(async (_options: unknown, command: Command) =>
      (await load()).listProfiles(terminal, command.optsWithGlobals<GlobalOptions>().output),
    );
  profile
    .command('show')
    .description('Shows the profile in use.')
    .addHelpText('after', '\nExample:\n  $ iotdh profile show')
    .action(async (_options: unknown, command: Command) =>
      (await load()).showProfile(terminal, command.optsWithGlobals<GlobalOptions>()),
    );
  profile
    .command('use')
    .argument('<name>', 'the profile')
    .description('Uses another profile from now on.')
    .addHelpText('after', '\nExample:\n  $ iotdh profile use boston')
    .action(async (name: string) => (await load()).useProfile(terminal, name));
  profile
    .command('set')
    .argument('<name>', 'the profile')
    .description('Makes or changes a profile with --api-url, --broker-url, --ca-file and --token-file.')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh profile set boston --api-url https://fleet.example.com --token-file ~/.iotdh-token',
    )
    .action(async (name: string, _options: unknown, command: Command) =>
      (await load()).setProfile(terminal, name, command.optsWithGlobals<GlobalOptions>()),
    );
  profile
    .command('remove')
    .argument('<name>', 'the profile')
    .description('Forgets a profile. Files that it names stay.')
    .addHelpText('after', '\nExample:\n  $ iotdh profile remove boston')
    .action(async (name: string) => (await load()).removeProfile(terminal, name));
  return profile;
}
