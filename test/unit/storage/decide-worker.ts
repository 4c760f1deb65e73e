// Opens the state, consents to a request, says so, and is killed by its parent without warning.
import { createApprovals } from '../../../src/approval/index.ts';
import { openStorage } from '../../../src/storage/index.ts';
import { MemorySink, principal } from '../approval/support.ts';

const [folder = '', id = ''] = process.argv.slice(2);
const storage = await openStorage(folder);
const settings = { expireSeconds: 3600, grantSeconds: 900, reasonMinLength: 5 };
const approvals = createApprovals({ store: storage.approvals, sink: new MemorySink(), clock: Date.now, settings });
const decided = await approvals.decide(id, principal('olga', { groups: ['owners'] }), {
  verdict: 'approve',
  reason: 'seen and agreed',
  uses: 2,
});
const used = await approvals.consume(decided.binding);
process.stdout.write(`${used?.state} ${used?.grant?.used}\n`);
setInterval(() => undefined, 1_000);
