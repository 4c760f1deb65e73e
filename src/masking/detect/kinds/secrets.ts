import { at, isAlnum, isToken, isWord, type Span, startsAt } from '../bytes.ts';
import { type Detector, NOTHING, type Sighting, type Trigger } from '../detector.ts';

const secret = (name: string, title: string, prefix: number): Detector => ({
  id: `secret-${name}`,
  family: 'secret',
  label: 'sec.token',
  title,
  words: [],
  kept: { how: 'first', count: prefix },
});

interface Token {
  readonly detector: Detector;
  /** The shortest token: its fixed beginning and as many characters as it has at least. */
  readonly pattern: string;
  /** Bytes of that, and how many of them are the beginning, which stays readable. */
  readonly length: number;
  readonly prefix: number;
  /** Longer ones go on with letters and digits, or also with `_` and `-`; `exact` ones do not go on. */
  readonly goesOn: 'exact' | 'alnum' | 'token';
}

const token = (
  name: string,
  title: string,
  prefix: string,
  body: string,
  count: number,
  goesOn: Token['goesOn'],
  prefixLength = prefix.length,
): Token => ({
  detector: secret(name, title, prefixLength),
  pattern: `${prefix}${body}{${count}}`,
  length: prefixLength + count,
  prefix: prefixLength,
  goesOn,
});

const ALNUM = '[0-9A-Za-z]';
const TOKEN = '[0-9A-Za-z_-]';

/** Beginnings that issuers put before their tokens so that they can be found. Each is documented by the issuer's own secret scanning. */
const TOKENS: readonly Token[] = [
  token('aws', 'AWS access key id', '(?:AKIA|ASIA|ABIA|ACCA)', '[A-Z2-7]', 16, 'exact', 4),
  token('github', 'GitHub token', 'gh[pousr]_', ALNUM, 36, 'alnum', 4),
  token('github', 'GitHub fine-grained token', 'github_pat_', '[0-9A-Za-z_]', 40, 'token'),
  token('gitlab', 'GitLab token', 'gl(?:pat|rpt|cbt|ldt|soa)-', TOKEN, 20, 'token', 6),
  token('slack', 'Slack token', 'xox[abeoprs]-', '[0-9A-Za-z-]', 16, 'token', 5),
  token('slack', 'Slack app token', 'xapp-', '[0-9A-Za-z-]', 24, 'token'),
  token('stripe', 'Stripe secret key', '[rs]k_(?:live|test)_', ALNUM, 16, 'alnum', 8),
  token('stripe', 'Stripe webhook secret', 'whsec_', '[0-9A-Za-z+/]', 24, 'alnum'),
  token('google', 'Google API key', 'AIza', TOKEN, 35, 'exact'),
  token('google', 'Google OAuth client secret', 'GOCSPX-', TOKEN, 28, 'exact'),
  token('npm', 'npm token', 'npm_', ALNUM, 36, 'exact'),
  token('pypi', 'PyPI token', 'pypi-AgE', TOKEN, 32, 'token'),
  token('openai', 'OpenAI key', 'sk-(?:proj|svac)-', TOKEN, 24, 'token', 8),
  token('anthropic', 'Anthropic key', 'sk-ant-', TOKEN, 24, 'token'),
  token('huggingface', 'Hugging Face token', 'hf_', ALNUM, 34, 'exact'),
  token('sendgrid', 'SendGrid key', 'SG\\.', '[0-9A-Za-z_.-]', 66, 'exact', 3),
  token('digitalocean', 'DigitalOcean token', 'do[opr]_v1_', '[0-9a-f]', 64, 'exact', 7),
  token('docker', 'Docker token', 'dckr_pat_', TOKEN, 27, 'token'),
  token('vault', 'Vault token', 'hv[sb]\\.', TOKEN, 24, 'token', 4),
  token('shopify', 'Shopify token', 'shp(?:at|ca|pa|ss)_', '[0-9a-fA-F]', 32, 'exact', 6),
  token('databricks', 'Databricks token', 'dapi', '[0-9a-f]', 32, 'exact'),
  token('age', 'age secret key', 'AGE-SECRET-KEY-1', '[0-9A-Z]', 58, 'exact'),
];

/** Bytes behind the shortest form of a token that may show that it is no placeholder. */
const LOOK_FURTHER = 40;

export const SECRETS: readonly Detector[] = TOKENS.map(({ detector }) => detector);

export const secretTriggers: readonly Trigger[] = TOKENS.map((form) => ({
  pattern: `[^0-9A-Za-z_]${form.pattern}`,
  read(span: Span, end: number, sighting: Sighting): boolean {
    const start = end - form.length;
    const goesOn = form.goesOn === 'token' ? isToken : form.goesOn === 'alnum' ? isAlnum : () => false;
    if (!varied(span, start + form.prefix, end, goesOn)) return false;
    let stop = end;
    while (goesOn(at(span, stop))) stop += 1;
    if (isWord(at(span, stop))) return false;
    sighting.reset(start, stop, 0, true);
    sighting.passed.push(form.detector);
    sighting.open = stop === span.to && form.goesOn !== 'exact' ? 'token' : undefined;
    return true;
  },
}));

/** `ghp_xxxxxxxxxxxx` in a manual is no secret. */
function varied(span: Span, from: number, end: number, goesOn: (byte: number | undefined) => boolean): boolean {
  const seen = new Set<number>();
  for (let n = from; n < end || (n < end + LOOK_FURTHER && goesOn(at(span, n))); n++) seen.add(span.bytes[n] as number);
  return seen.size >= 8;
}

export const JWT: Detector = {
  id: 'jwt',
  family: 'jwt',
  label: 'sec.token',
  title: 'JSON Web Token',
  words: [],
  kept: { how: 'first', count: 3 },
};

/** A header holds an algorithm and a key id: longer ones are no tokens of this kind. */
const LONGEST_HEADER = 480;

/** `eyJ` is what `{"` looks like in base64: RFC 7519 §3.1. */
export const jwt: Trigger = {
  pattern: '[0-9A-Za-z_-]\\.eyJ[0-9A-Za-z_-]{8}',
  read(span: Span, end: number, sighting: Sighting): boolean {
    const dot = end - 12;
    let start = dot;
    while (isToken(at(span, start - 1))) if (dot - --start > LONGEST_HEADER) return false;
    if (!startsAt(span, start, 'eyJ')) return false;
    let stop = end;
    while (isToken(at(span, stop)) || (at(span, stop) === 0x2e && isToken(at(span, stop + 1)))) stop += 1;
    sighting.reset(start, stop, 0, true);
    sighting.passed.push(JWT);
    sighting.open = stop === span.to ? 'token' : undefined;
    return true;
  },
};

export const PRIVATE_KEY: Detector = {
  id: 'private-key',
  family: 'private-key',
  label: 'sec.key',
  title: 'private key in PEM form',
  words: [],
  kept: NOTHING,
};

const DASH = 0x2d;
const BEGIN = '-----BEGIN ';
const LONGEST_NAME = 32;

/** RFC 7468 §2 and OpenPGP's armor. The line that says what it is stays readable. */
export const privateKey: Trigger = {
  pattern: 'PRIVATE KEY(?: BLOCK)?-----',
  read(span: Span, end: number, sighting: Sighting): boolean {
    let begin = end;
    while (!startsAt(span, begin, BEGIN))
      if (--begin < span.from || end - begin > BEGIN.length + LONGEST_NAME) return false;
    const [stop, ended] = pemEnd(span.bytes, end, span.to);
    sighting.reset(end, stop, 0, true);
    sighting.passed.push(PRIVATE_KEY);
    sighting.open = ended ? undefined : 'pem';
    return true;
  },
};

/** Base64, line ends (also written as `\n`) and the headers of old forms; anything else ends a key, so that nothing behind is touched. */
const inPem = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \r\n\\:,-')
  inPem[char.charCodeAt(0)] = 1;

const END = '-----END';

/** Where the key that is open at `from` ends, and whether its end was seen; what may be the beginning of `-----END` is not part of it. */
export function pemEnd(bytes: Uint8Array, from: number, to: number): readonly [number, boolean] {
  const span = { bytes, from, to };
  for (let n = from; n < to; n++) {
    if (inPem[bytes[n] as number] === 0) return [n, true];
    if (bytes[n] !== DASH || !startsAt(span, n, END.slice(0, to - n))) continue;
    return [n, to - n >= END.length];
  }
  return [to, false];
}

export function tokenEnd(bytes: Uint8Array, from: number, to: number): readonly [number, boolean] {
  for (let n = from; n < to; n++) if (!isToken(bytes[n]) && bytes[n] !== 0x2e) return [n, true];
  return [to, false];
}
