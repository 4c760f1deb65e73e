/**
 * Parses JSON and refuses an object that names a member twice: two readers could each take another one.
 * https://www.rfc-editor.org/rfc/rfc7515#section-4 (Header Parameter names MUST be unique), RFC 7519 §4 (the same for claims).
 * @throws SyntaxError
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text); // judges the grammar; below only names are looked at
  const open: (Set<string> | undefined)[] = [];
  let expectsName = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set());
        expectsName = true;
        break;
      case '[':
        open.push(undefined);
        expectsName = false;
        break;
      case '}':
      case ']':
        open.pop();
        expectsName = false;
        break;
      case ',':
        expectsName = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        const names = open.at(-1);
        if (expectsName && names !== undefined) {
          const name = JSON.parse(text.slice(at, end + 1)) as string;
          if (names.has(name)) throw new SyntaxError('a member is named twice');
          names.add(name);
          expectsName = false;
        }
        at = end;
        break;
      }
      default:
    }
  }
  return value;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  throw new SyntaxError('a string does not end');
}
