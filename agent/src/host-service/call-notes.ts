/**
 * Every call is written down before anything looks at it, and how it ended, refusals included: around the HTTP listener, because
 * much is refused before the service hears of it, and in an interceptor, which knows the code.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
} from '@connectrpc/connect';
import { HostService } from '@iotdh/proto/host/v1';
import type { CallJournal } from './call-journal.ts';

/** `hasArrived`: the interceptor has it, and says how it ended. */
type Note = { id: number; hasArrived: boolean };

export type CallNotes = {
  /** False: there is no room, and the call is refused. */
  begin(request: IncomingMessage, response: ServerResponse, caller: string): boolean;
  /** Somebody got no further than the handshake. */
  refused(): void;
  contextValues(request: object): ContextValues;
  interceptor: Interceptor;
};

const noteKey = createContextKey<Note | null>(null);
const prefix = `/${HostService.typeName}/`;
const maxMethodLength = 128;
const noRoom = {
  code: 'resource_exhausted',
  message: 'there is no room to write the call down, so nothing was done',
};

export function createCallNotes({
  journal,
  now,
}: {
  journal: Pick<CallJournal, 'note' | 'noteEnd'>;
  now: () => number;
}): CallNotes {
  const notes = new WeakMap<object, Note>();
  const end = ({ id }: Note, outcome: string) => journal.noteEnd(id, outcome, now());

  return {
    begin(request, response, caller) {
      const { url = '' } = request;
      const method = (url.startsWith(prefix) ? url.slice(prefix.length) : url).slice(0, maxMethodLength);
      const id = journal.note({ caller, method, timeMs: now() });
      if (id === null) {
        response.writeHead(429, { 'content-type': 'application/json' }).end(JSON.stringify(noRoom));
        return false;
      }
      const note: Note = { id, hasArrived: false };
      notes.set(request, note);
      response.once('close', () => {
        if (!note.hasArrived) end(note, `http_${response.statusCode}`);
      });
      return true;
    },
    refused() {
      const id = journal.note({ caller: 'unknown', method: '', timeMs: now() });
      if (id !== null) end({ id, hasArrived: false }, 'not_let_in');
    },
    contextValues: (request) => createContextValues().set(noteKey, notes.get(request) ?? null),
    interceptor: (next) => async (request) => {
      const note = request.contextValues.get(noteKey);
      if (note === null) return next(request);
      note.hasArrived = true;
      try {
        const response = await next(request);
        end(note, 'ok');
        return response;
      } catch (error) {
        end(note, Code[ConnectError.from(error).code]);
        throw error;
      }
    },
  };
}
