import { createHash } from 'node:crypto';

/**
 * The answer to AuthenticationMD5Password: `md5` + md5(md5(password + user) + salt), in hex.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export function md5Password(user: string, password: string, salt: Uint8Array): string {
  const inner = md5(Buffer.from(password + user, 'utf8'));
  return `md5${md5(Buffer.concat([Buffer.from(inner, 'latin1'), salt]))}`;
}

function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}
