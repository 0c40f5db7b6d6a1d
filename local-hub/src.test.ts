/** The tests of the hub's sources in one process. */
import { loadTogether } from '../tools/together.ts';

loadTogether(import.meta.filename);
