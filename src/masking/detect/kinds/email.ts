import { at, code, isAlnum, isDigit, isLetter, isLocal, type Span, startsAt } from '../bytes.ts';
import type { Detector, Sighting, Trigger } from '../detector.ts';
import { latin1 } from './groups.ts';

export const EMAIL: Detector = {
  id: 'email',
  family: 'email',
  label: 'pii.contact.email',
  title: 'e-mail address',
  words: ['email', 'mail'],
  kept: { how: 'domain' },
};

/** RFC 5321 §4.5.3.1 */
const LONGEST_LOCAL = 64;
const LONGEST_DOMAIN = 255;

const DOT = code('.');
const DASH = code('-');
const COLON = code(':');
const SLASH = code('/');

/** Endings after an @ that are files (`logo@2x.png`), systemd units (`getty@tty1.service`) or pre-releases, never top-level domains. */
const NO_DOMAIN = new Set(
  `png jpg jpeg gif svg webp ico bmp tiff pdf css js mjs cjs ts tsx jsx json map html htm xml yaml yml toml txt csv log lock gz tgz
   zip tar deb rpm jar exe dll whl service socket timer mount target slice scope rc alpha beta snapshot final`.split(
    /\s+/,
  ),
);
const step = (hash: number, byte: number): number => (Math.imul(hash, 31) + (byte | 0x20)) | 0;
const HASHES = new Set([...NO_DOMAIN].map((ending) => [...ending].reduce((hash, char) => step(hash, code(char)), 0)));
/** Names of algorithms: `chacha20-poly1305@openssh.com`. */
const NO_MAIL = ['openssh.com', 'libssh.org', 'lysator.liu.se', 'ssh.com'];

export const email: Trigger = {
  pattern: '[0-9A-Za-z_%+-]@[0-9A-Za-z]',
  read(span: Span, end: number, sighting: Sighting): boolean {
    const sign = end - 2;
    const start = localStart(span, sign);
    const stop = domainEnd(span, end - 1);
    if (start < 0 || stop < 0 || insideUrl(span, start)) return false;
    const behind = at(span, stop);
    // `git@host.example:path`: an address of scp.
    if (behind === COLON && (isAlnum(at(span, stop + 1)) || at(span, stop + 1) === SLASH)) return false;
    sighting.reset(start, stop, 0, true);
    sighting.passed.push(EMAIL);
    return true;
  },
};

function localStart(span: Span, sign: number): number {
  let start = sign;
  while (isLocal(at(span, start - 1))) if (sign - --start > LONGEST_LOCAL) return -1;
  while (start < sign && !isAlnum(at(span, start)) && at(span, start) !== code('_')) start += 1;
  if (start === sign) return -1;
  for (let n = start + 1; n < sign; n++) if (at(span, n) === DOT && at(span, n - 1) === DOT) return -1;
  return start;
}

function domainEnd(span: Span, from: number): number {
  const { bytes, to } = span;
  const limit = Math.min(to, from + LONGEST_DOMAIN + 1);
  let stop = from;
  let dot = -1;
  for (; stop < limit; stop++) {
    const byte = bytes[stop] as number;
    if (byte === DOT) {
      if (dot === stop - 1 || bytes[stop - 1] === DASH) break;
      dot = stop;
    } else if (!isAlnum(byte) && byte !== DASH && byte < 0x80) break;
  }
  if (stop - from > LONGEST_DOMAIN) return -1;
  while (stop > from && (bytes[stop - 1] === DOT || bytes[stop - 1] === DASH)) stop -= 1;
  while (dot >= stop) for (dot -= 1; dot > from && bytes[dot] !== DOT; ) dot -= 1;
  if (dot <= from || stop - dot < 3) return -1;
  return isTopLevel(span, dot + 1, stop) && !isVersion(span, from) && !isName(span, from, stop) ? stop : -1;
}

function isTopLevel(span: Span, from: number, to: number): boolean {
  let hash = 0;
  for (let n = from; n < to; n++) {
    const byte = span.bytes[n] as number;
    if (!isLetter(byte) && byte < 0x80) return startsAt(span, from, 'xn--');
    hash = step(hash, byte);
  }
  // Nearly no ending has the hash of one of these, so nearly no string is made.
  return !HASHES.has(hash) || !NO_DOMAIN.has(latin1(span.bytes, from, to).toLowerCase());
}

/** `package@v1.2.rc`: a version, not a domain. */
function isVersion(span: Span, from: number): boolean {
  let n = at(span, from) === code('v') ? from + 1 : from;
  if (!isDigit(at(span, n))) return false;
  while (isDigit(at(span, n))) n += 1;
  return at(span, n) === DOT && isDigit(at(span, n + 1));
}

function isName(span: Span, from: number, to: number): boolean {
  return NO_MAIL.some((name) => name.length === to - from && startsAt(span, from, name));
}

/** `https://user@host`, `postgres://user:password@host`: no address, and not for this detector to judge. */
function insideUrl(span: Span, start: number): boolean {
  const before = at(span, start - 1);
  if (before !== COLON && before !== SLASH) return false;
  if (startsAt(span, start - 7, 'mailto:')) return false;
  for (let n = start - 1; n > start - 80 && n > span.from; n--) {
    const byte = at(span, n);
    if (byte === undefined || byte <= 0x20 || byte === 0x22) return false;
    if (byte === SLASH && at(span, n - 1) === SLASH) return true;
  }
  return false;
}
