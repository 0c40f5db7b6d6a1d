/**
 * What a caller gets for whatever a handler throws: refusals as the contract says, surroundings that are away as UNAVAILABLE,
 * and everything else as INTERNAL without its words, which go to the log alone.
 */
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { KeyVaultError } from '@iotdh/trust/author';
import { MongoError, MongoServerError } from 'mongodb';
import { HubUnavailableError } from '../identities.ts';

export type FailureOptions = {
  /** What a handler throws to refuse, as the caller gets it. Null: it is none. */
  refusalOf(error: unknown): ConnectError | null;
  /** A failure that is not the caller's, with the method that it happened in. */
  onFailure(method: string, error: unknown): void;
};

export function createFailures({ refusalOf, onFailure }: FailureOptions): Interceptor {
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    const translate = (error: unknown): ConnectError => {
      const refusal = refusalOf(error);
      if (refusal !== null) return refusal;
      if (error instanceof ConnectError) return error;
      // Whoever closes a page ends its stream: nobody is left to be told, and nothing has failed.
      if (request.signal.aborted) return ConnectError.from(request.signal.reason, Code.Canceled);
      onFailure(method, error);
      return isAway(error)
        ? new ConnectError('something that the service needs is away for now; retry', Code.Unavailable)
        : new ConnectError('the service failed; its log says how', Code.Internal);
    };
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const messages = response.message;
      return {
        ...response,
        message: (async function* () {
          try {
            yield* messages;
          } catch (error) {
            throw translate(error);
          }
        })(),
      };
    } catch (error) {
      throw translate(error);
    }
  };
}

/** Whether the same request can succeed later: the database, the hub, the blobs or the keys do not answer. */
function isAway(error: unknown): boolean {
  if (error instanceof HubUnavailableError) return true;
  // What trust/ says of a key that is in a vault.
  if (error instanceof KeyVaultError) return error.retryable;
  // A server that answers with an error is there, unless it says that trying again helps.
  if (error instanceof MongoServerError) {
    return error.hasErrorLabel('TransientTransactionError') || error.hasErrorLabel('RetryableWriteError');
  }
  if (error instanceof MongoError) return true;
  const { name, statusCode } = (error ?? {}) as { name?: string; statusCode?: number };
  // Azure Storage's client: no answer at all, or one that asks for patience.
  return (
    name === 'RestError' &&
    (statusCode === undefined || statusCode === 408 || statusCode === 429 || statusCode >= 500)
  );
}
