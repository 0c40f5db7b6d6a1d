/** What the sender and its thread tell each other. */
import type { C2dMessage, SendOutcome } from './c2d-message.ts';

export type ThreadData = { connectionString: string; caPem: string | undefined };

export type ToThread = { kind: 'send'; id: number; message: C2dMessage } | { kind: 'close' };

export type FromThread = { kind: 'open' } | { kind: 'outcome'; id: number; outcome: SendOutcome };
