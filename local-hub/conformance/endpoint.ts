/** What a client must know of a hub to reach it, wherever that runs. */
import tls from 'node:tls';

export type Endpoint = {
  readonly port: number;
  /** `localhost:PORT`. */
  readonly hostName: string;
  readonly caPem: string;
  readonly caPath: string;
  /** The EntityPath of the built-in Event Hubs endpoint. */
  readonly eventHubName: string;
  /** Of the Device Provisioning Service. */
  readonly idScope: string;
  policy(name: string): { name: string; key: string };
  /** A service token for the whole hub, of `seconds` from now: default one hour; negative for one that has expired. */
  sign(policyName: string, key: string, seconds?: number): string;
  connectionString(policyName: string): string;
  /** Over the plain port, or over TLS. */
  eventHubConnectionString(tls?: boolean): string;
  /** Of a device that this test added. */
  deviceConnectionString(deviceId: string): string;
  deviceToken(deviceId: string): string;
  /** Runs before the hub stops; the last added first. */
  onStop(cleanup: () => unknown): void;
};

/** The recipe for SDKs without a `ca` option, from inside the process; NODE_EXTRA_CA_CERTS does the same from outside. */
export function trust(caPem: string): void {
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), caPem]);
}

const longMs = 600_000;

/**
 * Lets the process end in spite of timers of more than ten minutes: the SDKs leave some behind, for the next token of a client
 * or reader that was closed in the meantime, and nothing else can stop them.
 */
export function releaseLongTimers(): void {
  globalThis.setTimeout = new Proxy(globalThis.setTimeout, {
    apply(target, self, parameters) {
      const timer = Reflect.apply(target, self, parameters) as NodeJS.Timeout;
      return Number(parameters[1]) > longMs ? timer.unref() : timer;
    },
  });
}
