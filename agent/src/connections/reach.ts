/** Whether something answers where a connection's settings point. */
import net from 'node:net';
import tls from 'node:tls';
import type { ConnectionSettings } from './connections.ts';

/** Where settings point: `endpoint` or `url`, or `host` with `port`; TLS unless the address says http. Null: nowhere. */
export function addressOf(
  settings: ConnectionSettings,
): { host: string; port: number; secure: boolean } | null {
  const { endpoint, url: address, host: name, port: given }: Partial<Record<string, string>> = settings;
  const text = endpoint ?? address ?? name;
  if (text === undefined) return null;
  try {
    const url = new URL(text.includes('://') ? text : `https://${text}`);
    const secure = url.protocol !== 'http:';
    const port = Number(given ?? url.port) || (secure ? 443 : 80);
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port, secure };
  } catch {
    return null;
  }
}

/** Connects, and with TLS completes the handshake with a trusted certificate. False also when the signal came first. */
export function reach(settings: ConnectionSettings, signal: AbortSignal): Promise<boolean> {
  const address = addressOf(settings);
  if (address === null || signal.aborted) return Promise.resolve(false);
  const { host, port, secure } = address;
  return new Promise((resolve) => {
    const socket = secure
      ? tls.connect({ host, port, servername: net.isIP(host) ? '' : host })
      : net.connect({ host, port });
    const end = (reached: boolean) => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(reached);
    };
    const giveUp = () => end(false);
    signal.addEventListener('abort', giveUp);
    socket.once(secure ? 'secureConnect' : 'connect', () => end(true));
    socket.on('error', () => end(false));
  });
}
