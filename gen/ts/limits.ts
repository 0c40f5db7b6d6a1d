/**
 * The one interceptor that holds callers to the limits of the contract: the protovalidate rules in proto/. A request, or a
 * message of a request stream, that breaks one never reaches its handler; the caller gets INVALID_ARGUMENT with
 * buf.validate.Violations that name each field and rule.
 */
import type { Validator } from '@bufbuild/protovalidate';
import type { Interceptor } from '@connectrpc/connect';
import { createValidateInterceptor } from '@connectrpc/validate';
import { sharedValidator } from './payload.ts';

/** The most bytes of one request that a server reads: a manifest of 16 MiB, and 64 KiB around it. */
export const maxRequestBytes = 16 * 1024 * 1024 + 64 * 1024;

/**
 * What every server of the contract passes to its Connect adapter:
 * `connectNodeAdapter({ routes, ...createLimits() })`. A request over `readMaxBytes` fails with RESOURCE_EXHAUSTED.
 * `readMaxBytes` defaults to `maxRequestBytes`; a service without manifests can set it far lower.
 */
export function createLimits(options: { readMaxBytes?: number; validator?: Validator } = {}): {
  interceptors: Interceptor[];
  readMaxBytes: number;
} {
  const validator = options.validator ?? sharedValidator;
  return {
    interceptors: [createValidateInterceptor({ validator })],
    readMaxBytes: options.readMaxBytes ?? maxRequestBytes,
  };
}
