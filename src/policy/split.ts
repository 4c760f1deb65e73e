/** One policy as it stands in a file. */
export interface PolicySource {
  readonly text: string;
  /** Index of its first character in the file. */
  readonly start: number;
}

/**
 * Cuts a file into its policies, so that each can be judged on its own and one syntax error hides no other. A policy ends at
 * the first `;` outside strings and comments (https://docs.cedarpolicy.com/policies/syntax-grammar.html).
 */
export function splitPolicies(text: string): PolicySource[] {
  const policies: PolicySource[] = [];
  let start = -1; // of the policy being read; -1 between policies
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '/' && text.charAt(at + 1) === '/') {
      while (at + 1 < text.length && !isLineEnd(text.charAt(at + 1))) at++;
      continue;
    }
    if (start < 0 && /\s/.test(char)) continue;
    if (start < 0) start = at;
    if (char === '"') {
      at++;
      while (at < text.length && text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1;
    } else if (char === ';') {
      policies.push({ text: text.slice(start, at + 1), start });
      start = -1;
    }
  }
  if (start >= 0) policies.push({ text: text.slice(start), start });
  return policies;
}

function isLineEnd(char: string): boolean {
  return char === '\n' || char === '\r';
}

/** 1-based line and column of a character. */
export function positionOf(text: string, at: number): { readonly line: number; readonly column: number } {
  let line = 1;
  let lineStart = 0;
  for (let next = text.indexOf('\n'); next >= 0 && next < at; next = text.indexOf('\n', next + 1)) {
    line++;
    lineStart = next + 1;
  }
  return { line, column: at - lineStart + 1 };
}

/** Cedar counts in UTF-8 bytes, JavaScript in UTF-16 units. */
export function characterAtByte(text: string, byte: number): number {
  return Buffer.from(text, 'utf8').subarray(0, byte).toString('utf8').length;
}
