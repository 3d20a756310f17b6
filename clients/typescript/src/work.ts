/** The proof of work that a shop asks for at a login whose name strangers are guessing at (Back's Hashcash). */

import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";

/** What a refused login asks for. */
export interface Challenge {
  challenge: string;
  /** Leading zero bits of the hash. */
  bits: number;
}

/** More than this no shop asks for, and no page should be kept busy with. */
const MOST_BITS = 24;
/** Hashes between two breaths, in which the page may draw and answer. */
const SLICE = 20_000;
/** A challenge is good for five minutes, in milliseconds. */
const PATIENCE = 4 * 60_000;

/** A nonce with which SHA-256 of `challenge:nonce:password` begins with as many zero bits; nothing where that is too much to ask. */
export async function work({ challenge, bits }: Challenge, password: string): Promise<string | undefined> {
  // Written so that what is no number is too much.
  if (!(bits <= MOST_BITS)) return undefined;
  const until = Date.now() + PATIENCE;
  const begun = sha256.create().update(utf8ToBytes(`${challenge}:`));
  const end = utf8ToBytes(`:${password}`);
  for (let nonce = 0; ; nonce++) {
    if (nonce % SLICE === 0) {
      if (Date.now() > until) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const hash = begun.clone().update(utf8ToBytes(String(nonce))).update(end).digest();
    if (leadingZeros(hash) >= bits) return String(nonce);
  }
}

export function leadingZeros(bytes: Uint8Array): number {
  const whole = bytes.findIndex((byte) => byte !== 0);
  return whole < 0 ? bytes.length * 8 : whole * 8 + Math.clz32(bytes[whole] ?? 0) - 24;
}
