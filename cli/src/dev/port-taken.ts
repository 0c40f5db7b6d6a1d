/** A port was free when it was chosen, and is another process's now. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
}
