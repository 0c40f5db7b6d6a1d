/** Reads what is assigned from the desired properties of the twin. */
import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { AssignmentPointerSchema } from '@iotdh/proto/bus/v1';
import { createPayloadReader } from '@iotdh/proto/payload';
import type { Assignment } from './bus.ts';
import { describe } from './notes.ts';

export type ReadAssignment =
  | { kind: 'read'; assignment: Assignment }
  | { kind: 'unreadable'; reason: string };

/** Far above a pointer and what later versions may add to it. */
const maxBytes = 4_096;

/** Never throws. `unreadable`: something is assigned that this agent does not understand. */
export function createAssignmentReader(): (desired: Record<string, unknown>) => ReadAssignment {
  const read = createPayloadReader(AssignmentPointerSchema, { maxBytes });
  return ({ assignment }) => {
    if (assignment === undefined || assignment === null) return { kind: 'read', assignment: null };
    try {
      const json = assignment as JsonValue;
      const pointer = fromJson(AssignmentPointerSchema, json, { ignoreUnknownFields: true });
      // The rules of the contract are checked by the one reader that knows them.
      const payload = read(toBinary(AssignmentPointerSchema, pointer));
      if (payload.kind === 'valid') return { kind: 'read', assignment: payload.message };
      const [first] = payload.kind === 'invalid' ? payload.violations : [];
      return { kind: 'unreadable', reason: `${payload.kind} ${first?.field ?? ''} ${first?.message ?? ''}` };
    } catch (error) {
      return { kind: 'unreadable', reason: describe(error) };
    }
  };
}
