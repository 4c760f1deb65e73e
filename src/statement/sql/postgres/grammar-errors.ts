/** What the server says beside the message of an error in the text: the parser's library gives the message alone. */
export interface GrammarError {
  readonly sqlstate: string;
  readonly hint?: string;
}

const SYNTAX_ERROR: GrammarError = { sqlstate: '42601' };
const FEATURE_NOT_SUPPORTED = '0A000';
const INVALID_PARAMETER_VALUE = '22023';
const INVALID_ESCAPE_SEQUENCE = '22025';
const NONSTANDARD_USE_OF_ESCAPE_CHARACTER = '22P06';
const DUPLICATE_OBJECT = '42710';
const WINDOWING_ERROR = '42P20';
const RESERVED_NAME = '42939';

/**
 * Messages of the grammar and the scanner that are no plain syntax error, or come with a hint.
 * https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const KNOWN: readonly (readonly [RegExp, GrammarError])[] = [
  [
    /^UNENCRYPTED PASSWORD is no longer supported$/,
    {
      sqlstate: FEATURE_NOT_SUPPORTED,
      hint: 'Remove UNENCRYPTED to store the password in encrypted form instead.',
    },
  ],
  [
    /^unrecognized row security option /,
    { sqlstate: '42601', hint: 'Only PERMISSIVE or RESTRICTIVE policies are supported currently.' },
  ],
  [/^missing argument$/, { sqlstate: '42601', hint: 'Use NONE to denote the missing argument of a unary operator.' }],
  [/^LIMIT #,# syntax is not supported$/, { sqlstate: '42601', hint: 'Use separate LIMIT and OFFSET clauses.' }],
  [
    /^unsafe use of \\' in a string literal$/,
    {
      sqlstate: NONSTANDARD_USE_OF_ESCAPE_CHARACTER,
      hint: "Use '' to write quotes in strings. \\' is insecure in client-only encodings.",
    },
  ],
  [
    /^(CREATE SCHEMA IF NOT EXISTS cannot include schema elements|current database cannot be changed|MATCH PARTIAL not yet implemented|CREATE EXTENSION \.\.\. FROM is no longer supported|CREATE OR REPLACE CONSTRAINT TRIGGER is not supported|CREATE ASSERTION is not yet implemented|aggregates cannot have output arguments|WITH CHECK OPTION not supported on recursive views|UNIQUE predicate is not yet implemented|unsafe use of string constant with Unicode escapes)$/,
    { sqlstate: FEATURE_NOT_SUPPORTED },
  ],
  [
    /^(a column list with .* is only supported for ON DELETE actions|an ordered-set aggregate with a VARIADIC direct argument must have .*|.* constraints cannot be marked .*)$/,
    { sqlstate: FEATURE_NOT_SUPPORTED },
  ],
  [
    /^(column number must be in range from 1 to \d+|precision for type float must be .*)$/,
    { sqlstate: INVALID_PARAMETER_VALUE },
  ],
  [/^(modulus|remainder) for hash partition provided more than once$/, { sqlstate: DUPLICATE_OBJECT }],
  [/^frame (start|end|starting) .*(UNBOUNDED|current row|preceding rows).*/, { sqlstate: WINDOWING_ERROR }],
  [/^(role name ".*" is reserved|\w+ cannot be used as a role name here)$/, { sqlstate: RESERVED_NAME }],
];

/** A Unicode escape is told in three places, each with its own way to write it. */
function unicodeEscape(text: string, position: number): GrammarError {
  // In U&'…' and U&"…" the escapes have no letter.
  const before = Array.from(text)
    .slice(0, position - 1)
    .join('');
  const plain = /[uU]&\s*(["'])(?:(?!\1).)*$/s.test(before);
  return plain
    ? { sqlstate: '42601', hint: 'Unicode escapes must be \\XXXX or \\+XXXXXX.' }
    : { sqlstate: INVALID_ESCAPE_SEQUENCE, hint: 'Unicode escapes must be \\uXXXX or \\UXXXXXXXX.' };
}

/** Code and hint of an error at a position (characters, from 1) of a text, as the server would give them. */
export function grammarError(message: string, text: string, position: number): GrammarError {
  if (message === 'invalid Unicode escape') return unicodeEscape(text, position);
  return KNOWN.find(([pattern]) => pattern.test(message))?.[1] ?? SYNTAX_ERROR;
}
