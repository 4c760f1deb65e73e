/** Seeded: the same corpus every time. https://prng.di.unimi.it/ (splitmix-style 32 bits) */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

export type Draw = () => number;

export const below = (draw: Draw, limit: number): number => Math.floor(draw() * limit);
export const pick = <T>(draw: Draw, items: readonly T[]): T => items[below(draw, items.length)] as T;
export const digits = (draw: Draw, count: number): string =>
  Array.from({ length: count }, () => below(draw, 10)).join('');
export const chars = (draw: Draw, alphabet: string, count: number): string =>
  Array.from({ length: count }, () => alphabet[below(draw, alphabet.length)]).join('');
export const pad = (value: number, width: number): string => String(value).padStart(width, '0');

const HEX = '0123456789abcdef';
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const WORDS =
  'order shipped invoice pending customer note alpha warehouse batch refund status region total item box'.split(' ');

const date = (draw: Draw) => `${2015 + below(draw, 12)}-${pad(1 + below(draw, 12), 2)}-${pad(1 + below(draw, 28), 2)}`;
const uuid = (draw: Draw) => [8, 4, 4, 4, 12].map((count) => chars(draw, HEX, count)).join('-');
const sentence = (draw: Draw) => Array.from({ length: 6 }, () => pick(draw, WORDS)).join(' ');

function ean13(draw: Draw, prefix: string): string {
  const body = prefix + digits(draw, 12 - prefix.length);
  const sum = [...body].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0);
  return body + ((10 - (sum % 10)) % 10);
}

function imei(draw: Draw): string {
  const body = `35${digits(draw, 12)}`;
  const sum = [...body].reduce((total, char, index) => {
    const value = Number(char) * (index % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return body + ((10 - (sum % 10)) % 10);
}

/** Columns of things that look like personal data or secrets and are none. */
export const LOOK_ALIKES: Readonly<Record<string, (draw: Draw, row: number) => string>> = {
  uuid,
  uuid_plain: (draw) => chars(draw, HEX, 32),
  uuid_upper: (draw) => uuid(draw).toUpperCase(),
  md5: (draw) => chars(draw, HEX, 32),
  sha1: (draw) => chars(draw, HEX, 40),
  sha256: (draw) => chars(draw, HEX, 64),
  sha256_upper: (draw) => chars(draw, HEX, 64).toUpperCase(),
  base64: (draw) => `${chars(draw, BASE64, 43)}=`,
  base64url: (draw) => chars(draw, `${BASE64.slice(0, 62)}-_`, 64),
  order_no_9: (draw) => digits(draw, 9),
  order_no_10: (draw) => digits(draw, 10),
  order_no_11: (draw) => digits(draw, 11),
  order_no_12: (draw) => digits(draw, 12),
  order_no_13: (draw) => digits(draw, 13),
  order_no_14: (draw) => digits(draw, 14),
  order_no_15: (draw) => digits(draw, 15),
  order_no_16: (draw) => `4${digits(draw, 15)}`,
  order_no_19: (draw) => digits(draw, 19),
  order_sequence: (_, row) => String(4_000_000_000_000_000 + row * 7),
  order_by_day: (draw) =>
    `${pad(below(draw, 30), 2)}${pad(1 + below(draw, 12), 2)}${pad(1 + below(draw, 28), 2)}-${digits(draw, 4)}`,
  order_prefixed: (draw) => `ORD-${digits(draw, 4)}-${digits(draw, 8)}`,
  snowflake: (draw) => `17${digits(draw, 16)}`,
  product_code: (draw) => `${digits(draw, 8)}${chars(draw, 'ABCDEFGHJKLM', 1)}`,
  part_number: (draw) => `${chars(draw, 'ABCDEFGHIJ', 2)}-${digits(draw, 5)}-${chars(draw, 'XYZ', 1)}`,
  voucher: (draw) => Array.from({ length: 4 }, () => digits(draw, 4)).join('-'),
  version: (draw) => `v${below(draw, 30)}.${below(draw, 40)}.${below(draw, 2000)}-rc.${below(draw, 9)}`,
  package: (draw) =>
    `@${pick(draw, WORDS)}/${pick(draw, WORDS)}@${below(draw, 30)}.${below(draw, 40)}.${below(draw, 99)}`,
  image_file: (draw) => `${pick(draw, WORDS)}@${1 + below(draw, 3)}x.${pick(draw, ['png', 'jpg', 'webp', 'svg'])}`,
  git_remote: (draw) => `git@github.com:${pick(draw, WORDS)}/${pick(draw, WORDS)}.git`,
  clone_url: (draw) => `https://ci@git.example.com/${pick(draw, WORDS)}`,
  ssh_cipher: (draw) => pick(draw, ['chacha20-poly1305@openssh.com', 'umac-64-etm@openssh.com', 'zlib@openssh.com']),
  systemd_unit: (draw) => `getty@tty${below(draw, 9)}.service`,
  mention: (draw) => `thanks @${pick(draw, WORDS)}.${pick(draw, WORDS)} see ${pick(draw, WORDS)}@${pick(draw, WORDS)}`,
  timestamp: (draw) =>
    `${date(draw)} ${pad(below(draw, 24), 2)}:${pad(below(draw, 60), 2)}:${pad(below(draw, 60), 2)}.${digits(draw, 6)}+00`,
  timestamp_iso: (draw) => `${date(draw)}T${pad(below(draw, 24), 2)}:${pad(below(draw, 60), 2)}:00.${digits(draw, 9)}Z`,
  timestamp_compact: (draw) =>
    `${date(draw).replaceAll('-', '')}${pad(below(draw, 24), 2)}${pad(below(draw, 60), 2)}${pad(below(draw, 60), 2)}`,
  epoch_seconds: (draw) => String(1_500_000_000 + below(draw, 300_000_000)),
  epoch_millis: (draw) => String(1_500_000_000_000 + below(draw, 300_000_000_000)),
  amount: (draw) => `${digits(draw, 9)}.${digits(draw, 2)}`,
  amount_signed: (draw) => `${pick(draw, ['+', '-'])}${1 + below(draw, 9)}${digits(draw, 8)}.${digits(draw, 4)}`,
  number_long: (draw) => `0.${digits(draw, 16)}`,
  float: (draw) => `${digits(draw, 1)}.${digits(draw, 15)}e-${below(draw, 20)}`,
  signed_integer: (draw) => `+${1 + below(draw, 9)}${digits(draw, 7)}`,
  coordinates: (draw) => `${below(draw, 90)}.${digits(draw, 14)},-${below(draw, 180)}.${digits(draw, 14)}`,
  ipv4: (draw) => Array.from({ length: 4 }, () => below(draw, 256)).join('.'),
  ipv6: (draw) => Array.from({ length: 8 }, () => chars(draw, HEX, 4)).join(':'),
  mac: (draw) => Array.from({ length: 6 }, () => chars(draw, HEX, 2)).join(':'),
  hex_colour: (draw) => `#${chars(draw, HEX, 6)}`,
  isbn13: (draw) => ean13(draw, '978'),
  isbn10: (draw) => `${digits(draw, 1)}-${digits(draw, 4)}-${digits(draw, 4)}-${digits(draw, 1)}`,
  ean13: (draw) => ean13(draw, '40'),
  imei,
  vin: (draw) =>
    `${chars(draw, 'ABCDEFGHJKLMNPRSTUVWXYZ', 3)}${chars(draw, 'ABCDEFGH0123456789', 8)}${digits(draw, 6)}`,
  tracking: (draw) => `1Z${chars(draw, 'ABCDEFGHJKLMNPRSTUVWXYZ0123456789', 16)}`,
  flight: (draw) => `${chars(draw, 'ABCDEFGHIJ', 2)}${digits(draw, 4)} ${date(draw)}`,
  postcode: (draw) => `${digits(draw, 5)}-${digits(draw, 4)}`,
  local_phone: (draw) => `(0${digits(draw, 3)}) ${digits(draw, 3)}-${digits(draw, 4)}`,
  url: (draw) => `https://example.com/${pick(draw, WORDS)}/${digits(draw, 11)}?page=${below(draw, 99)}`,
  path: (draw) => `/var/lib/${pick(draw, WORDS)}/${date(draw).replaceAll('-', '/')}/${digits(draw, 9)}.log`,
  json: (draw) => JSON.stringify({ id: uuid(draw), at: date(draw), total: below(draw, 1e6), ok: true }),
  json_ids: (draw) => JSON.stringify({ order: digits(draw, 11), batch: Number(`4${digits(draw, 14)}`) }),
  sentence,
  sentence_numbers: (draw) => `${sentence(draw)} ${digits(draw, 11)}, ${digits(draw, 9)} and ${digits(draw, 16)}`,
  placeholder_key: () => 'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  short_tokens: (draw) => `sk_test_${chars(draw, BASE64.slice(0, 62), 6)} npm_config_${pick(draw, WORDS)}`,
  public_key: () => '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----',
  dotted: (draw) =>
    `${chars(draw, BASE64.slice(0, 62), 12)}.${chars(draw, BASE64.slice(0, 62), 20)}.${chars(draw, HEX, 12)}`,
};
