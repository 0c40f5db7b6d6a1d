/** The tests of what the other parts are made of, the contract, deltas, trust and the SDK, in one process. */
import { loadTogether } from '../tools/together.ts';

loadTogether(import.meta.filename);
