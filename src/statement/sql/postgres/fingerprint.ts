import { hash } from 'node:crypto';
import type { Tokens } from './lexer.ts';

/**
 * SHA-256 (hex) over the tokens from byte `start` up to `end`: literals become `?`, comments and white space vanish, words are
 * folded to lower case. Statements that differ in literals only share it.
 */
export function fingerprint(tokens: Tokens, start: number, end: number): string {
  const parts: string[] = [];
  for (let index = tokens.firstFrom(start); index < tokens.length && tokens.start(index) < end; index++) {
    const kind = tokens.kind(index);
    if (kind === 'string' || kind === 'number') parts.push('?');
    else if (kind === 'quoted' || kind === 'parameter') parts.push(tokens.raw(index));
    else parts.push(tokens.word(index));
  }
  return hash('sha256', parts.join(' '));
}
