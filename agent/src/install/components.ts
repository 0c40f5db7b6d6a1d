/** Which installer applies which kind of component. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Component, FileSet } from '@iotdh/proto/update/v1';
import { createAutomationComponent } from './automation.ts';
import type { Clock } from './clock.ts';
import { type ComponentContext, type ComponentInstaller, done, failed } from './component-installer.ts';
import { createConnectionsComponent } from './connections.ts';
import { createFileSet } from './files/file-set.ts';
import type { Place } from './files/place.ts';
import { createPackagesComponent } from './packages.ts';
import type { Connections, Products, UpdateServices } from './ports.ts';
import { withRegisteredProduct } from './registered-product.ts';
import type { Sandbox } from './sandbox.ts';
import { createWindowsUpdatesComponent } from './windows-updates.ts';

export type Surroundings = {
  connections: Connections;
  products: Products;
  updateServices: UpdateServices;
  sandbox: Sandbox;
  clock: Clock;
};

const defaultUpdateServiceLimitMs = 2 * 60 * 60 * 1000;

/** The file set of a component a or d. */
export function fileSetOf({ kind }: Component): FileSet | undefined {
  const carriesFiles = kind.case === 'hostApplication' || kind.case === 'thirdPartyApplication';
  return carriesFiles ? kind.value.files : undefined;
}

/** `place`: where the component's files go; for those that carry files. */
export function createComponentInstaller(
  { kind }: Component,
  place: Place | undefined,
  surroundings: Surroundings,
  context: ComponentContext,
): ComponentInstaller {
  const { products, updateServices, sandbox } = surroundings;
  const { apt, windows: windowsUpdate } = updateServices;
  switch (kind.case) {
    case 'hostApplication':
    case 'thirdPartyApplication': {
      const { files, product } = kind.value;
      if (files === undefined || product === undefined || place === undefined) break;
      return withRegisteredProduct(createFileSet(files, place, context), product, products, context);
    }
    case 'operatingSystemBuild': {
      const { target, timeLimit } = kind.value;
      const timeLimitMs = timeLimit === undefined ? defaultUpdateServiceLimitMs : durationMs(timeLimit);
      if (target.case === 'linux')
        return createPackagesComponent(target.value, { apt, timeLimitMs }, context);
      if (target.case !== 'windows') break;
      const { buildTag, kbArticles } = target.value;
      const selection = { kind: 'build', buildTag, kbArticles } as const;
      return createWindowsUpdatesComponent(selection, { windowsUpdate, timeLimitMs }, context);
    }
    case 'managedProduct': {
      const { source, timeLimit, product } = kind.value;
      const timeLimitMs = timeLimit === undefined ? defaultUpdateServiceLimitMs : durationMs(timeLimit);
      if (product === undefined) break;
      if (source.case === 'packages') {
        const packages = createPackagesComponent(source.value, { apt, timeLimitMs }, context);
        return withRegisteredProduct(packages, product, products, context);
      }
      if (source.case !== 'windowsUpdate') break;
      const selection = { kind: 'updates', updateIds: source.value.updateIds } as const;
      const updates = createWindowsUpdatesComponent(selection, { windowsUpdate, timeLimitMs }, context);
      return withRegisteredProduct(updates, product, products, context);
    }
    case 'connections':
      return createConnectionsComponent(kind.value, surroundings, context);
    case 'automation':
      return createAutomationComponent(kind.value, sandbox, context);
  }
  return refused('this agent does not know the kind of the component, or a part of it is missing');
}

function refused(reason: string): ComponentInstaller {
  return {
    atomic: true,
    notRestorable: null,
    refusal: () => Promise.resolve(reason),
    stage: () => Promise.resolve(failed(reason)),
    apply: () => Promise.resolve(failed(reason)),
    restore: () => Promise.resolve(done),
    letGo: () => Promise.resolve(),
  };
}
