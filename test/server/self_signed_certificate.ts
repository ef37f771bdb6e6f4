/** A certificate of the tests' own for 127.0.0.1 (RFC 5280), signed by its own key: DER written here, since Node signs none. */

import { generateKeyPairSync, sign } from 'node:crypto';

/** A certificate and its private key, PEM. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Tags of ASN.1 (X.690). */
const TAG = Object.freeze({
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  identifier: 0x06,
  text: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
});
/** Context tags of a certificate: version, extensions; of a subject's alternative name: address. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const ADDRESS = 0x87;
const DAY = 24 * 3600 * 1000;

function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function identifier(...numbers: readonly number[]): Buffer {
  const [first = 0, second = 0, ...rest] = numbers;
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const digits = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return element(TAG.identifier, Uint8Array.from(bytes));
}

const ECDSA_SHA256 = element(TAG.sequence, identifier(1, 2, 840, 10045, 4, 3, 2));
const COMMON_NAME = identifier(2, 5, 4, 3);
const ALTERNATIVE_NAME = identifier(2, 5, 29, 17);

/** `YYMMDDHHMMSSZ`. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/\D/g, '').slice(2, 14);
  return element(TAG.time, Buffer.from(`${digits}Z`));
}

/**
 * Makes a certificate for 127.0.0.1 that is valid from yesterday to tomorrow.
 * @param title common name of its subject, which is its issuer
 */
export function selfSignedCertificate(title = 'Evenhand test'): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const named = element(TAG.sequence, COMMON_NAME, element(TAG.text, Buffer.from(title)));
  const name = element(TAG.sequence, element(TAG.set, named));
  const now = Date.now();
  const names = element(TAG.sequence, element(ADDRESS, Uint8Array.of(127, 0, 0, 1)));
  const extension = element(TAG.sequence, ALTERNATIVE_NAME, element(TAG.octets, names));
  const content = element(
    TAG.sequence,
    element(VERSION, element(TAG.integer, Uint8Array.of(2))),
    element(TAG.integer, Uint8Array.of(1)),
    ECDSA_SHA256,
    name,
    element(TAG.sequence, time(new Date(now - DAY)), time(new Date(now + DAY))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    element(EXTENSIONS, element(TAG.sequence, extension)),
  );
  const signature = element(TAG.bits, Uint8Array.of(0), sign('sha256', content, privateKey));
  const der = element(TAG.sequence, content, ECDSA_SHA256, signature);
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
