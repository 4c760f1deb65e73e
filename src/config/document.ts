import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Problem } from './problem.ts';

export type YamlPath = readonly (string | number)[];

/** A YAML file with the places of its values. */
export interface YamlFile {
  /** As plain JavaScript values. */
  readonly value: unknown;
  /** Where the value at the path stands; for a missing one, where its nearest ancestor is named. */
  place(path: YamlPath): { readonly line: number; readonly column: number };
  /** Where the last step of the path is named: its key. */
  keyPlace(path: YamlPath): { readonly line: number; readonly column: number };
}

/** A configuration is written by people; beyond this somebody has mistaken the file. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Parses one YAML 1.2 document. Mistakes of syntax are problems; then there is no file. */
export function readYaml(
  file: string,
  text: string,
): { file: YamlFile; problems: Problem[] } | { problems: Problem[] } {
  const lines = new LineCounter();
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (text.length > MAX_BYTES) {
    const help = 'A configuration file has at most 4 MiB; is this the right file?';
    return { problems: [{ file, line: 1, column: 1, severity: 'error', message: 'the file is too large', help }] };
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems = [...document.errors, ...document.warnings].map(
    (mistake): Problem => ({
      file,
      ...at(mistake.pos[0]),
      severity: 'error',
      message:
        mistake.code === 'DUPLICATE_KEY' ? 'this name is used twice in the same map' : yamlMessage(mistake.message),
      help: yamlHelp(mistake.code),
    }),
  );
  if (problems.length > 0) return { problems };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const help = 'Write the values out instead of using * aliases.';
    return { problems: [{ file, line: 1, column: 1, severity: 'error', message: yamlMessage(String(error)), help }] };
  }

  const walk = (path: YamlPath): { key: number; value: number; complete: boolean } => {
    let node: unknown = document.contents;
    let key = 0;
    let start = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const step of path) {
      let next: unknown;
      let nextKey: number | undefined;
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
        );
        if (pair === undefined) return { key, value: start, complete: false };
        next = pair.value;
        nextKey = isNode(pair.key) ? pair.key.range?.[0] : undefined;
      } else if (isSeq(node) && typeof step === 'number') {
        next = node.items[step];
      }
      if (next === undefined) return { key, value: start, complete: false };
      start = (isNode(next) ? next.range?.[0] : undefined) ?? nextKey ?? start;
      key = nextKey ?? start;
      node = next;
    }
    return { key, value: start, complete: true };
  };
  return {
    problems: [],
    file: {
      value,
      place: (path) => {
        const found = walk(path);
        return at(found.complete ? found.value : found.key);
      },
      keyPlace: (path) => at(walk(path).key),
    },
  };
}

function yamlMessage(message: string): string {
  const line = message.split('\n', 1)[0] ?? message;
  return `this is not valid YAML: ${line}`;
}

function yamlHelp(code: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'Rename or remove one of the two.';
    case 'TAB_AS_INDENT':
      return 'Indent with spaces; YAML allows no tabs there.';
    case 'BAD_INDENT':
      return 'Entries of one map or list begin in the same column.';
    default:
      return 'Put values with special characters (: # [ { * &) in quotes, and check indentation and closing brackets.';
  }
}
