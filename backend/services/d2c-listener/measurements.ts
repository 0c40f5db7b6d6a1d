/** What the listener measures about itself. */
import type { Metrics } from '../../shared/metrics.ts';
import type { Incoming } from './incoming.ts';
import type { Stored } from './store-batch.ts';

export type Measurements = {
  arrived(incoming: Incoming): void;
  stored(partitionId: string, count: number, seconds: number, stored: Stored): void;
  /** How far behind: how old the newest stored event is, and how many come after it. */
  lag(partitionId: string, seconds: number, events: number | undefined): void;
  conflict(): void;
  failed(what: string): void;
  owned(partitions: number): void;
};

export function createMeasurements(metrics: Metrics): Measurements {
  const events = metrics.counter('d2c_events_total', 'Events read, by what they are', ['kind']);
  const setAside = metrics.counter('d2c_set_aside_total', 'Messages set aside');
  const duplicates = metrics.counter('d2c_duplicates_total', 'Messages that had been stored before');
  const lines = metrics.counter('d2c_lost_log_lines_total', 'Lines that devices had to drop');
  const measured = metrics.counter('d2c_lost_measurements_total', 'Measurements that devices had to drop');
  const conflicts = metrics.counter('d2c_conflicts_total', 'Transactions that were tried again');
  const failures = metrics.counter('d2c_failures_total', 'Failures of the surroundings', ['what']);
  const size = metrics.histogram('d2c_batch_events', 'Events in a batch', {
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
  });
  const duration = metrics.histogram('d2c_commit_seconds', 'Time to store a batch', {
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
  });
  const lagSeconds = metrics.gauge('d2c_lag_seconds', 'Age of the newest event that is stored', [
    'partition',
  ]);
  const lagEvents = metrics.gauge('d2c_lag_events', 'Events behind the end of the partition', ['partition']);
  const owned = metrics.gauge('d2c_partitions', 'Partitions that this replica reads');
  return {
    arrived(incoming) {
      const kind =
        incoming.kind === 'message'
          ? (incoming.message.payload.case ?? 'none')
          : incoming.kind === 'not-ours'
            ? 'not_ours'
            : incoming.kind;
      events({ kind });
    },
    stored(_partitionId, count, seconds, stored) {
      size(count);
      duration(seconds);
      if (stored.setAside.length > 0) setAside({}, stored.setAside.length);
      if (stored.duplicates > 0) duplicates({}, stored.duplicates);
      if (stored.lostLines > 0) lines({}, stored.lostLines);
      if (stored.lostMeasurements > 0) measured({}, stored.lostMeasurements);
    },
    lag(partition, seconds, behind) {
      lagSeconds(seconds, { partition });
      if (behind !== undefined) lagEvents(behind, { partition });
    },
    conflict: () => conflicts(),
    failed: (what) => failures({ what }),
    owned,
  };
}
