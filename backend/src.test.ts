/** The tests of the services and of what they share, but for those that kill them, in one process and on one database. */
import { loadTogether } from '../tools/together.ts';

loadTogether(import.meta.filename);
