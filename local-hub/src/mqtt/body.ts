/** The body of a PUBLISH packet. */

/** As bytes: the codec types bodies as text or bytes, and always gives bytes. */
export const bodyOf = ({ payload }: { payload: string | Buffer }): Buffer =>
  typeof payload === 'string' ? Buffer.from(payload) : payload;
