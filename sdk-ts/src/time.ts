/** The contract's times as plain ones. */
import { type Duration, durationMs, type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';

export const dateOf = (time: Timestamp | undefined): Date | null =>
  time === undefined ? null : timestampDate(time);

export const msOf = (duration: Duration): number => durationMs(duration);
