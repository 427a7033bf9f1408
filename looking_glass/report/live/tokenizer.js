/** GPT-2's byte-pair encoding, from the pairs that its merges join (see merges.py). */

const PATTERN = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
// JavaScript's \s has U+FEFF, which is no white space in Unicode, and lacks U+0085, which is.
const GPT2 = new RegExp(
  PATTERN.source.replaceAll("[^\\s", "[^\\p{White_Space}").replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}"), "gu");
const N_BYTES = 256;

/** The byte of each of the first 256 tokens: those that print, then the others. */
function bytesInOrder() {
  const prints = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const all = Array.from({ length: N_BYTES }, (_, byte) => byte);
  return [...all.filter(prints), ...all.filter((byte) => !prints(byte))];
}

export class Tokenizer {
  /** @param {Uint32Array} pairs (merges, 2): merge i joins two tokens into token 256 + i */
  constructor(pairs) {
    this.pieces = bytesInOrder().map((byte) => Uint8Array.of(byte));
    this.tokenOfByte = new Uint16Array(N_BYTES);
    this.pieces.forEach(([byte], token) => { this.tokenOfByte[byte] = token; });
    this.merged = new Map();
    for (let i = 0; i < pairs.length; i += 2) {
      const [left, right] = [this.pieces[pairs[i]], this.pieces[pairs[i + 1]]];
      const piece = new Uint8Array(left.length + right.length);
      piece.set(left);
      piece.set(right, left.length);
      this.merged.set(pairs[i] * 0x1000000 + pairs[i + 1], this.pieces.length);
      this.pieces.push(piece);
    }
    this.pieces.push(new TextEncoder().encode("<|endoftext|>"));
    this.seen = new Map();
  }

  /** The tokens of a text. @param {string} text @returns {number[]} */
  encode(text) {
    return (text.toWellFormed?.() ?? text).match(GPT2)?.flatMap((word) => this.encodeWord(word)) ?? [];
  }

  /** The tokens of a text that is to be continued: white space at its end is as before a word. */
  encodePrompt(text) {
    return /\p{White_Space}$/u.test(text) ? this.encode(`${text}x`).slice(0, -1) : this.encode(text);
  }

  /** Join the two neighbours that were merged first, until none are left to join. */
  encodeWord(word) {
    if (this.seen.has(word)) return this.seen.get(word);
    const tokens = [...new TextEncoder().encode(word)].map((byte) => this.tokenOfByte[byte]);
    for (;;) {
      let [best, at] = [Infinity, -1];
      for (let i = 0; i + 1 < tokens.length; i++) {
        const made = this.merged.get(tokens[i] * 0x1000000 + tokens[i + 1]);
        if (made < best) [best, at] = [made, i];
      }
      if (at < 0) break;
      tokens.splice(at, 2, best);
    }
    if (this.seen.size < 10000) this.seen.set(word, tokens);
    return tokens;
  }

  /** The bytes of tokens, one after the other. @returns {Uint8Array} */
  bytes(tokens) {
    return Uint8Array.from(tokens.flatMap((token) => [...this.pieces[token]]));
  }

  /** The text of tokens; bytes that are no UTF-8 show as U+FFFD. @returns {string} */
  decode(tokens) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes(tokens));
  }
}

/**
 * The pairs of merges as packing.py writes them: four planes of bytes.
 * @param {Uint8Array} bytes
 * @returns {Uint32Array}
 */
export function pairsOf(bytes) {
  const n = bytes.length / 4; // numbers: all left tokens, then all right ones
  const pairs = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const value = [3, 2, 1, 0].reduce((sum, plane) => sum * N_BYTES + bytes[plane * n + i], 0);
    pairs[i < n / 2 ? 2 * i : 2 * i - n + 1] = value;
  }
  return pairs;
}
