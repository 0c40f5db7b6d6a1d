/** The cases of TUF's conformance suite that the device's client fails by design, each with the reason. Every other one has to pass. */

export type ExpectedFailure = {
  /** The case as pytest names it; without parameters: whatever they are. */
  name: string;
  reason: string;
};

const delegates =
  'its targets delegate, which is refused as unsupported: who signs packs is said by the root alone';

const delegating = [
  'test_unusual_role_name',
  'test_targets_role_removal',
  'test_targets_fast_forward_recovery',
  'test_static_repository[tuf-on-ci-0.11]',
  'test_static_repository[sigstore-root-signing]',
  'test_graph_traversal',
  // The others of this kind expect that nothing is downloaded.
  'test_targetfile_search[no delegations]',
  'test_targetfile_search[targetpath matches wildcard]',
  'test_targetfile_search[targetpath with separators x]',
  'test_targetfile_search[targetpath with separators y]',
  'test_targetfile_search[targetpath is not delegated by all roles in the chain]',
  'test_targetfile_search[targetpath matches question mark wildcard]',
  'test_delegation_not_in_snapshot',
];

export const expectedFailures: readonly ExpectedFailure[] = [
  ...delegating.map((name) => ({ name, reason: delegates })),
  {
    name: 'test_artifact_cache',
    reason:
      'the client of the suite keeps no cache of targets: a device keeps objects by digest, outside the workflow',
  },
];
