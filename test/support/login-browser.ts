/**
 * Plays the browser for `gatehouse login`: fills in oidc-provider's development pages (device code, login, consent) until it is sent
 * back to the command, or no form is left. `node login-browser.ts URL LOGIN`
 */
import assert from 'node:assert/strict';
import { CookieAgent } from './cookie-agent.ts';

const [, , address = '', login = 'alice'] = process.argv;
const agent = new CookieAgent();
const isCallback = (url: URL): boolean => url.pathname === '/callback';

let { at, page } = await agent.follow(address, isCallback);
for (let form = formIn(page); form !== undefined && !isCallback(at); form = formIn(page)) {
  const fields = { ...form.fields, ...('login' in form.fields ? { login, password: 'any' } : {}) };
  ({ at, page } = await agent.submit(new URL(form.action, at).href, fields, isCallback));
}
if (isCallback(at)) await fetch(at);
else assert.match(page ?? '', /Sign-in Success/i, `ended at ${at.href}: ${page}`);

function formIn(text: string | undefined): { action: string; fields: Record<string, string> } | undefined {
  const action = /<form[^>]* action="([^"]+)"/.exec(text ?? '')?.[1];
  if (action === undefined) return undefined;
  const fields: Record<string, string> = {};
  for (const [input] of (text ?? '').matchAll(/<input[^>]*>/g)) {
    const name = / name="([^"]+)"/.exec(input)?.[1];
    if (name !== undefined) fields[name] = / value="([^"]*)"/.exec(input)?.[1] ?? '';
  }
  return { action, fields };
}
