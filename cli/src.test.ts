/** The tests of the command line, but for those that start processes, in one. */
import { loadTogether } from '../tools/together.ts';

loadTogether(import.meta.filename);
