/** Says in words why a TLS handshake failed: the most frequent obstacle for somebody who points a client at the hub. */
import type { Finding } from './diagnostics.ts';

const trustAdvice =
  "Trust the hub's ca.pem, for example with NODE_EXTRA_CA_CERTS set before the client's process starts";

const explanations: Record<string, { reason: string; next?: string }> = {
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: {
    reason: "the client does not trust the hub's certificate authority",
    next: trustAdvice,
  },
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: {
    reason: "the client refused the hub's certificate",
    next: `${trustAdvice}, and connect to a name that the certificate holds (--host-name adds one)`,
  },
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: {
    reason: "the client refused the hub's certificate",
    next: `${trustAdvice}, and connect to a name that the certificate holds (--host-name adds one)`,
  },
  ERR_SSL_HTTP_REQUEST: { reason: 'the client spoke HTTP without TLS', next: 'Use https' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    reason: 'the client spoke something other than TLS',
    next: 'Use TLS on this port; Event Hubs clients in development mode use the plain AMQP port',
  },
  ERR_SSL_UNSUPPORTED_PROTOCOL: {
    reason: 'the client offered only TLS versions before 1.2',
    next: 'Use TLS 1.2 or 1.3',
  },
  ERR_TLS_HANDSHAKE_TIMEOUT: { reason: 'the client did not finish the handshake in time' },
};

/** What the log should say when a client leaves in or right after the handshake, as Node's do when they distrust the hub. */
export const leftInHandshake: Finding = {
  what: 'Connection closed by the client',
  reason: "it left in the TLS handshake, perhaps because it does not trust the hub's certificate authority",
  next: trustAdvice,
};

/** What the log should say about a failed handshake; undefined when the connection was merely reset. */
export function explainHandshakeFailure(error: NodeJS.ErrnoException): Finding | undefined {
  const { code = '', message } = error;
  // Node's name for a connection that ended in the handshake; a reset comes as "read ECONNRESET".
  if (message === 'socket hang up') return leftInHandshake;
  if (code === 'ECONNRESET' || code === 'EPIPE') return undefined;
  return { what: 'TLS handshake failed', ...(explanations[code] ?? { reason: code || message }) };
}
