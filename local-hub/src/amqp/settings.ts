/** The limits of the AMQP front-end. Where Azure's gateway announces a limit, the default is the same. */

export type AmqpSettings = {
  /** The largest frame taken, bytes. Announced in `open`. */
  maxFrameBytes: number;
  /** Sessions per connection. */
  maxSessions: number;
  /** Links per connection, over all its sessions. */
  maxLinks: number;
  /** Announced idle time, ms: peers send something within it, or are closed after twice of it. */
  idleTimeoutMs: number;
  /** How long a connection may take to show who it is, ms; then it is closed. */
  authenticationMs: number;
  /** How long a closing connection may take to say goodbye, ms; then it is cut. */
  lingerMs: number;
  /** The largest cloud-to-device message taken, bytes with AMQP's own overhead; the engine judges the body. */
  maxCommandBytes: number;
  /** The largest device-to-cloud message or batch taken, bytes with AMQP's own overhead. */
  maxEventBytes: number;
  /** The largest request ($cbs, $management, twin, method response) taken, bytes. */
  maxRequestBytes: number;
  /** Messages that a sending peer may have in flight on one link (its credit). */
  sendCredit: number;
  /** Cloud-to-device messages or feed items that a receiving peer may hold unsettled. */
  receiveWindow: number;
  /** Bytes written and not yet taken by the system, above which nothing more is sent or read. */
  maxBacklogBytes: number;
  /** Readers without epoch, per partition and consumer group. */
  maxReadersPerPartition: number;
};

export const defaultAmqpSettings: Readonly<AmqpSettings> = Object.freeze({
  maxFrameBytes: 65_536,
  maxSessions: 1_024,
  maxLinks: 4_096,
  idleTimeoutMs: 240_000,
  authenticationMs: 30_000,
  lingerMs: 5_000,
  maxCommandBytes: 262_144,
  maxEventBytes: 327_680,
  maxRequestBytes: 262_144,
  sendCredit: 100,
  receiveWindow: 50,
  maxBacklogBytes: 524_288,
  maxReadersPerPartition: 5,
});
