/**
 * The parts of rhea 3.0.5 that its typings do not show and that the hub relies on: to contain exceptions, to bound what a
 * peer may ask for, and to know how much may be sent. rhea is pinned; check this file when it is updated.
 */
import type { Delivery, Receiver, Sender } from 'rhea';

/** A frame as rhea hands it to its connection. Fields are null when the peer left them out. */
export type Frame<Fields> = { channel: number; performative: Fields; payload?: Buffer };

export type OpenFields = { max_frame_size: number | null; idle_time_out: number | null };
export type AttachFields = {
  name: unknown;
  handle: unknown;
  /** True when the peer receives. */
  role: unknown;
  source: unknown;
  target: unknown;
};
export type FlowFields = { handle: number | null; link_credit: number | null; drain: boolean | null };
export type TransferFields = {
  handle: number;
  message_format: number | null;
  aborted: boolean | null;
};
export type DispositionFields = {
  first: number;
  last: number | null;
  state: { descriptor?: { value: unknown } } | null | undefined;
  /** The fields in wire order; `state` is the fifth. */
  value: unknown[];
};

/** A performative that is to be written. */
export type Composite = { constructor: { descriptor: { numeric: number } } };

/** A source or target, which can be encoded again. */
export type Terminus = { described(): object };

export type RheaLink = Omit<Sender | Receiver, 'session' | 'source' | 'target'> & {
  session: RheaSession;
  credit: number;
  readonly source: Terminus | null;
  readonly target: Terminus | null;
  local: {
    attach: {
      source?: object | undefined;
      target?: object | undefined;
      max_message_size?: number;
      snd_settle_mode?: number;
    };
  };
  /** A delivery of which more transfers are to come. */
  _incomplete?: Delivery & { settled: boolean };
};

export type RheaSession = {
  connection: { _register(): void };
  local: { begin: { handle_max?: number } };
  links: Record<string, RheaLink>;
  remote: { handles: Record<number, RheaLink> };
  outgoing: {
    next_delivery_id: number;
    /** The delivery that is the next to be transferred; below `next_delivery_id` while some wait. */
    next_pending_delivery: number;
    available(): number;
    /** How many more frames the peer takes; NaN before it said so. */
    transfer_window(): number;
  };
  end(error?: { condition: string; description: string }): void;
};

export type RheaContext = {
  session?: RheaSession;
  receiver?: RheaLink;
  sender?: RheaLink;
  delivery?: Delivery;
  /** Bytes, because `message_format` is never 0 when rhea sees it. */
  message?: unknown;
  format?: number;
  error?: unknown;
};

export type RheaConnection = {
  container_id: string | undefined;
  /** The largest frame that the peer takes; null or undefined for no limit. */
  max_frame_size: number | null | undefined;
  remote_channel_map: Record<number, RheaSession>;
  local_channel_map: Record<number, RheaSession>;
  accept(socket: RheaSocket): void;
  close(error?: { condition: string; description: string }): void;
  is_open(): boolean;
  is_closed(): boolean;
  dispatch(event: string, context: RheaContext): boolean;
  _process(): void;
  _register(): void;
  _write_frame(channel?: number, frame?: Composite, payload?: Buffer): void;
  /** Writes the frames that were encoded. */
  output(): void;
  on_open(frame: Frame<OpenFields>): void;
  on_begin(frame: Frame<unknown>): void;
  on_attach(frame: Frame<AttachFields>): void;
  on_flow(frame: Frame<FlowFields>): void;
  on_transfer(frame: Frame<TransferFields>): void;
  on_disposition(frame: Frame<DispositionFields>): void;
  on_detach(frame: Frame<{ handle: number }>): void;
};

/** What rhea needs of a socket. */
export type RheaSocket = {
  on(event: 'data', handler: (bytes: Buffer) => void): void;
  on(event: 'end' | 'error', handler: (error?: Error) => void): void;
  write(bytes: Buffer): void;
  end(): void;
  destroy(): void;
  removeAllListeners(event: string): void;
  get_id_string(): string;
};

/** A delivery of ours; `settled` before it is transferred means that the peer need not answer. */
export type OutgoingDelivery = Delivery & {
  settled: boolean;
  remote_settled: boolean;
  remote_state?: { constructor: { composite_type?: string } };
};
