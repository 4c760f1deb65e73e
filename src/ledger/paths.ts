/** Below the log's folder: `checkpoint` and `tile/` are public; everything else here is not served. */
export const CHECKPOINT = 'checkpoint';
/** The log's private key, PKCS #8 PEM. */
export const KEY = 'key.pem';
/** The log's verifier key, for whoever sets up an auditor. */
export const VKEY = 'vkey';
export const WRITE_AHEAD = 'wal';

export function segmentPath(number: number): string {
  return `${WRITE_AHEAD}/${String(number).padStart(12, '0')}`;
}

/** Inverse of segmentPath on the name alone; undefined for a foreign file. */
export function segmentNumber(name: string): number | undefined {
  return /^[0-9]{12}$/.test(name) ? Number(name) : undefined;
}
