/** One field of ErrorResponse or NoticeResponse: https://www.postgresql.org/docs/current/protocol-error-fields.html */
export interface ErrorField {
  readonly code: string;
  readonly value: string;
}

type Treatment = 'keep' | 'scrub' | 'withhold';

/**
 * What a MESSAGE may hold, by the class of its SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 *
 * The client's own expressions see masked values only; but a view's inside, a constraint, a trigger or a function still sees the
 * real ones. `keep`: messages of the server itself that name objects, never values. `withhold`: text that somebody's code
 * composed (RAISE, foreign servers, other languages). Classes that are not listed are scrubbed: 22 quotes the value that could not
 * be converted, 54 the number that was too large, XX anything. Class 23 names the constraint and puts the row into DETAIL.
 * See {@link LOOKED_UP} for those that are kept unless a statement runs.
 */
const CLASSES: Readonly<Record<string, Treatment>> = {
  '00': 'keep',
  '01': 'keep',
  '02': 'keep',
  '03': 'keep',
  '08': 'keep',
  '0A': 'keep',
  '0B': 'keep',
  '0L': 'keep',
  '0P': 'keep',
  '21': 'keep',
  '23': 'keep',
  '24': 'keep',
  '25': 'keep',
  '26': 'keep',
  '27': 'keep',
  '28': 'keep',
  '2B': 'keep',
  '2D': 'keep',
  '34': 'keep',
  '3B': 'keep',
  '3D': 'keep',
  '3F': 'keep',
  '40': 'keep',
  '42': 'keep',
  '44': 'keep',
  '53': 'keep',
  '55': 'keep',
  '57': 'keep',
  '2F': 'withhold',
  '38': 'withhold',
  '39': 'withhold',
  HV: 'withhold',
  P0: 'withhold',
};

/**
 * Classes with which functions complain that read a name, a query or a path out of a value while rows are computed: `to_tsquery`,
 * `::regclass`, `has_column_privilege`, `ts_headline` … Without a position, what they quote may be that value.
 */
const LOOKED_UP: ReadonlySet<string> = new Set(['0A', '3D', '3F', '42']);

/** Of these classes: what is there already, of the wrong kind, generated, or not for everybody, is called by the name of an object. */
const OF_OBJECTS: ReadonlySet<string> = new Set([
  '42501',
  '42701',
  '42710',
  '42723',
  '42809',
  '428C9',
  '42P06',
  '42P07',
]);

/** Speaks of the columns that the text of a COPY lists, before any row. */
const OF_COPY_LIST = 'CopyGetAttnums';

/** Classes whose DETAIL and HINT speak of names, types and modes only; in 23 and 22 they hold rows and values. */
const DETAIL_WITHOUT_VALUES: ReadonlySet<string> = new Set([
  '0A',
  '25',
  '26',
  '28',
  '2B',
  '34',
  '3D',
  '3F',
  '42',
  '53',
  '57',
]);

const WITHHELD = 'was raised in the database; its text is withheld because it may hold values that are hidden from you';

/**
 * Takes out of a server's error or notice what may echo rows or values. SQLSTATE, severity, position and the names of schema, table,
 * column, type and constraint stay: drivers act on them, and they are no values.
 * @param anythingHidden Whether the principal has any hidden column on this connection; nothing is changed otherwise.
 * @param computes False when what failed certainly computed no rows (SET, DROP …): then names are those of the client's own text.
 */
export function gateError(
  fields: readonly ErrorField[],
  anythingHidden: boolean,
  computes = true,
): readonly ErrorField[] {
  if (!anythingHidden) return fields;
  const get = (code: string): string | undefined => fields.find((field) => field.code === code)?.value;
  const sqlstate = get('C') ?? '';
  const errorClass = sqlstate.slice(0, 2);
  // RAISE may borrow any SQLSTATE; the server still says which of its routines spoke.
  const composed =
    get('R') === 'exec_stmt_raise' || (Object.hasOwn(CLASSES, errorClass) && CLASSES[errorClass] === 'withhold');
  // A position means that the parser complained about a constant in the client's own text: nothing in it is new to the client.
  const ownText = !composed && get('P') !== undefined && get('q') === undefined && get('W') === undefined;
  const lookedUp =
    computes && !ownText && LOOKED_UP.has(errorClass) && !OF_OBJECTS.has(sqlstate) && get('R') !== OF_COPY_LIST;
  const treatment: Treatment = composed
    ? 'withhold'
    : ownText
      ? 'keep'
      : lookedUp
        ? 'scrub'
        : Object.hasOwn(CLASSES, errorClass)
          ? (CLASSES[errorClass] ?? 'scrub')
          : 'scrub';
  const verbose = /^(DEBUG\d?|LOG|INFO)$/.test(get('V') ?? get('S') ?? '');
  const keepsDetail = !composed && !verbose && !lookedUp && (ownText || DETAIL_WITHOUT_VALUES.has(errorClass));
  const gated: ErrorField[] = [];
  for (const field of fields) {
    switch (field.code) {
      case 'M':
        gated.push({ code: 'M', value: gatedMessage(field.value, treatment, get('V') ?? '') });
        break;
      case 'D':
      case 'H':
        if (keepsDetail) gated.push(field);
        break;
      case 'W': {
        const place = copyPlace(field.value);
        if (place !== undefined) gated.push({ code: 'W', value: place });
        break;
      }
      case 'q':
      case 'p':
        break;
      case 'S':
      case 'V':
      case 'C':
      case 'P':
      case 's':
      case 't':
      case 'c':
      case 'd':
      case 'n':
        // RAISE fills these with any text it likes.
        if (!composed || 'SVC'.includes(field.code)) gated.push(field);
        break;
      case 'F':
      case 'L':
      case 'R':
        gated.push(field);
        break;
      default:
        // A field of a later protocol: nobody has judged what it may hold.
        break;
    }
  }
  return gated;
}

function gatedMessage(message: string, treatment: Treatment, severity: string): string {
  switch (treatment) {
    case 'keep':
      return message;
    case 'withhold':
      return `${/^(ERROR|FATAL|PANIC)?$/.test(severity) ? 'an error' : 'a message'} ${WITHHELD}`;
    case 'scrub':
      return scrubbed(message);
    default:
      return treatment satisfies never;
  }
}

/**
 * A value may itself hold quotes, so everything between the first and the last one goes; what stands behind a colon without quotes
 * goes, but for what is wrong with a regular expression; numbers go, type modifiers stay.
 */
function scrubbed(message: string): string {
  return message
    .replace(/".*"/s, '"***"')
    .replace(/(?<!^invalid regular expression): (?!"\*\*\*").*$/s, ': ***')
    .replace(/\(\d+(?:,\d+)?\)|(?:0x[0-9a-f]{2} ?)+|[-+]?\d+(?:[.:,-]\d+)*/gi, (part) =>
      part.startsWith('(') ? part : '***',
    );
}

/** `COPY t, line 3, column c: "…"` → the place without the value; other contexts may quote rows. */
function copyPlace(context: string): string | undefined {
  return /^COPY [^\n:]*, line \d+(?=[,:]|$)/.exec(context)?.[0];
}
