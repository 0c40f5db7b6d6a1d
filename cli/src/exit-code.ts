/** What the process exits with. Scripts rely on it. */
export const exitCode = {
  ok: 0,
  /** The operation was carried out and failed, or was refused. */
  failed: 1,
  /** The command line, or a file that it names, is not right. */
  usage: 2,
  /** Nobody is logged in, or this is not theirs to do. */
  auth: 3,
  notFound: 4,
  unreachable: 5,
  timeout: 6,
  /** 128 and the number of SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
