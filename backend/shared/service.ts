/** The shape that every service of the backend has. */
export type Service = {
  readonly name: string;
  /** Takes up its work. Throws when its settings cannot work; what is merely away for now it waits for. */
  start(): Promise<void>;
  /** Drains: takes no more work and finishes what it has, within its time of grace. Idempotent. */
  stop(): Promise<void>;
  /** Null: ready. Else why not, in words. */
  unready(): string | null;
};
