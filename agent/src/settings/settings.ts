/** What the agent is told before it starts, validated and frozen. `read-settings.ts` makes it; nothing else reads files or the environment. */
import type { Route } from '../bus/bus.ts';
import type { Level } from '../log/log.ts';

/** How the device proves who it is to the hub. Secrets are in files, never in the settings themselves. */
export type CredentialSettings =
  | { kind: 'connection_string'; file: string }
  /** `caFile` null: the authorities of the system. */
  | { kind: 'enrolment'; brokerUrl: string; tokenFile: string; caFile: string | null };

/** One partition that a BASE may write; data partitions that are not named here are left alone. */
export type PartitionSettings = {
  name: string;
  role: 'boot' | 'data';
  /** How large it is, or its file may be; null: as large as its block devices. */
  bytes: number | null;
  /** Where it is in either slot: a path, on Windows a GPT GUID in braces; null: with slots as image files. */
  places: { a: string; b: string } | null;
};

/** What chooses between the two slots, and what it has to be told. */
export type SlotSettings =
  | OwnSlotSettings
  /** The host service's, which knows the rest. */
  | { kind: 'host-service' };

/** Slots that this process itself writes. */
export type OwnSlotSettings =
  /** Slots as files in a folder, for rehearsals and for machines without a boot loader that we know. */
  | { kind: 'file-images'; folder: string }
  /** `espFolder`: where the EFI system partition is mounted; `variablesFolder`: where efivarfs is. */
  | {
      kind: 'systemd-boot';
      espFolder: string;
      variablesFolder: string;
      entries: { a: BootEntry; b: BootEntry };
    }
  /** Windows Boot Manager; `system` is the partition that has Windows. */
  | { kind: 'windows'; system: string };

/** How systemd-boot starts a slot; paths are those of the EFI system partition. */
export type BootEntry = { title: string; linux: string; initrd: readonly string[]; options: string };

export type Settings = {
  /** Everything that the agent remembers; made if absent, for its user alone. */
  dataDir: string;
  /** The workstation's model as the manufacturer names it; empty: not known. */
  model: string;
  credentials: CredentialSettings;
  /** The first root that is trusted, as a file; null: no update is taken. */
  trust: { rootFile: string | null };
  hub: {
    /** The one authority that is trusted, for a hub of one's own; null: those of the system. */
    caFile: string | null;
    /** Ways to the hub, the preferred one first. */
    routes: readonly Route[];
  };
  blobs: {
    /** The one authority that is trusted for Blob Storage, for storage of one's own; null: those of the system. */
    caFile: string | null;
  };
  api: {
    socket: { path: string; mode: 0o600 | 0o660 } | null;
    /** `port` 0: any free one, written to `loopback-port` in the data folder. */
    loopback: { port: number; tokenFile: string; allowedOrigins: readonly string[] } | null;
    maxPostponeMs: number;
  };
  /** Where file sets of a manifest go, by the name that the manifest uses. */
  roots: Readonly<Record<string, { path: string }>>;
  /** Null: a BASE cannot be applied. */
  slots: SlotSettings | null;
  partitions: readonly PartitionSettings[];
  /** The host's own service for what a container cannot do; its files hold PEM. Null: the agent does it itself. */
  hostService: { socket: string; caFile: string; certFile: string; keyFile: string } | null;
  /** What restarts a service, by its name: a program and its arguments. Others: `systemctl restart NAME`. */
  serviceCommands: Readonly<Record<string, readonly string[]>>;
  /** What restarts the machine. */
  restartCommand: readonly string[];
  /** Holds another text after each start of the machine; a file of one's own is also as old as the start. */
  bootIdFile: string;
  telemetryIntervalMs: number;
  minLogLevel: Level;
  /** How much of its log the agent keeps on disk for a collection. */
  keptLogBytes: number;
  /** Free space that a transfer leaves on the disk of the data folder. */
  reservedDiskBytes: number;
};
