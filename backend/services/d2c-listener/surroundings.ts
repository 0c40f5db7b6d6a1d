/** Tells failures of the surroundings, which pass, from those that come back with the same message however often it is tried. */
import { MongoError, MongoServerError } from 'mongodb';

/** The server has looked at what it was given, and refuses it. */
const refusals: ReadonlySet<number> = new Set([
  2, // BadValue
  9, // FailedToParse
  14, // TypeMismatch
  22, // InvalidBSON
  52, // DollarPrefixedFieldName
  57, // DottedFieldName
  121, // DocumentValidationFailure
  257, // TransactionTooLarge
  10_334, // BSONObjectTooLarge
  11_000, // DuplicateKey
  17_280, // KeyTooLong
]);

const passing = ['TransientTransactionError', 'UnknownTransactionCommitResult', 'RetryableWriteError'];

/** True: trying the same again may succeed, since it is the database or the network that failed. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof MongoError)) return false;
  if (passing.some((label) => error.hasErrorLabel(label))) return true;
  if (error instanceof MongoServerError) return !refusals.has(Number(error.code));
  // Of the driver's own errors, those about what it was given are not MongoErrors of the network.
  return !/BSON|InvalidArgument|Parse|Compatibility|APIError/.test(error.name);
}

/** What failed, without quoting what the message says. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'an unknown failure';
  const code = 'code' in error && typeof error.code === 'number' ? ` (code ${error.code})` : '';
  return `${error.name}${code}`;
}
