/** The tests of the agent's sources, but for those that take long, in one process. */
import { loadTogether } from '../tools/together.ts';

loadTogether(import.meta.filename);
