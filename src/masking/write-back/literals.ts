/** How values of PostgreSQL's types are written, as far as the constants of masks are concerned. */

const BOOL = 16;
const BYTEA = 17;
const NUMBERS: ReadonlySet<number> = new Set([20, 21, 23, 26, 28, 29, 5069, 700, 701, 1700]);
/** regclass and its siblings: no object has the identifier 0. */
const NAMED_OBJECTS: ReadonlySet<number> = new Set([24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191]);
const MONEY = 790;
const DATE = 1082;
const TIMES: ReadonlySet<number> = new Set([1083, 1266]);
const TIMESTAMPS: ReadonlySet<number> = new Set([1114, 1184]);
const INTERVAL = 1186;
const INTERNET: ReadonlySet<number> = new Set([650, 869]);
const BIT = 1560;
const UUID = 2950;
/** Types whose values are text with a meaning of its own: written in one way only, but for space around them. */
const EXACT: ReadonlySet<number> = new Set([3614, 4072]);

/**
 * Whether `value` is another way to write the constant. Types by their identifiers, which never change; those that are not named here
 * compare without space and capitals.
 */
export function sameConstant(typeOid: number, constant: string, value: string): boolean {
  const written = value.trim();
  if (written === constant) return true;
  if (NUMBERS.has(typeOid)) return /^[+-]?0*(?:0|0\.0*|\.0+)(?:e[+-]?\d+)?$/i.test(written);
  if (NAMED_OBJECTS.has(typeOid)) return written === '-';
  if (TIMESTAMPS.has(typeOid)) return isEpoch(written);
  if (TIMES.has(typeOid)) return /^0?0:?00(?::?00(?:\.0*)?)?\s*(?:am|[+-]00(?::?00)?(?::00)?|z|utc)?$/i.test(written);
  if (INTERNET.has(typeOid)) return /^0+(?:\.0+){3}(?:\/(?:0|32))?$/.test(written);
  switch (typeOid) {
    case BOOL:
      return /^(?:f|fa|fal|fals|false|n|no|of|off|0)$/i.test(written);
    case BYTEA:
      return written === '\\x';
    case MONEY:
      return /^[^\d]*0+(?:[.,]0*)?[^\d]*$/.test(written);
    case DATE:
      return isEpochDate(written);
    case INTERVAL:
      return !/[1-9]/.test(written) && /\d/.test(written);
    case BIT:
      return /^0+$/.test(written);
    case UUID:
      return /^\{?(?:0-?){32}\}?$/.test(written);
    default:
      return !EXACT.has(typeOid) && squeezed(written) === squeezed(constant);
  }
}

function squeezed(text: string): string {
  return text.replaceAll(/\s/g, '').toLowerCase();
}

/** 1 January 1970 in every DateStyle: day and month are the same. */
function isEpochDate(written: string): boolean {
  const day = /^(?:1970[-/.]?0?1[-/.]?0?1|0?1[-/.]0?1[-/.](?:1970|70))(?:$|[ T])/.exec(written);
  return (
    day !== null &&
    /^(?:|[ T]?0?0:00(?::00(?:\.0*)?)?\s*(?:[+-]00(?::?00)?|z|utc)?)$/i.test(
      written.slice(day[0].trimEnd().replace(/T$/, '').length).trim(),
    )
  );
}

function isEpoch(written: string): boolean {
  if (isEpochDate(written)) return true;
  const iso = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(z|utc|[+-]\d\d(?::?\d\d)?)?$/i.exec(written);
  if (!iso) return false;
  const [, day, time, zone = 'Z'] = iso;
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.toUpperCase() === 'UTC' ? 'Z' : zone;
  return Date.parse(`${day}T${time}${offset}`) === 0;
}

/** Values inside an array literal, nested ones too; text that is no such literal counts as one value. NULL is none. */
export function arrayElements(text: string): readonly string[] {
  const literal = /^\s*(?:\[[^\]]*\]\s*)*=?\s*\{/.exec(text);
  if (!literal) return [text];
  const elements: string[] = [];
  const element = /"((?:[^"\\]|\\.)*)"|((?:[^"\\{},]|\\.)+)/gsy;
  let at = literal[0].length;
  while (at < text.length) {
    element.lastIndex = at;
    const found = element.exec(text);
    if (!found) {
      at += 1;
      continue;
    }
    at = element.lastIndex;
    const [, quoted, bare] = found;
    const written = quoted ?? bare?.trim() ?? '';
    if (quoted === undefined && (written === '' || written.toUpperCase() === 'NULL')) continue;
    elements.push(written.replaceAll(/\\(.)/gs, '$1'));
  }
  return elements;
}
