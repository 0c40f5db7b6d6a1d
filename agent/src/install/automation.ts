/** Component f: scripts and automation actions, one after the other. */
import type { Automation } from '@iotdh/proto/update/v1';
import { type ComponentContext, type ComponentInstaller, done } from './component-installer.ts';
import type { ActionEnd } from './ports.ts';
import type { Sandbox } from './sandbox.ts';
import { endOfScript } from './script-end.ts';

/** After a crash the scripts are run again from the first: nobody knows how far the one that ran had come. */
export function createAutomationComponent(
  { scripts }: Automation,
  sandbox: Sandbox,
  context: ComponentContext,
): ComponentInstaller {
  return {
    atomic: false,
    notRestorable: 'the agent does not know what scripts change: they are undone by a script, or not at all',
    refusal: () =>
      Promise.resolve(
        scripts.map((script) => sandbox.refusal(script)).find((reason) => reason !== null) ?? null,
      ),
    stage: () => Promise.resolve(done),
    async apply(signal) {
      let end: ActionEnd = done;
      for (const [index, script] of scripts.entries()) {
        end = endOfScript(await sandbox.run(script, { contentPath: context.contentPath, signal }));
        if (end.kind === 'stopped') return end;
        if (end.kind === 'failed') {
          return { ...end, reason: `script ${index + 1} of ${scripts.length}: ${end.reason}` };
        }
        context.failPoint('script_over', context.id);
      }
      return end;
    },
    restore: () => Promise.resolve(done),
    letGo: () => Promise.resolve(),
  };
}
