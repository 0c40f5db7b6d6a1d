/**
 * The storage account that devices upload files to: signs access to one blob, makes the container, and looks at what was
 * uploaded. Works with Azure Storage and with Azurite. Microsoft's library is loaded when the first file is uploaded.
 */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { HubError } from './error.ts';

export type BlobStorageSettings = {
  /** As the Azure portal and Azurite give it: `DefaultEndpointsProtocol=…;AccountName=…;AccountKey=…;BlobEndpoint=…`. */
  connectionString: string;
  /** Made when it is first needed. */
  containerName: string;
  /** PEM of the authority that signed the storage's TLS certificate, where it is none of the well-known ones. */
  caPem?: string | undefined;
};

export type BlobAccess = {
  /** Host, port and account path, without a scheme: the device SDK adds `https://`. */
  hostName: string;
  /** Begins with `?`. */
  sasToken: string;
};

export type BlobStorage = {
  readonly containerName: string;
  /** Access to read and write one blob until `expiresAtMs`. Throws HubError `StorageUnavailable`. */
  grant(blobName: string, expiresAtMs: number): Promise<BlobAccess>;
  /** The blob's address without access. */
  uriOf(blobName: string): string;
  /** Undefined when there is no such blob. Throws HubError `StorageUnavailable`. */
  properties(blobName: string): Promise<{ sizeBytes: number; lastModified: string } | undefined>;
};

type Account = { name: string; key: string; endpoint: URL };

const requestTimeoutMs = 10_000;
/** Access to the hub's own requests, which follow at once. */
const ownAccessMs = 300_000;

/** Azurite's well-known account, as documented with it. */
const developmentAccount =
  'AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1';

function invalid(problem: string): HubError {
  return new HubError(
    'ArgumentInvalid',
    `The storage connection string ${problem}. Copy it from the portal or from Azurite`,
  );
}

/** Reads a connection string. Throws HubError `ArgumentInvalid`, never showing the key. */
export function parseStorageConnection(text: string): Account {
  const whole = /UseDevelopmentStorage=true/i.test(text) ? developmentAccount : text;
  const parts = new Map<string, string>();
  for (const part of whole.split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0) parts.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const name = parts.get('AccountName');
  const key = parts.get('AccountKey');
  if (!name || !key) throw invalid('has no AccountName or no AccountKey');
  const protocol = parts.get('DefaultEndpointsProtocol') ?? 'https';
  const suffix = parts.get('EndpointSuffix') ?? 'core.windows.net';
  const address = parts.get('BlobEndpoint') ?? `${protocol}://${name}.blob.${suffix}`;
  if (!URL.canParse(address)) throw invalid('has a BlobEndpoint that is no URL');
  const endpoint = new URL(address);
  if (endpoint.protocol !== 'https:' && endpoint.protocol !== 'http:')
    throw invalid('must have an http(s) BlobEndpoint');
  return { name, key, endpoint };
}

type Reply = { status: number; headers: IncomingHttpHeaders };

/** One request without a body; the reply's body is thrown away. */
function send(method: 'PUT' | 'HEAD', url: string, caPem: string | undefined): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? httpsRequest : httpRequest;
    const headers = { 'x-ms-version': '2021-12-02', 'content-length': '0' };
    const options = { method, headers, timeout: requestTimeoutMs, ...(caPem !== undefined && { ca: caPem }) };
    const sent = request(url, options, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${requestTimeoutMs / 1000} s`)));
    sent.on('error', reject);
    sent.end();
  });
}

/** Opens the account. Throws HubError `ArgumentInvalid` for a malformed connection string; sends nothing yet. */
export function createBlobStorage(settings: BlobStorageSettings, now: () => number): BlobStorage {
  const { connectionString, containerName, caPem } = settings;
  const account = parseStorageConnection(connectionString);
  const base = account.endpoint.href.replace(/\/+$/, '');
  let container: Promise<void> | undefined;

  const uriOf = (blobName: string) =>
    `${base}/${containerName}/${blobName.split('/').map(encodeURIComponent).join('/')}`;

  function unavailable(what: string, cause: unknown): HubError {
    const why = cause instanceof Error ? cause.message || cause.name : `status ${String(cause)}`;
    const message = `The storage account at ${account.endpoint.host} did not ${what}: ${why}. Is it running, and does the hub trust its certificate?`;
    return new HubError('StorageUnavailable', message, { cause });
  }

  async function reach(
    method: 'PUT' | 'HEAD',
    url: string,
    what: string,
    expected: readonly number[],
  ): Promise<Reply> {
    const reply = await send(method, url, caPem).catch((cause: unknown) => {
      throw unavailable(what, cause);
    });
    if (expected.includes(reply.status)) return reply;
    throw unavailable(what, reply.status);
  }

  async function load() {
    const blob = await import('@azure/storage-blob');
    return { blob, credential: new blob.StorageSharedKeyCredential(account.name, account.key) };
  }

  async function makeContainer(): Promise<void> {
    const { blob, credential } = await load();
    const expiresOn = new Date(now() + ownAccessMs);
    const permissions = blob.AccountSASPermissions.parse('c');
    const services = blob.AccountSASServices.parse('b').toString();
    const resourceTypes = blob.AccountSASResourceTypes.parse('c').toString();
    const values = { expiresOn, permissions, services, resourceTypes };
    const query = blob.generateAccountSASQueryParameters(values, credential).toString();
    // 409: it exists already.
    await reach(
      'PUT',
      `${base}/${containerName}?restype=container&${query}`,
      'make the container',
      [201, 409],
    );
  }

  async function sign(blobName: string, access: 'r' | 'rw', expiresAtMs: number): Promise<string> {
    const { blob, credential } = await load();
    const permissions = blob.BlobSASPermissions.parse(access);
    const values = { containerName, blobName, permissions, expiresOn: new Date(expiresAtMs) };
    return `?${blob.generateBlobSASQueryParameters(values, credential).toString()}`;
  }

  return {
    containerName,
    uriOf,
    async grant(blobName, expiresAtMs) {
      container ??= makeContainer().catch((error: unknown) => {
        container = undefined;
        throw error;
      });
      await container;
      const path = account.endpoint.pathname.replace(/\/+$/, '');
      return {
        hostName: `${account.endpoint.host}${path}`,
        sasToken: await sign(blobName, 'rw', expiresAtMs),
      };
    },
    async properties(blobName) {
      const url = `${uriOf(blobName)}${await sign(blobName, 'r', now() + ownAccessMs)}`;
      const { status, headers } = await reach('HEAD', url, `show the blob ${blobName}`, [200, 404]);
      if (status === 404) return undefined;
      const modified = new Date(headers['last-modified'] ?? now());
      return { sizeBytes: Number(headers['content-length'] ?? 0), lastModified: modified.toISOString() };
    },
  };
}
