/** The authentication broker, as a device talks to it. */
import { X509Certificate } from 'node:crypto';
import { type Client, Code, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { BrokerService, type DeviceCertificate } from '@iotdh/proto/broker/v1';

export type BrokerOptions = {
  brokerUrl: string;
  /** The one authority that is trusted, as PEM; null: those of the system. */
  caPem: string | null;
};

const maxAnswerBytes = 256 * 1024;

/** `proof`: the certificate and the key, as PEM, of a device that is enrolled. */
export function createBrokerClient(
  { brokerUrl, caPem }: BrokerOptions,
  proof: { cert?: string; key?: string } = {},
): Client<typeof BrokerService> {
  const transport = createConnectTransport({
    baseUrl: brokerUrl,
    httpVersion: '1.1',
    readMaxBytes: maxAnswerBytes,
    nodeOptions: { ...proof, ...(caPem !== null && { ca: caPem }) },
  });
  return createClient(BrokerService, transport);
}

/** Whether a call that failed so may succeed later without a person doing anything. */
export const isPassing = (code: Code): boolean =>
  [Code.Unavailable, Code.DeadlineExceeded, Code.Internal, Code.Canceled, Code.Unknown].includes(code);

/** The device's certificate and its intermediates, as PEM. */
export const chainPem = (certificate: DeviceCertificate | undefined): string =>
  (certificate?.chain ?? []).map((der) => new X509Certificate(der).toString()).join('');

/** From when until when the first certificate of a chain is valid, in ms. */
export function lifeOf(chain: string): { fromMs: number; untilMs: number } {
  const { validFromDate, validToDate } = new X509Certificate(chain);
  return { fromMs: validFromDate.getTime(), untilMs: validToDate.getTime() };
}
