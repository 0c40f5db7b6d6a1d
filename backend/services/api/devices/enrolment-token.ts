/** Enrolment tokens: of a device that is registered, and another one for a device that must enrol again. */
import { createHash, randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type IssueEnrolmentTokenRequest,
  IssueEnrolmentTokenRequestSchema,
  type IssueEnrolmentTokenResponse,
  IssueEnrolmentTokenResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { DeviceDocument } from '../../../shared/database/collections.ts';
import { findAnswer, keepAnswer } from '../answers.ts';
import { type Caller, commit, type Fleet, isDuplicate } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import { deviceNamed } from './find.ts';

const tokenBytes = 32;
const tokenLifeMs = 7 * 86_400_000;

/** A token, and what the database has of it. */
export function newToken(nowMs: number): {
  token: string;
  expireMs: number;
  enrolment: NonNullable<DeviceDocument['enrolment']>;
} {
  const token = randomBytes(tokenBytes).toString('base64url');
  const expireMs = nowMs + tokenLifeMs;
  const tokenDigest = createHash('sha256').update(token).digest('hex');
  return { token, expireMs, enrolment: { tokenDigest, expireTime: new Date(expireMs) } };
}

export async function issueEnrolmentToken(
  fleet: Fleet,
  request: IssueEnrolmentTokenRequest,
  caller: Caller,
): Promise<IssueEnrolmentTokenResponse> {
  const { devices, requests } = fleet.database.collections;
  const { deviceId, requestId } = request;
  const key = {
    operator: caller.operator,
    requestId,
    request,
    requestSchema: IssueEnrolmentTokenRequestSchema,
    responseSchema: IssueEnrolmentTokenResponseSchema,
  };
  const answered = await findAnswer(requests, key);
  if (answered !== null) return answered;
  try {
    return await commit(fleet, async (session) => {
      const { retireTime } = await deviceNamed(fleet, deviceId, session);
      if (retireTime !== null) refuse({ kind: 'device_retired', deviceId });
      const nowMs = fleet.clock.now();
      const { token, expireMs, enrolment } = newToken(nowMs);
      await devices.updateOne({ _id: deviceId }, { $set: { enrolment } }, { session });
      const response = create(IssueEnrolmentTokenResponseSchema, {
        enrolmentToken: token,
        tokenExpireTime: timestampFromMs(expireMs),
      });
      await keepAnswer(session, requests, key, response, nowMs);
      return response;
    });
  } catch (error) {
    const faster = isDuplicate(error) ? await findAnswer(requests, key) : null;
    if (faster === null) throw error;
    return faster;
  }
}
