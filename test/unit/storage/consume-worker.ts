// Takes uses of one consent as fast as it can, in a process of its own, and prints how many it got.
import { openStorage } from '../../../src/storage/index.ts';

const [folder = '', id = '', now = '0'] = process.argv.slice(2);
const storage = await openStorage(folder);
let taken = 0;
for (let misses = 0; misses < 5; ) {
  if ((await storage.approvals.consume(id, Number(now))) !== undefined) taken++;
  else misses++;
}
await storage.close();
process.stdout.write(String(taken));
