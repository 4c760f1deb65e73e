/**
 * Prepares a password as PostgreSQL does before SCRAM (RFC 4013): what the profile prohibits is not an error but leaves the
 * password as its raw bytes. The bidi rule and code points unassigned in Unicode 3.2 are not judged: they matter only for
 * a password that normalisation would change as well.
 * https://www.rfc-editor.org/rfc/rfc4013
 */
export function saslprep(password: string): string {
  // ASCII is never mapped or normalised, and prohibited ASCII leaves the password raw: the same bytes either way.
  if (/^[\x00-\x7f]*$/.test(password)) return password;
  const mapped = password.replace(NON_ASCII_SPACE, ' ').replace(MAPPED_TO_NOTHING, '');
  const normalised = mapped.normalize('NFKC');
  return normalised === '' || PROHIBITED.test(normalised) ? password : normalised;
}

/** RFC 3454 table C.1.2. U+200B is there too and is mapped to space before B.1 could remove it, as the server does. */
const NON_ASCII_SPACE = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454 table B.1. */
const MAPPED_TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
/** RFC 3454 tables C.2.1, C.2.2, C.3 to C.9. */
const PROHIBITED =
  /\u0340|\u0341|[\u0000-\u001f\u007f-\u009f\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufdd0-\ufdef\ufff9-\uffff\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}\p{Co}\p{Cs}]|[\u{1fffe}\u{1ffff}\u{2fffe}\u{2ffff}\u{3fffe}\u{3ffff}\u{4fffe}\u{4ffff}\u{5fffe}\u{5ffff}\u{6fffe}\u{6ffff}\u{7fffe}\u{7ffff}\u{8fffe}\u{8ffff}\u{9fffe}\u{9ffff}\u{afffe}\u{affff}\u{bfffe}\u{bffff}\u{cfffe}\u{cffff}\u{dfffe}\u{dffff}\u{efffe}\u{effff}]/u;
