/**
 * The products of a model's matrices in WebAssembly, four numbers at a time (see kernel.wat), or, in
 * a browser that has none of it or may not run it, by arithmetic.js: several times as long.
 */
import { affine as plain } from "./arithmetic.js";
import { KERNEL } from "./kernel_bytes.js";

const PAGE = 65536; // bytes: WebAssembly's memory grows by these
const ROWS = 16; // vectors that are multiplied at once

/**
 * Room for a model's numbers, and the product that is fast with what lies there.
 * @typedef {Object} Kernel
 * @property {boolean} fast whether WebAssembly runs
 * @property {function(number): Float32Array} floats takes room for so many numbers
 * @property {typeof plain} affine as in arithmetic.js; fast where W is from `floats`
 */

/**
 * @param {number} numbers how many will be taken from `floats` in all
 * @param {number} widest the most rows or columns that a matrix has
 * @returns {Promise<Kernel>}
 */
export async function openKernel(numbers, widest) {
  try {
    const bytes = (numbers + 2 * ROWS * widest) * Float32Array.BYTES_PER_ELEMENT;
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
    const { instance } = await WebAssembly.instantiate(binary(), { page: { memory } });
    return inMemory(memory.buffer, instance.exports.dots, numbers);
  } catch { // no WebAssembly, none with vectors, a policy that forbids it, or no such memory
    return { fast: false, floats: (count) => new Float32Array(count), affine: plain };
  }
}

function inMemory(buffer, dots, numbers) {
  const all = new Float32Array(buffer);
  let taken = 0;
  const floats = (count) => {
    taken += count;
    if (taken > numbers) throw new RangeError(`room for ${numbers} numbers, ${taken} are taken`);
    return all.subarray(taken - count, taken);
  };
  const affine = (W, b, x, n, nIn, nOut) => {
    if (W.buffer !== buffer || nIn % 4 || nOut < 4) return plain(W, b, x, n, nIn, nOut);
    const result = new Float32Array(n * nOut);
    const [from, to] = [numbers, numbers + ROWS * nIn]; // x, then what comes of it
    for (let t = 0; t < n; t += ROWS) {
      const rows = Math.min(ROWS, n - t);
      all.set(x.subarray(t * nIn, (t + rows) * nIn), from);
      dots(W.byteOffset, 4 * from, 4 * to, rows, nIn, nOut);
      result.set(all.subarray(to, to + rows * nOut), t * nOut);
    }
    if (b) for (let t = 0; t < n; t++) for (let o = 0; o < nOut; o++) result[t * nOut + o] += b[o];
    return result;
  };
  return { fast: true, floats, affine };
}

function binary() {
  return Uint8Array.from(atob(KERNEL), (sign) => sign.charCodeAt(0));
}
