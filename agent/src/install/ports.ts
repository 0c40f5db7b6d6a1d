/** What the installers ask of the rest of the agent and of the machine. The composition provides it; tests stand in for it. */

/** How something that was asked of the machine ended. `reason` is for people and holds no secret. */
export type ActionEnd =
  | { kind: 'done'; exitCode?: number; output?: string; detail?: string }
  | { kind: 'failed'; reason: string; exitCode?: number; output?: string }
  /** Cut short because the agent stops; it goes on from the journal later. */
  | { kind: 'stopped' };

/**
 * Names what is to happen once: a step of a job, in the same words when an agent that was killed asks again. Who acts in another
 * process than the agent's answers then as before; within the agent, its own journal is enough.
 */
export type Operation = string;

/** The operating system's services and the machine itself. */
export type Host = {
  /** Starts a service anew, and settles once the service manager says that it runs. Limits its own time. */
  restartService(name: string, signal: AbortSignal, operation: Operation): Promise<ActionEnd>;
  /** Asks for a restart of the machine; `done` once it is under way, not once it is over. */
  restartMachine(operation: Operation): Promise<ActionEnd>;
  /** Names the running boot: another string after every restart of the machine. */
  bootId(): Promise<string>;
};

/** The contract's `ConnectionTarget`, by name. */
export type Target = 'iot' | 'windows-update' | 'log-collection';
/** Every setting of one connection, secrets included. */
export type Settings = Readonly<Record<string, string>>;

/** The agent's connections to backends. `name` is '' for the only one of its target. */
export type Connections = {
  /** Null: there is no such connection. */
  read(target: Target, name: string): Promise<Settings | null>;
  /** Replaces all settings of the connection, or removes it with null; atomic, and durable when it resolves. */
  write(target: Target, name: string, settings: Settings | null): Promise<void>;
  /** Whether the connection can be made with the settings as they are now. Settles soon once the signal is aborted. */
  probe(target: Target, name: string, signal: AbortSignal): Promise<boolean>;
  /** Fetches a secret from the authentication broker. Throws when there is none or the broker does not answer. */
  secret(name: string, signal: AbortSignal): Promise<string>;
};

/** The agent's own register of what is installed. */
export type Products = {
  /** Null: not installed, or not known. */
  versionOf(product: string): Promise<string | null>;
  /** Durable when it resolves. Null removes the product. */
  set(product: string, version: string | null): Promise<void>;
};

/** What is installed, as operators see it: what the register has, the operating system, the agent, what the host application reports. */
export type Inventory = {
  /** The versions that the machine is known to have had, oldest first, the one of now the last; empty: none. */
  historyOf(product: string): readonly string[];
};

/** A package that apt is to bring to a version; null: not installed. */
export type PackageVersion = { name: string; version: string | null };

/** apt on this machine. */
export type Apt = {
  /** Why it cannot be had after all, as where a host allows none; null, or no such method: nothing speaks against it. */
  refusal?(): Promise<string | null>;
  /** Null: not installed. */
  versionOf(name: string, signal: AbortSignal): Promise<string | null>;
  /**
   * Every package that installing these would change, with the version that it has now. Changes nothing. Fetches the
   * lists of the repositories first.
   */
  simulate(
    packages: readonly PackageVersion[],
    options: { timeLimitMs: number; signal: AbortSignal },
  ): Promise<{ kind: 'simulated'; before: PackageVersion[] } | Exclude<ActionEnd, { kind: 'done' }>>;
  /** Brings every package to its version, finishing first what an earlier run left half done. */
  install(
    packages: readonly PackageVersion[],
    options: { allowDowngrades: boolean; timeLimitMs: number; signal: AbortSignal; operation: Operation },
  ): Promise<ActionEnd>;
};

/** Which updates Windows Update is to install. */
export type WindowsSelection =
  | { kind: 'build'; buildTag: string; kbArticles: readonly string[] }
  | { kind: 'updates'; updateIds: readonly string[] };

/** How Windows Update ended for all that was selected. */
export type WindowsUpdateEnd =
  | { kind: 'done'; installed: string[]; restartRequired: boolean; output: string }
  /** `installed`: the UpdateIDs that were installed all the same. */
  | { kind: 'failed'; reason: string; installed: string[]; exitCode?: number; output?: string }
  | { kind: 'stopped' };

/** The machine's own Windows Update. */
export type WindowsUpdate = {
  /** As that of `Apt`. */
  refusal?(): Promise<string | null>;
  install(
    selection: WindowsSelection,
    options: { timeLimitMs: number; signal: AbortSignal; operation: Operation },
  ): Promise<WindowsUpdateEnd>;
  /** Removes updates by UpdateID; fails for those that Windows cannot remove. */
  uninstall(
    updateIds: readonly string[],
    options: { timeLimitMs: number; signal: AbortSignal; operation: Operation },
  ): Promise<WindowsUpdateEnd>;
};

/** The machine's own update services; one that is absent refuses the components that need it. */
export type UpdateServices = { windows?: WindowsUpdate; apt?: Apt };

/** What a machine is, for a manifest's requirements. */
export type MachineFacts = {
  platform(): Promise<{
    operatingSystem: 'windows' | 'linux' | null;
    architecture: 'x64' | 'arm64' | null;
    /** '' when not known. */
    operatingSystemVersion: string;
    model: string;
  }>;
  /** The operating system as the inventory has it. */
  operatingSystemProduct(): { product: string; version: string };
  /** Names the file system that holds the path, and how many bytes of it may still be used. The path need not exist. */
  freeDisk(path: string): Promise<{ fileSystem: string; bytes: number }>;
  freeMemoryBytes(): Promise<number>;
  /** True also for a machine that has no battery. */
  onMainsPower(): Promise<boolean>;
};
