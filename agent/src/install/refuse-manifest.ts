/** What speaks against a manifest before its requirements are looked at: what this agent or this machine cannot do. */
import type { Component, Script } from '@iotdh/proto/update/v1';
import { fileSetOf } from './components.ts';
import { type Part, wantsRestart } from './plan.ts';
import type { Sandbox } from './sandbox.ts';

/** The first reason, with the component that it is about; null when nothing speaks against it. */
export async function refuseManifest(parts: readonly Part[], sandbox: Sandbox): Promise<string | null> {
  if (parts.filter(({ component }) => wantsRestart(component)).length > 1) {
    return 'more than one component asks for a restart of the machine';
  }
  for (const { component, installer } of parts) {
    const reason =
      (await installer.refusal()) ??
      (component.undo?.kind.case === 'restorePrevious' ? installer.notRestorable : null) ??
      scriptsAround(component)
        .map((script) => sandbox.refusal(script))
        .find((refusal) => refusal !== null) ??
      null;
    if (reason !== null) return `${component.id} (${component.title}): ${reason}`;
  }
  return null;
}

/** The scripts of a component's follow-ups, checks and undo. */
function scriptsAround({ followUps, checks, undo }: Component): Script[] {
  return [...followUps, ...checks, ...(undo === undefined ? [] : [undo])].flatMap(({ kind }) =>
    kind.case === 'script' ? [kind.value] : [],
  );
}

/** Why the folders of these components stand in each other's way; null when they do not. `rootPath` gives a root's folder. */
export function refuseNestedRoots(
  components: readonly Component[],
  rootPath: (root: string) => string | undefined,
): string | null {
  const used = new Set(components.flatMap((component) => fileSetOf(component)?.root ?? []));
  for (const outer of used) {
    for (const inner of used) {
      if (inner !== outer && `${rootPath(inner)}/`.startsWith(`${rootPath(outer)}/`)) {
        return `the install root "${inner}" lies inside "${outer}"`;
      }
    }
  }
  return null;
}
