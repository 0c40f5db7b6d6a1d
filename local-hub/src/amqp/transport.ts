/**
 * One stream below AMQP: speaks the protocol headers and SASL, feeds rhea with complete, checked frames, and gathers what
 * is written in one turn into one write. Stops reading while the peer does not read.
 */
import type { Duplex } from 'node:stream';
import type { RheaSocket } from './rhea-internals.ts';
import { encodeMechanisms, encodeOutcome, readInit, type SaslInit } from './sasl.ts';
import { WireError } from './wire/check.ts';
import {
  amqpProtocol,
  checkFrame,
  createFrameCutter,
  protocolHeader,
  protocolOf,
  saslProtocol,
} from './wire/frame.ts';

export type TransportOptions = {
  stream: Duplex;
  /** Address and port of the peer. */
  remote: string;
  maxFrameBytes: number;
  /** Above this many unsent bytes `blocked` is true and nothing more is read. */
  maxBacklogBytes: number;
  /** SASL mechanisms offered, best first. */
  mechanisms: readonly string[];
  /** Decides about the client's SASL choice; false refuses it and ends the connection. */
  authenticate(init: SaslInit): boolean;
  /** The peer sent what cannot be understood; the transport has stopped reading. */
  onMalformed(error: unknown): void;
  /** What was blocked may be sent now. */
  onDrain(): void;
  /** The stream is gone. Called once. */
  onClose(): void;
};

export type Transport = {
  readonly socket: RheaSocket;
  /** True while the peer takes less than it is sent. */
  readonly blocked: boolean;
  /** Flushes what was written and ends the stream. */
  end(): void;
  /** Cuts the stream. */
  destroy(): void;
};

const headerBytes = 8;
/** Tokens of a few hundred bytes travel in PLAIN; the standard's minimum of 512 is too small for them. */
const maxSaslFrameBytes = 8_192;

type Phase =
  | { kind: 'header'; held: Buffer; authenticated: boolean }
  | { kind: 'sasl'; held: Buffer }
  | { kind: 'frames'; cut: (chunk: Buffer) => Buffer | undefined }
  | { kind: 'stopped' };

export function createTransport(options: TransportOptions): Transport {
  const { stream, maxBacklogBytes, maxFrameBytes } = options;
  let phase: Phase = { kind: 'header', held: Buffer.alloc(0), authenticated: false };
  let toRhea: (bytes: Buffer) => void = () => {};
  let rheaEnd: () => void = () => {};
  let corked = false;

  function uncork(): void {
    corked = false;
    stream.uncork();
  }

  function write(bytes: Buffer): void {
    if (!stream.writable) return;
    if (!corked) {
      corked = true;
      stream.cork();
      process.nextTick(uncork);
    }
    stream.write(bytes);
    if (stream.writableLength > maxBacklogBytes) stream.pause();
  }

  function end(): void {
    phase = { kind: 'stopped' };
    // rhea writes its last frame in the next tick.
    setImmediate(() => stream.end());
  }

  function readHeader(bytes: Buffer, authenticated: boolean): void {
    if (bytes.length < headerBytes) {
      phase = { kind: 'header', held: bytes, authenticated };
      return;
    }
    const protocol = protocolOf(bytes);
    const rest = bytes.subarray(headerBytes);
    if (protocol === amqpProtocol) {
      phase = { kind: 'frames', cut: createFrameCutter(maxFrameBytes, checkFrame) };
      toRhea(bytes.subarray(0, headerBytes));
      consume(rest);
    } else if (protocol === saslProtocol && !authenticated) {
      phase = { kind: 'sasl', held: Buffer.alloc(0) };
      write(protocolHeader(saslProtocol));
      write(encodeMechanisms(options.mechanisms));
      consume(rest);
    } else {
      // AMQP 1.0 part 2, section 2.2: answer with what is spoken here, then close.
      write(protocolHeader(saslProtocol));
      throw new WireError(`the protocol header ${bytes.toString('hex', 0, headerBytes)} is not AMQP 1.0`);
    }
  }

  function readSasl(bytes: Buffer): void {
    const size = bytes.length < 4 ? undefined : bytes.readUInt32BE(0);
    if (size !== undefined && (size < headerBytes || size > maxSaslFrameBytes))
      throw new WireError(`a SASL frame says that it has ${size} bytes`);
    if (size === undefined || bytes.length < size) {
      phase = { kind: 'sasl', held: bytes };
      return;
    }
    const accepted = options.authenticate(readInit(bytes.subarray(0, size)));
    write(encodeOutcome(accepted));
    if (accepted) readHeader(bytes.subarray(size), true);
    else end();
  }

  function consume(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (phase.kind === 'frames') {
      const frames = phase.cut(chunk);
      if (frames) toRhea(frames);
    } else if (phase.kind === 'header') {
      readHeader(Buffer.concat([phase.held, chunk]), phase.authenticated);
    } else if (phase.kind === 'sasl') {
      readSasl(Buffer.concat([phase.held, chunk]));
    }
  }

  stream.on('data', (chunk: Buffer) => {
    try {
      consume(chunk);
    } catch (error) {
      phase = { kind: 'stopped' };
      options.onMalformed(error);
    }
  });
  stream.on('drain', () => {
    stream.resume();
    options.onDrain();
  });
  // A peer that sends no more has left, even if it would still read. A WebSocket does not close by itself.
  stream.on('end', end);
  stream.on('error', () => {
    // 'close' follows, and does what is needed.
  });
  stream.on('close', () => {
    phase = { kind: 'stopped' };
    rheaEnd();
    options.onClose();
  });

  const socket: RheaSocket = {
    on(event: 'data' | 'end' | 'error', handler: (argument: never) => void) {
      if (event === 'data') toRhea = handler as (bytes: Buffer) => void;
      else if (event === 'end') rheaEnd = handler as () => void;
    },
    write,
    end,
    destroy: () => stream.destroy(),
    removeAllListeners() {
      // rhea calls this before it destroys the socket.
    },
    get_id_string: () => options.remote,
  };
  return {
    socket,
    get blocked() {
      return stream.writableLength > maxBacklogBytes;
    },
    end,
    destroy: () => stream.destroy(),
  };
}
