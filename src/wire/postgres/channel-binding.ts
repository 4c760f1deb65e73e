import { createHash, X509Certificate } from 'node:crypto';

/** signatureAlgorithm OID → hash, where the algorithm names its own; MD5 and SHA-1 are replaced as RFC 5929 §4.1 demands. */
const HASHES: Readonly<Record<string, 'sha256' | 'sha384' | 'sha512' | 'sha224'>> = {
  '1.2.840.113549.1.1.4': 'sha256', // md5WithRSAEncryption
  '1.2.840.113549.1.1.5': 'sha256', // sha1WithRSAEncryption
  '1.2.840.113549.1.1.14': 'sha224', // sha224WithRSAEncryption
  '1.2.840.113549.1.1.11': 'sha256', // sha256WithRSAEncryption
  '1.2.840.113549.1.1.12': 'sha384', // sha384WithRSAEncryption
  '1.2.840.113549.1.1.13': 'sha512', // sha512WithRSAEncryption
  '1.2.840.10045.4.1': 'sha256', // ecdsa-with-SHA1
  '1.2.840.10045.4.3.1': 'sha224', // ecdsa-with-SHA224
  '1.2.840.10045.4.3.2': 'sha256', // ecdsa-with-SHA256
  '1.2.840.10045.4.3.3': 'sha384', // ecdsa-with-SHA384
  '1.2.840.10045.4.3.4': 'sha512', // ecdsa-with-SHA512
};

/**
 * `tls-server-end-point` data (RFC 5929 §4): the hash of the server's certificate, with the hash of its own signature.
 * Undefined when the signature names no single hash (Ed25519, RSA-PSS): then -PLUS cannot be used.
 * @param certificate the server's leaf certificate, PEM or DER
 */
export function tlsServerEndPoint(certificate: Buffer | string): Buffer | undefined {
  const x509 = new X509Certificate(certificate);
  const hash = HASHES[x509.signatureAlgorithmOid];
  return hash === undefined ? undefined : createHash(hash).update(x509.raw).digest();
}
