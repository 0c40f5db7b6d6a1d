/** A pretend machine in a temporary folder, an author for it and an installer on it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Component, Manifest } from '@iotdh/proto/update/v1';
import type { InstallerOptions } from '../create-installer.ts';
import type { Installer } from '../installer.ts';
import type { InstallOutcome } from '../outcome.ts';
import { installOn, openMachine, type PretendMachine } from './machine.ts';
import { type Author, authorOn } from './pack.ts';

/** What a test gives for cleaning up: node:test's context. */
type Cleanup = { after(clean: () => void): void };

export type Bench = {
  machine: PretendMachine;
  author: Author;
  installer: Installer;
  manifestOf(components: Component[]): Manifest;
  /** Applies as the job 'job'. */
  apply(manifest: Manifest): Promise<InstallOutcome>;
};

export function temporaryFolder(t: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-install-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function createBench(t: Cleanup, changes: Partial<InstallerOptions> = {}): Bench {
  const machine = openMachine(temporaryFolder(t));
  const author = authorOn(machine);
  const installer = installOn(machine, changes);
  const signal = new AbortController().signal;
  return {
    machine,
    author,
    installer,
    manifestOf: author.manifest,
    apply: (manifest) =>
      installer.apply({ id: 'job', manifest, contentPath: machine.contentPath, signal, progress() {} }),
  };
}
