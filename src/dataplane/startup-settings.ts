import type { Refusal } from '../model/refusal.ts';
import { refusal } from './errors.ts';

/** Startup parameters that are no settings: who and where are decided by the gateway. */
const OWN: ReadonlySet<string> = new Set(['user', 'database', 'replication', 'options']);

/**
 * Settings a client asks for in its startup packet, from parameters and from `options` (`-c name=value`, `--name=value`). Each is judged
 * like the SET statement it stands for before the target sees it.
 * https://www.postgresql.org/docs/18/runtime-config.html#CONFIG-SETTING-SHELL
 */
export function startupSettings(parameters: ReadonlyMap<string, string>): Map<string, string> | Refusal {
  const settings = new Map<string, string>();
  const options = parameters.get('options');
  if (options !== undefined) {
    const words = splitOptions(options);
    for (let index = 0; index < words.length; index++) {
      const word = words[index] ?? '';
      const text =
        word === '-c'
          ? (words[++index] ?? '')
          : word.startsWith('-c')
            ? word.slice(2)
            : word.startsWith('--')
              ? word.slice(2)
              : undefined;
      const equals = text?.indexOf('=') ?? -1;
      if (text === undefined || equals < 1) {
        return refusal('protocol-unsupported', `gatehouse: startup option ${JSON.stringify(word)} is not supported`, {
          hint: 'Only -c name=value and --name=value are understood.',
        });
      }
      settings.set(text.slice(0, equals).replaceAll('-', '_').toLowerCase(), text.slice(equals + 1));
    }
  }
  for (const [name, value] of parameters) {
    if (!OWN.has(name) && !name.startsWith('_pq_.')) settings.set(name.toLowerCase(), value);
  }
  return settings;
}

/** Words of `options`: split at white space, a backslash keeps the next character. */
function splitOptions(options: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let index = 0; index < options.length; index++) {
    const character = options[index] as string;
    if (character === '\\' && index + 1 < options.length) word = (word ?? '') + options[++index];
    else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** The SET statement that a startup setting stands for. */
export function settingStatement(name: string, value: string): string {
  const quoted = name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
  return name === 'search_path' && value !== ''
    ? `SET ${quoted} TO ${value}`
    : `SET ${quoted} TO '${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
}
