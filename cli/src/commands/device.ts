/** `iotdh device …`. */
import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { toJson } from '@bufbuild/protobuf';
import { State } from '@iotdh/proto/agent/v1';
import {
  Connectivity,
  IssueEnrolmentTokenResponseSchema,
  PurgeDeviceResponseSchema,
  type RegisterDeviceResponse,
  RegisterDeviceResponseSchema,
} from '@iotdh/proto/fleet/v1';
import { readPages } from '../connection/pages.ts';
import { printJson, printList, printOne } from '../output/format.ts';
import { timeText } from '../output/words.ts';
import { deviceView } from '../views/device.ts';
import { type Context, noteMore } from './context.ts';
import { enumValue, labelsOf } from './words.ts';

export type ListOptions = {
  text?: string;
  site?: string[];
  label?: string[];
  state?: string[];
  connected?: boolean;
  disconnected?: boolean;
  retired?: boolean;
  limit: number;
};

export async function listDevices({ terminal, fleet, format }: Context, options: ListOptions): Promise<void> {
  const { limit } = options;
  const connectivity = options.connected
    ? Connectivity.CONNECTED
    : options.disconnected
      ? Connectivity.DISCONNECTED
      : Connectivity.UNSPECIFIED;
  const filter = {
    text: options.text ?? '',
    sites: options.site ?? [],
    labels: labelsOf(options.label ?? []),
    states: (options.state ?? []).map((word) => enumValue(State, word)),
    connectivity,
    includeRetired: options.retired ?? false,
  };
  const { items, more } = await readPages(limit, async (pageSize, pageToken) => {
    const page = await fleet.devices.listDevices(
      { filter, pageSize, pageToken },
      { signal: terminal.signal },
    );
    return { items: page.devices, nextPageToken: page.nextPageToken };
  });
  await printList(
    terminal,
    format,
    deviceView,
    items,
    'There are no such devices. Register one with: iotdh device register ID',
  );
  noteMore(terminal, more, limit);
}

export async function getDevice({ terminal, fleet, format }: Context, deviceId: string): Promise<void> {
  const { device } = await fleet.devices.getDevice({ deviceId }, { signal: terminal.signal });
  if (device !== undefined) await printOne(terminal, format, deviceView, device);
}

export type RegisterOptions = { name?: string; site?: string; label?: string[]; saveToken?: string };

export async function registerDevice(
  { terminal, fleet, format }: Context,
  deviceId: string,
  options: RegisterOptions,
): Promise<void> {
  const { name = '', site = '', label = [], saveToken } = options;
  const request = {
    ...{ deviceId, displayName: name, site, labels: labelsOf(label) },
    requestId: randomUUID(),
  };
  const register = () => fleet.devices.registerDevice(request, { signal: terminal.signal });
  const response = await (saveToken === undefined ? register() : intoFile(saveToken, register));
  if (format === 'name') terminal.out(`${deviceId}\n`);
  else if (format !== 'table')
    await printJson(terminal, format, toJson(RegisterDeviceResponseSchema, response));
  else {
    if (response.device !== undefined) await printOne(terminal, format, deviceView, response.device);
    terminal.out('\n');
    showToken(terminal, deviceId, response, saveToken);
  }
}

type TokenResponse = Pick<RegisterDeviceResponse, 'enrolmentToken' | 'tokenExpireTime'>;

function showToken(
  terminal: Context['terminal'],
  deviceId: string,
  { enrolmentToken, tokenExpireTime }: TokenResponse,
  saved: string | undefined,
): void {
  terminal.out(`Enrolment token${saved === undefined ? ', shown only now' : ''}: ${enrolmentToken}\n`);
  const until = `${timeText(tokenExpireTime)} UTC`;
  terminal.note(`It can be used once, until ${until}. Give it to the agent of ${deviceId}.`);
}

/** For a device that is registered and must enrol again. */
export async function issueToken(
  { terminal, fleet, format }: Context,
  deviceId: string,
  { saveToken }: Pick<RegisterOptions, 'saveToken'>,
): Promise<void> {
  const request = { deviceId, requestId: randomUUID() };
  const issue = () => fleet.devices.issueEnrolmentToken(request, { signal: terminal.signal });
  const response = await (saveToken === undefined ? issue() : intoFile(saveToken, issue));
  if (format === 'name') terminal.out(`${deviceId}\n`);
  else if (format === 'table') showToken(terminal, deviceId, response, saveToken);
  else await printJson(terminal, format, toJson(IssueEnrolmentTokenResponseSchema, response));
}

/** The token is given out once: there is a file for it before it is asked for. */
async function intoFile<Response extends { enrolmentToken: string }>(
  path: string,
  ask: () => Promise<Response>,
): Promise<Response> {
  const file = await open(path, 'wx', 0o600);
  try {
    const response = await ask();
    await file.writeFile(`${response.enrolmentToken}\n`);
    await file.sync();
    response.enrolmentToken = `in ${path}`;
    return response;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

export async function retireDevice(
  { terminal, fleet, format }: Context,
  deviceId: string,
  reason: string,
): Promise<void> {
  const { device } = await fleet.devices.retireDevice({ deviceId, reason }, { signal: terminal.signal });
  if (device !== undefined) await printOne(terminal, format, deviceView, device);
}

export async function purgeDevice({ terminal, fleet, format }: Context, deviceId: string): Promise<void> {
  const response = await fleet.devices.purgeDevice({ deviceId }, { signal: terminal.signal });
  if (format === 'name') terminal.out(`${deviceId}\n`);
  else if (format !== 'table') await printJson(terminal, format, toJson(PurgeDeviceResponseSchema, response));
  else {
    const onDevice =
      response.deviceMessages === undefined
        ? 'the device is not connected and was not asked'
        : `the device dropped ${response.deviceMessages}`;
    terminal.out(`The hub dropped ${response.hubMessages} messages to ${deviceId}; ${onDevice}.\n`);
  }
}
