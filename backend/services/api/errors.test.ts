/** Every error that the contract documents for a method, over the network, with its reason and its detail. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { ViolationsSchema } from '@iotdh/proto/buf/validate';
import { LogRoute } from '@iotdh/proto/bus/v1';
import {
  AssignmentState,
  ErrorInfoSchema,
  ErrorReason,
  ManifestRejectedSchema,
  MetadataRejectedSchema,
  ObjectsMissingSchema,
  PackState,
  ResourceConflictSchema,
  ResourceKind,
  ResourceNotFoundSchema,
  RevisionMismatchSchema,
} from '@iotdh/proto/fleet/v1';
import { ManifestSchema } from '@iotdh/proto/update/v1';
import { apiRig, publishedPack, sha256, testManifest } from './testing/rig.ts';

type Expected = {
  code: Code;
  /** Undefined: the contract documents none. */
  reason?: ErrorReason;
  notFound?: [ResourceKind, string];
  conflict?: [ResourceKind, string];
  /** More of the error. */
  also?(error: ConnectError): void;
};

const nowhere = '00000000-0000-4000-8000-000000000000';
const collect = (collectionId: string) => ({ collectionId, route: LogRoute.BUS });

test('every documented error comes with its code, its reason and its detail', async (t) => {
  const rig = await apiRig(t);
  const { devices, packs, assignments, logs, events } = rig;
  const published = await publishedPack(rig);
  const base = await publishedPack(rig, { kind: 'base' });
  for (const deviceId of ['free', 'busy', 'applying', 'retired']) await devices.registerDevice({ deviceId });
  await devices.retireDevice({ deviceId: 'retired', reason: 'sold' });
  const [busy] = (await assignments.createAssignments({ packId: published, deviceIds: ['busy'] }))
    .assignments;
  const [applying] = (await assignments.createAssignments({ packId: published, deviceIds: ['applying'] }))
    .assignments;
  await rig.database.collections.assignments.updateOne(
    { _id: applying!.assignmentId },
    { $set: { state: 'applying' } },
  );
  const drafted = testManifest({ name: 'draft' });
  const { pack: draft } = await packs.createPack({ manifest: drafted.bytes });
  const yanked = await publishedPack(rig);
  const [removed, removedBase] = [
    await publishedPack(rig, { name: 'removed', version: '2.0' }),
    await publishedPack(rig, { name: 'removed', version: '2.1', kind: 'base' }),
  ];
  const remove = ['2.0', '2.1'].map((version) => ({ name: 'removed', version }));
  await rig.author.change(rig.trust, { remove });
  await packs.yankPack({ packId: yanked, reason: 'it hangs' });
  const requestId = randomUUID();
  await devices.updateDevice({ deviceId: 'free', site: 'one', requestId });
  const collectionId = randomUUID();
  await logs.collectLogs({ deviceId: 'free', request: collect(collectionId) });

  const notFound = (kind: ResourceKind, id: string): Expected => ({
    code: Code.NotFound,
    reason: ErrorReason.RESOURCE_NOT_FOUND,
    notFound: [kind, id],
  });
  const noDevice = notFound(ResourceKind.DEVICE, 'nobody');
  const noPack = notFound(ResourceKind.PACK, nowhere);
  const noAssignment = notFound(ResourceKind.ASSIGNMENT, nowhere);
  const precondition = (reason: ErrorReason): Expected => ({ code: Code.FailedPrecondition, reason });
  const badToken: Expected = { code: Code.InvalidArgument, reason: ErrorReason.PAGE_TOKEN_INVALID };
  const reused: Expected = { code: Code.InvalidArgument, reason: ErrorReason.REQUEST_ID_REUSED };
  const conflict = (kind: ResourceKind, id: string): Expected => ({
    code: Code.AlreadyExists,
    reason: ErrorReason.RESOURCE_CONFLICT,
    conflict: [kind, id],
  });
  const broken = (problem: RegExp): Expected => ({
    code: Code.InvalidArgument,
    reason: ErrorReason.MANIFEST_REJECTED,
    also(error) {
      const [detail] = error.findDetails(ManifestRejectedSchema);
      assert.match(detail?.problems.join('\n') ?? '', problem);
    },
  });
  const violates = (field: string): Expected => ({
    code: Code.InvalidArgument,
    also(error) {
      const [detail] = error.findDetails(ViolationsSchema);
      assert.equal(detail?.violations[0]?.field?.elements[0]?.fieldName, field);
    },
  });
  const spoilt = (change: NonNullable<Parameters<typeof testManifest>[0]>['change']) =>
    packs.createPack({ manifest: testManifest({ ...(change && { change }) }).bytes });
  const assign = (packId: string, deviceId: string, fallbackPackId = '') =>
    assignments.createAssignments({ packId, deviceIds: ['free', deviceId], fallbackPackId });
  const watching = (afterCursor: string) => events.watch({ afterCursor })[Symbol.asyncIterator]().next();

  const rows: [string, () => Promise<unknown>, Expected][] = [
    [
      'RegisterDevice: taken',
      () => devices.registerDevice({ deviceId: 'free' }),
      conflict(ResourceKind.DEVICE, 'free'),
    ],
    ['RegisterDevice: limits', () => devices.registerDevice({ deviceId: 'no/slash' }), violates('device_id')],
    ['IssueEnrolmentToken', () => devices.issueEnrolmentToken({ deviceId: 'nobody' }), noDevice],
    [
      'IssueEnrolmentToken: retired',
      () => devices.issueEnrolmentToken({ deviceId: 'retired' }),
      precondition(ErrorReason.DEVICE_RETIRED),
    ],
    ['GetDevice', () => devices.getDevice({ deviceId: 'nobody' }), noDevice],
    ['ListDevices', () => devices.listDevices({ pageToken: 'forged' }), badToken],
    ['UpdateDevice: none', () => devices.updateDevice({ deviceId: 'nobody' }), noDevice],
    [
      'UpdateDevice: changed meanwhile',
      () => devices.updateDevice({ deviceId: 'free', revision: 7n }),
      {
        code: Code.Aborted,
        reason: ErrorReason.REVISION_MISMATCH,
        also(error) {
          const [detail] = error.findDetails(RevisionMismatchSchema);
          assert.deepEqual([detail?.givenRevision, detail?.currentRevision], [7n, 2n]);
        },
      },
    ],
    [
      'UpdateDevice: id reused',
      () => devices.updateDevice({ deviceId: 'free', site: 'two', requestId }),
      reused,
    ],
    ['RetireDevice', () => devices.retireDevice({ deviceId: 'nobody', reason: 'r' }), noDevice],
    [
      'RetireDevice: limits',
      () => devices.retireDevice({ deviceId: 'free', reason: '' }),
      violates('reason'),
    ],
    ['PurgeDevice', () => devices.purgeDevice({ deviceId: 'nobody' }), noDevice],

    [
      'CreatePack: no manifest',
      () => packs.createPack({ manifest: Buffer.from('nonsense') }),
      broken(/no encoded/),
    ],
    ['CreatePack: limits', () => spoilt((manifest) => (manifest.title = '')), broken(/^title/)],
    [
      'CreatePack: a digest that nothing yields',
      () => spoilt((manifest) => manifest.objects.splice(0)),
      broken(/files\[0\]\.digest: no object yields/),
    ],
    [
      'CreatePack: an object twice',
      () => spoilt((manifest) => manifest.objects.push(manifest.objects[0]!)),
      broken(/listed twice/),
    ],
    [
      'CreatePack: contents that do not add up',
      () => spoilt((manifest) => (manifest.objects[0]!.contents[0]!.size += 1n)),
      broken(/its contents/),
    ],
    [
      'CreatePack: paths that collide on Windows',
      () =>
        spoilt(({ content }) => {
          const kind = content.case === 'patch' ? content.value.components[0]?.kind : undefined;
          const files = kind?.case === 'hostApplication' ? kind.value.files?.files : undefined;
          files?.push({ ...files[0]!, path: 'BIN/app' }, { ...files[0]!, path: 'bin/app/inner' });
        }),
      broken(/BIN\/app is there twice\n.*bin\/app is a file and a folder/),
    ],
    [
      'CreatePack: another manifest of this name and version',
      () =>
        packs.createPack({ manifest: toBinary(ManifestSchema, { ...drafted.manifest, title: 'Another' }) }),
      conflict(ResourceKind.PACK, draft!.packId),
    ],
    ['PublishPack: none', () => packs.publishPack({ packId: nowhere }), noPack],
    [
      'PublishPack: objects missing',
      () => packs.publishPack({ packId: draft!.packId }),
      {
        ...precondition(ErrorReason.OBJECTS_MISSING),
        also(error) {
          const [detail] = error.findDetails(ObjectsMissingSchema);
          assert.deepEqual(detail?.objectDigests.map(Buffer.from), [sha256(drafted.content)]);
        },
      },
    ],
    [
      'PublishPack: yanked',
      () => packs.publishPack({ packId: yanked }),
      precondition(ErrorReason.PACK_NOT_ASSIGNABLE),
    ],
    ['GetPack', () => packs.getPack({ packId: nowhere }), noPack],
    ['GetPackManifest', () => packs.getPackManifest({ packId: nowhere }), noPack],
    ['ListPacks', () => packs.listPacks({ pageToken: 'forged' }), badToken],
    ['YankPack', () => packs.yankPack({ packId: nowhere, reason: 'r' }), noPack],

    ['CreateAssignments: no pack', () => assign(nowhere, 'free2'), noPack],
    ['CreateAssignments: no device', () => assign(published, 'nobody'), noDevice],
    ['CreateAssignments: no fallback', () => assign(published, 'nobody', nowhere), noPack],
    [
      'CreateAssignments: a draft',
      () => assign(draft!.packId, 'x'),
      precondition(ErrorReason.PACK_NOT_ASSIGNABLE),
    ],
    ['CreateAssignments: yanked', () => assign(yanked, 'x'), precondition(ErrorReason.PACK_NOT_ASSIGNABLE)],
    [
      'CreateAssignments: a fallback that is no BASE',
      () => assign(published, 'x', published),
      precondition(ErrorReason.PACK_NOT_ASSIGNABLE),
    ],
    [
      'CreateAssignments: a fallback of a BASE',
      () => assign(base, 'x', base),
      precondition(ErrorReason.PACK_NOT_ASSIGNABLE),
    ],
    [
      'CreateAssignments: no longer signed',
      () => assign(removed, 'busy'),
      {
        ...precondition(ErrorReason.PACK_NOT_SIGNED),
        also: ({ message }) =>
          assert.match(message, /no longer signed.* do not name removed\/2\.0 .*pack sign.*pack upload/),
      },
    ],
    [
      'CreateAssignments: a fallback that is no longer signed',
      () => assign(published, 'busy', removedBase),
      precondition(ErrorReason.PACK_NOT_SIGNED),
    ],
    [
      'CreateAssignments: retired',
      () => assign(published, 'retired'),
      precondition(ErrorReason.DEVICE_RETIRED),
    ],
    [
      'CreateAssignments: one goes on',
      () => assign(published, 'busy'),
      conflict(ResourceKind.ASSIGNMENT, busy!.assignmentId),
    ],
    [
      'CreateAssignments: a period that ends before it begins',
      () =>
        assignments.createAssignments({
          ...{ packId: published, deviceIds: ['free'] },
          ...{ notBefore: { seconds: 9n }, notAfter: { seconds: 8n } },
        }),
      violates('not_after'),
    ],
    [
      'PublishMetadata: targets for more than a year',
      () => rig.author.change(rig.trust, {}, Date.now() + 2 * 86_400_000),
      {
        ...{ code: Code.InvalidArgument, reason: ErrorReason.METADATA_REJECTED },
        also(error) {
          const [detail] = error.findDetails(MetadataRejectedSchema);
          assert.equal(detail?.rule, 'ends_too_late');
          assert.match(
            error.message,
            /nothing has changed: targets \d+ would be good until .* more than 365 days/,
          );
        },
      },
    ],
    ['GetAssignment', () => assignments.getAssignment({ assignmentId: nowhere }), noAssignment],
    ['ListAssignments', () => assignments.listAssignments({ pageToken: 'forged' }), badToken],
    [
      'CancelAssignment',
      () => assignments.cancelAssignment({ assignmentId: nowhere, reason: 'r' }),
      noAssignment,
    ],
    [
      'CancelAssignment: applying',
      () => assignments.cancelAssignment({ assignmentId: applying!.assignmentId, reason: 'r' }),
      precondition(ErrorReason.UPDATE_UNDER_WAY),
    ],

    [
      'Watch: a cursor of another database',
      () => watching('e1-999999'),
      { code: Code.OutOfRange, reason: ErrorReason.CURSOR_EXPIRED },
    ],
    [
      'Watch: no cursor',
      () => watching('forged'),
      { code: Code.OutOfRange, reason: ErrorReason.CURSOR_EXPIRED },
    ],
    ['ListLogs: no device', () => logs.listLogs({ deviceId: 'nobody' }), noDevice],
    ['ListLogs: page', () => logs.listLogs({ deviceId: 'free', pageToken: 'forged' }), badToken],
    [
      'CollectLogs: no device',
      () => logs.collectLogs({ deviceId: 'nobody', request: collect(randomUUID()) }),
      noDevice,
    ],
    [
      'CollectLogs: retired',
      () => logs.collectLogs({ deviceId: 'retired', request: collect(randomUUID()) }),
      precondition(ErrorReason.DEVICE_RETIRED),
    ],
    [
      'CollectLogs: an id that is taken',
      () => logs.collectLogs({ deviceId: 'busy', request: collect(collectionId) }),
      conflict(ResourceKind.LOG_COLLECTION, collectionId),
    ],
    [
      'GetLogCollection',
      () => logs.getLogCollection({ collectionId: nowhere }),
      notFound(ResourceKind.LOG_COLLECTION, nowhere),
    ],
    [
      'no token',
      () => rig.clients(rig.api, { token: null }).devices.getDevice({ deviceId: 'free' }),
      { code: Code.Unauthenticated },
    ],
    [
      'a wrong token',
      () => rig.clients(rig.api, { token: 'x'.repeat(40), protocol: 'grpc' }).packs.listPacks({}),
      { code: Code.Unauthenticated },
    ],
  ];

  for (const [name, call, expected] of rows) {
    await t.test(name, async () => {
      const error = await call().then(
        () => assert.fail('it was carried out'),
        (reason: unknown) => ConnectError.from(reason),
      );
      assert.equal(Code[error.code], Code[expected.code], error.rawMessage);
      assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, expected.reason);
      const [missing] = error.findDetails(ResourceNotFoundSchema);
      assert.deepEqual(missing && [missing.kind, missing.id], expected.notFound);
      const [inTheWay] = error.findDetails(ResourceConflictSchema);
      assert.deepEqual(inTheWay && [inTheWay.kind, inTheWay.id], expected.conflict);
      expected.also?.(error);
    });
  }

  await t.test('what was refused has changed nothing', async () => {
    const open = await assignments.listAssignments({ states: [AssignmentState.WAITING] });
    assert.deepEqual(
      open.assignments.map((assignment) => assignment.deviceId),
      ['busy'],
    );
    const drafts = await packs.listPacks({ states: [PackState.DRAFT] });
    assert.deepEqual(
      drafts.packs.map((pack) => pack.packId),
      [draft?.packId],
    );
  });
});
