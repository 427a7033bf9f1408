/**
 * Weights out of the page's own text: see packing.py, which wrote them.
 * A tensor is `{shape: number[], data: Float32Array}`, rows one after the other.
 */

const FORBIDDEN = "&<\\";
const VALUE_OF = new Int16Array(128).fill(-1);
let next = 0;
for (let code = 33; code < 127; code++) {
  if (!FORBIDDEN.includes(String.fromCharCode(code))) VALUE_OF[code] = next++;
}

/**
 * Return the bytes that a text of base 91 stands for.
 * @param {string} text two characters for each 13 bits; the first two values tell the length
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(text) {
  const valueAt = (at) => VALUE_OF[text.charCodeAt(at)] + 91 * VALUE_OF[text.charCodeAt(at + 1)];
  const bytes = new Uint8Array(valueAt(0) | (valueAt(2) << 13));
  let [length, bits, held] = [0, 0, 0];
  for (let at = 4; length < bytes.length; at += 2) {
    held |= valueAt(at) << bits;
    for (bits += 13; bits > 7; bits -= 8) {
      if (length < bytes.length) bytes[length++] = held & 255;
      held >>>= 8;
    }
  }
  return bytes;
}

/** Return what a zlib stream holds. @param {Uint8Array<ArrayBuffer>} content @returns {Promise<Uint8Array>} */
export async function inflate(content) {
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Return every tensor by name.
 * @param {{exact: number, tensors: {name: string, shape: number[], wide?: number}[]}} head
 * @param {Uint8Array} body inflated
 * @param {function(number): Float32Array} [room] makes the array of a matrix
 * @returns {Object<string, {shape: number[], data: Float32Array}>}
 */
export function tensorsOf(head, body, room = (count) => new Float32Array(count)) {
  const view = new DataView(body.buffer, body.byteOffset);
  let exact = 0;
  let plane = head.exact;
  const floats = (n) => Float32Array.from({ length: n }, () => {
    exact += 4;
    return view.getFloat32(exact - 4, true);
  });
  /** @type {Object<string, {shape: number[], data: Float32Array}>} */
  const found = {};
  for (const { name, shape, wide } of head.tensors) {
    if (wide === undefined) {
      found[name] = { shape, data: floats(shape[0]) };
      continue;
    }
    const [rows, width] = shape;
    const scales = floats(rows);
    const highAt = new Int32Array(rows).fill(-1); // where the row's high bytes begin
    for (let index = 0; index < wide; index++) {
      highAt[view.getUint32(exact, true)] = plane + rows * width + index * width;
      exact += 4;
    }
    const data = room(rows * width);
    for (let row = 0; row < rows; row++) {
      const [scale, high] = [scales[row], highAt[row]];
      for (let at = row * width, i = 0; i < width; i++, at++) {
        const low = body[plane + at];
        const whole = high < 0 ? (low << 24) >> 24 : low | ((body[high + i] << 24) >> 16);
        data[at] = whole * scale;
      }
    }
    plane += (rows + wide) * width;
    found[name] = { shape, data };
  }
  return found;
}
