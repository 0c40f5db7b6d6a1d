/** The process of the database: `database-process.ts FOLDER PORT`. It tells its parent the address, and ends the database with itself. */
import { startEmbeddedDatabase } from '../../../backend/shared/embedded-database/start.ts';

const [folder = '', port = '0'] = process.argv.slice(2);
const { MONGODB_URI, PATH } = process.env;
const database = await startEmbeddedDatabase({
  folder,
  port: Number(port),
  uri: MONGODB_URI,
  searchPath: PATH,
});
let ending = false;
process.on('SIGTERM', () => {
  if (ending) return;
  ending = true;
  void database.stop().finally(() => process.exit(0));
});
process.send?.(database.uri);
// Keeps the process although its channel does not: the database is a child of ours.
setInterval(() => undefined, 2 ** 30);
