/** What a route is, and how the route for a request is found. */
import type { ThrottleKind } from '../engine/throttles.ts';
import type { Access } from './access.ts';
import type { Handler } from './exchange.ts';

export type Method = 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';

export type Route = {
  method: Method;
  /** Segments between slashes; `{name}` matches any one. */
  path: string;
  access: Access;
  handle: Handler;
  /** The operation throttle that the request counts for; most are taken by the engine itself. */
  throttle?: ThrottleKind;
  /** The largest body taken. Default 256 KiB. */
  maxBodyBytes?: number;
  /** Whether `api-version` must be given. Default true. */
  versioned?: boolean;
};

export type Match =
  | { kind: 'found'; route: Route; params: Record<string, string> }
  | { kind: 'wrong-method'; allowed: Method[] }
  | { kind: 'unknown-path' };

export type FindRoute = (method: string, segments: readonly string[]) => Match;

/** The parts of a path between slashes, URL-decoded; undefined when the encoding is broken. */
export function segmentsOf(path: string): string[] | undefined {
  try {
    return path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

type Compiled = { route: Route; parts: { name?: string; text?: string }[] };

function compile(route: Route): Compiled {
  const parts = route.path
    .split('/')
    .slice(1)
    .map((part) => (part.startsWith('{') ? { name: part.slice(1, -1) } : { text: part }));
  return { route, parts };
}

function matchPath({ parts }: Compiled, segments: readonly string[]): Record<string, string> | undefined {
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, { name, text }] of parts.entries()) {
    const segment = segments[index] ?? '';
    if (name !== undefined) params[name] = segment;
    else if (text !== segment) return undefined;
  }
  return params;
}

/** Makes the search over a table; the first route that fits wins. */
export function createRouter(routes: readonly Route[]): FindRoute {
  const compiled = routes.map(compile);
  return (method, segments) => {
    const allowed: Method[] = [];
    for (const candidate of compiled) {
      const params = matchPath(candidate, segments);
      if (params === undefined) continue;
      if (candidate.route.method === method) return { kind: 'found', route: candidate.route, params };
      allowed.push(candidate.route.method);
    }
    return allowed.length > 0 ? { kind: 'wrong-method', allowed } : { kind: 'unknown-path' };
  };
}
