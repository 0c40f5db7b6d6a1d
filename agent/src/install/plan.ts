/** The steps of a PATCH in their order, each with a key that is the same after every restart. */
import { UpdateStep } from '@iotdh/proto/bus/v1';
import type { Component, FollowUp } from '@iotdh/proto/update/v1';
import { type CheckSurroundings, runCheck } from './checks.ts';
import type { Clock } from './clock.ts';
import { type ComponentInstaller, failed } from './component-installer.ts';
import type { ActionEnd, Host, Operation } from './ports.ts';
import type { Sandbox } from './sandbox.ts';
import { endOfScript } from './script-end.ts';

export type PlannedStep = {
  /** Part of the journal's format. */
  key: string;
  step: UpdateStep;
  /** The component. */
  subject: string;
  run(signal: AbortSignal, history: History): Promise<ActionEnd>;
};

export type History = {
  /** Whether the job was begun by another process than this. */
  resumed: boolean;
  /** How often this step was begun before without coming to its end. */
  cutShort: number;
  /** Names this step of this job. */
  operation: Operation;
};

export type Part = { component: Component; installer: ComponentInstaller };

export type PlanOptions = {
  parts: readonly Part[];
  host: Host;
  sandbox: Sandbox;
  clock: Clock;
  contentPath: (digestHex: string) => string;
  versionOf(product: string, signal: AbortSignal): Promise<string | null>;
};

/** How far the journal says that a component has come. */
export type Reached = { applyBegan: boolean; applied: boolean; followedUp: readonly number[] };

export type Plan = {
  /** They change nothing but the stage. */
  stages: PlannedStep[];
  /** Each component takes effect, with its follow-ups. */
  changes: PlannedStep[];
  /** The component that wants the machine restarted, between the changes and the checks; null when none does. */
  restartFor: string | null;
  checks: PlannedStep[];
  /** What takes back what was reached, in reverse order. */
  undo(reached: (componentId: string) => Reached): PlannedStep[];
};

export const applyKey = (componentId: string): string => `apply:${componentId}`;
export const followUpKey = (componentId: string, index: number): string =>
  `follow-up:${componentId}:${index}`;
export const restartKey = 'restart';

export function createPlan(options: PlanOptions): Plan {
  const { parts, contentPath, sandbox, clock, versionOf, host } = options;

  async function followUp(
    { kind }: FollowUp,
    signal: AbortSignal,
    { cutShort, operation }: History,
  ): Promise<ActionEnd> {
    switch (kind.case) {
      case 'restartService':
        // The service may be the one that this agent is part of: then its restart is what cuts the step short each time.
        if (cutShort > 1) return { kind: 'done', detail: 'it ended this agent each time: taken as done' };
        return await host.restartService(kind.value.name, signal, operation);
      case 'script':
        return endOfScript(await sandbox.run(kind.value, { contentPath, signal }));
      default:
        return failed('this agent does not know the follow-up action');
    }
  }

  function followUps({ component }: Part): PlannedStep[] {
    return component.followUps.flatMap((action, index) =>
      action.kind.case === 'restartMachine'
        ? []
        : [
            {
              key: followUpKey(component.id, index),
              step: UpdateStep.FOLLOW_UP,
              subject: component.id,
              run: (signal: AbortSignal, history: History) => followUp(action, signal, history),
            },
          ],
    );
  }

  function checks({ component, installer }: Part): PlannedStep[] {
    return component.checks.map((check, index) => ({
      key: `check:${component.id}:${index}`,
      step: UpdateStep.CHECK,
      subject: component.id,
      run(signal) {
        const { filesMatch } = installer;
        const surroundings: CheckSurroundings = {
          subject: component.id,
          contentPath,
          sandbox,
          clock,
          versionOf,
          signal,
          ...(filesMatch === undefined ? {} : { filesMatch }),
        };
        return runCheck(check, surroundings);
      },
    }));
  }

  async function takeBack(
    { component, installer }: Part,
    applied: boolean,
    signal: AbortSignal,
    { operation }: History,
  ): Promise<ActionEnd> {
    const { kind } = component.undo ?? { kind: { case: undefined } };
    let end: ActionEnd;
    if (kind.case === 'restorePrevious' || (installer.atomic && !applied))
      end = await installer.restore(signal, operation);
    else if (kind.case === 'script') {
      end = endOfScript(await sandbox.run(kind.value, { contentPath, signal }));
    } else {
      const why = kind.case === 'irreversible' ? kind.value.reason : 'the manifest does not say how';
      end = failed(`it cannot be taken back (${why}); a BASE is called for`);
    }
    if (end.kind === 'done') await installer.undone?.();
    return end;
  }

  function undo(part: Part, { applied, followedUp }: Reached): PlannedStep[] {
    const { component } = part;
    const again = component.followUps.flatMap(({ kind }, index) =>
      kind.case === 'restartService' && followedUp.includes(index)
        ? [
            {
              key: `undo:${followUpKey(component.id, index)}`,
              step: UpdateStep.FOLLOW_UP,
              subject: component.id,
              // What runs has to be the old version again.
              run: (signal: AbortSignal, { operation }: History) =>
                host.restartService(kind.value.name, signal, operation),
            },
          ]
        : [],
    );
    const back: PlannedStep = {
      key: `undo:${component.id}`,
      step: UpdateStep.UNDO,
      subject: component.id,
      run: (signal, history) => takeBack(part, applied, signal, history),
    };
    return [back, ...again];
  }

  return {
    stages: parts.map(({ component, installer }) => ({
      key: `stage:${component.id}`,
      step: UpdateStep.STAGE,
      subject: component.id,
      run: (signal) => installer.stage(signal),
    })),
    changes: parts.flatMap((part) => [
      {
        key: applyKey(part.component.id),
        step: UpdateStep.APPLY,
        subject: part.component.id,
        run: (signal, { resumed, cutShort, operation }) =>
          part.installer.apply(signal, resumed || cutShort > 0, operation),
      } satisfies PlannedStep,
      ...followUps(part),
    ]),
    restartFor: parts.find(({ component }) => wantsRestart(component))?.component.id ?? null,
    checks: parts.flatMap(checks),
    undo: (reached) =>
      parts.toReversed().flatMap((part) => {
        const far = reached(part.component.id);
        return far.applyBegan ? undo(part, far) : [];
      }),
  };
}

/** Whether a component asks for a restart of the machine. */
export function wantsRestart({ followUps }: Component): boolean {
  return followUps.some(({ kind }) => kind.case === 'restartMachine');
}
