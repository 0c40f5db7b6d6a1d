/** Golden cases of iotdh.dicom.v1. */
import {
  DestinationState,
  DestinationStatusSchema,
  DeviceObjectSchema,
  ErrorInfoSchema,
  ErrorReason,
  GetObjectRequestSchema,
  GetObjectResponseSchema,
  ListObjectsRequestSchema,
  ListObjectsResponseSchema,
  ObjectNotFoundSchema,
  ObjectState,
  ObjectStatusSchema,
} from '@iotdh/proto/dicom/v1';
import { cases } from './cases.ts';
import { at, digest } from './examples.ts';

const destination = {
  aeTitle: 'PACS MAIN_1',
  state: DestinationState.FAILED,
  dimseStatus: 0xa700,
  attempts: 5,
  detail: 'Out of resources',
};
const bareObjectStatus = {
  sopInstanceUid: '1.2.840.10008.5.1.4.1.1.2.1',
  digest: digest(0xf1),
  state: ObjectState.SPOOLED,
  stateTime: at(0),
};
export const objectStatus = {
  ...bareObjectStatus,
  size: 526_336n,
  studyInstanceUid: '1.2.276.0.7230010.3.1.2.0',
  state: ObjectState.FAILED,
  destinations: [destination],
  detail: 'PACS MAIN_1 refused it five times',
};
const deviceObject = { deviceId: 'ws-0001', status: bareObjectStatus };
const uidRule = 'sop_instance_uid: string.pattern';
const aeRule = 'ae_title: string.pattern';

export const dicomCases = [
  cases(
    DestinationStatusSchema,
    {
      minimal: { aeTitle: 'A', state: DestinationState.QUEUED },
      stored: { aeTitle: 'PACS', state: DestinationState.STORED, dimseStatus: 0 },
      full: destination,
    },
    {
      'ae-title-leading-space': [{ aeTitle: ' PACS' }, aeRule],
      'ae-title-backslash': [{ aeTitle: 'PA\\CS' }, aeRule],
    },
  ),
  cases(
    ObjectStatusSchema,
    { minimal: bareObjectStatus, full: objectStatus },
    {
      'uid-leading-zero': [{ sopInstanceUid: '1.02.3' }, uidRule],
      'uid-empty-part': [{ sopInstanceUid: '1..3' }, uidRule],
    },
  ),
  cases(ErrorInfoSchema, { minimal: {}, full: { reason: ErrorReason.OBJECT_NOT_FOUND, retryable: true } }),
  cases(ObjectNotFoundSchema, { full: { deviceId: 'ws-0001', digest: digest(0xf1) } }),
  cases(DeviceObjectSchema, { full: deviceObject }),
  cases(GetObjectRequestSchema, { full: { deviceId: 'ws-0001', digest: digest(0xf1) } }),
  cases(GetObjectResponseSchema, { full: { object: deviceObject } }),
  cases(ListObjectsRequestSchema, {
    minimal: {},
    full: {
      deviceId: 'ws-0001',
      states: [ObjectState.CONFLICT, ObjectState.QUARANTINED],
      pageSize: 1000,
      pageToken: 'p2',
    },
  }),
  cases(ListObjectsResponseSchema, { minimal: {}, full: { objects: [deviceObject], nextPageToken: 'p3' } }),
];
