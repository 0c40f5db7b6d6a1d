/** Which way to try next: the one that worked last, and the other one when it keeps failing. */
import { type Route, routes } from './bus.ts';

/** Keeps the route that worked over restarts. What it reads may be anything; it does not throw. */
export type RouteMemory = { read(): string | undefined; write(route: Route): void };

export type RouteChoice = {
  readonly current: Route;
  /** The link is open on it. */
  worked(): void;
  /** It did not open. */
  failed(): void;
};

/** So many failures in a row, and the other way is tried: one may be chance, and a closed port costs a wait each time. */
const patience = 2;

export function createRouteChoice(allowed: readonly Route[], memory: RouteMemory): RouteChoice {
  const remembered = routes.find((route) => route === memory.read());
  let index = Math.max(0, remembered === undefined ? 0 : allowed.indexOf(remembered));
  let failures = 0;
  return {
    get current() {
      return allowed[index] ?? 'mqtt';
    },
    worked() {
      failures = 0;
      const route = allowed[index] ?? 'mqtt';
      if (memory.read() !== route) memory.write(route);
    },
    failed() {
      failures += 1;
      if (failures % patience === 0) index = (index + 1) % allowed.length;
    },
  };
}
