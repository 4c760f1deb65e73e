/** Plays the browser for `gatehouse login`: logs in at oidc-provider's development pages and consents. `node login-browser.ts URL LOGIN` */
import assert from 'node:assert/strict';
import { CookieAgent } from './cookie-agent.ts';

const [, , address = '', login = 'alice'] = process.argv;
const agent = new CookieAgent();
const isCallback = (url: URL): boolean => url.pathname === '/callback';

let { at, page } = await agent.follow(address, isCallback);
for (const fields of [{ prompt: 'login', login, password: 'any' }, { prompt: 'consent' }]) {
  const action = /action="([^"]+)"/.exec(page ?? '')?.[1];
  assert.ok(action, `no form at ${at.href}: ${page}`);
  ({ at, page } = await agent.submit(new URL(action, at).href, fields, isCallback));
  if (isCallback(at)) break;
}
assert.ok(isCallback(at), `ended at ${at.href}: ${page}`);
await fetch(at);
