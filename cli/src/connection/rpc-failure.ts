/** What a call's error means for the person at the terminal: an exit code, what it is about, and what to do next. */
import { Code, ConnectError } from '@connectrpc/connect';
import { ViolationsSchema } from '@iotdh/proto/buf/validate';
import {
  ManifestRejectedSchema,
  ObjectsMissingSchema,
  ResourceConflictSchema,
  ResourceKind,
  ResourceNotFoundSchema,
} from '@iotdh/proto/fleet/v1';
import { type ExitCode, exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { hexText } from '../output/words.ts';

const nouns: Readonly<Record<number, [noun: string, list: string]>> = {
  [ResourceKind.DEVICE]: ['device', 'iotdh device list'],
  [ResourceKind.PACK]: ['pack', 'iotdh pack list'],
  [ResourceKind.ASSIGNMENT]: ['assignment', 'iotdh assignment list'],
  [ResourceKind.LOG_COLLECTION]: ['log collection', 'iotdh logs DEVICE --collect'],
};

const conflictAdvice: Readonly<Record<number, string>> = {
  [ResourceKind.ASSIGNMENT]: 'See it with: iotdh assignment get ID',
  [ResourceKind.PACK]: 'It has this name and version with another manifest: give yours a new version.',
  [ResourceKind.DEVICE]: 'See it with: iotdh device get ID',
};

const codes: Partial<Record<Code, ExitCode>> = {
  [Code.InvalidArgument]: exitCode.usage,
  [Code.Unauthenticated]: exitCode.auth,
  [Code.PermissionDenied]: exitCode.auth,
  [Code.NotFound]: exitCode.notFound,
  [Code.Unavailable]: exitCode.unreachable,
  [Code.DeadlineExceeded]: exitCode.timeout,
  [Code.Canceled]: exitCode.interrupted,
};

/** Whether the server was not reached: fetch reports a refused connection as a TypeError, which Connect calls unknown. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  return error.code === Code.Unavailable || (error.code === Code.Unknown && error.cause instanceof TypeError);
}

/** Undefined when the error is of no call. */
export function rpcFailure(error: unknown): Failure | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const cause = error;
  if (isUnreachable(error)) {
    return new Failure(exitCode.unreachable, `the fleet is not reached: ${reasonOf(error)}`, {
      next: 'See which address is used with: iotdh profile show\nOn this machine: iotdh dev status',
      cause,
    });
  }
  const [missing] = error.findDetails(ResourceNotFoundSchema);
  if (missing !== undefined) {
    const [noun, list] = nouns[missing.kind] ?? ['thing', ''];
    const next = list === '' ? '' : `See what there is with: ${list}`;
    return new Failure(exitCode.notFound, `there is no ${noun} ${missing.id}`, { next, cause });
  }
  const [conflict] = error.findDetails(ResourceConflictSchema);
  if (conflict !== undefined) {
    const [noun] = nouns[conflict.kind] ?? ['thing'];
    const next = conflictAdvice[conflict.kind]?.replace('ID', conflict.id) ?? '';
    const message = error.rawMessage.includes(conflict.id)
      ? error.rawMessage
      : `${noun} ${conflict.id} is in the way: ${error.rawMessage}`;
    return new Failure(exitCode.failed, message, { next, cause });
  }
  const [rejected] = error.findDetails(ManifestRejectedSchema);
  if (rejected !== undefined) {
    return new Failure(exitCode.failed, `the manifest was rejected: ${rejected.problems.join('; ')}`, {
      cause,
    });
  }
  const [objects] = error.findDetails(ObjectsMissingSchema);
  if (objects !== undefined) {
    const [first, ...more] = objects.objectDigests.map(hexText);
    const rest = more.length === 0 ? '' : ` and ${more.length} more`;
    const next = 'Upload the pack again: what is there is not sent twice.';
    return new Failure(exitCode.failed, `the pack lacks object ${first}${rest}`, { next, cause });
  }
  const [violations] = error.findDetails(ViolationsSchema);
  if (violations !== undefined && violations.violations.length > 0) {
    const texts = violations.violations.map(({ field, message }) => {
      const path = field?.elements.map(({ fieldName }) => fieldName).join('.') ?? '';
      return path === '' ? message : `${path} ${message}`;
    });
    return new Failure(exitCode.usage, texts.join('; '), { cause });
  }
  const code = codes[error.code] ?? exitCode.failed;
  const next =
    code === exitCode.auth
      ? 'Give a token with IOTDH_TOKEN, --token-file or: iotdh profile set'
      : code === exitCode.timeout
        ? 'Whether it was carried out is not known; the same command again is harmless.'
        : '';
  return new Failure(code, error.rawMessage || `the call failed: ${Code[error.code]}`, { next, cause });
}

/** `connect ECONNREFUSED 127.0.0.1:18080` is deep inside. */
function reasonOf(error: ConnectError): string {
  let reason = error.rawMessage;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    reason = message || code || reason;
  }
  return reason;
}
