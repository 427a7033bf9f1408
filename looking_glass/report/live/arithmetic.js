/**
 * What a GPT-2 is made of, on plain typed arrays. Sums are kept in double precision, as JavaScript
 * computes, and stored in single. Matrices are (rows, columns), rows one after the other.
 */

/**
 * out[t] = W x[t] + b for n vectors: (n, nIn) → (n, nOut). Four vectors share each weight read.
 * @param {Float32Array} W (nOut, nIn)
 * @param {?Float32Array} b (nOut)
 * @param {Float32Array} x (n, nIn)
 * @returns {Float32Array} (n, nOut)
 */
export function affine(W, b, x, n, nIn, nOut) {
  const out = new Float32Array(n * nOut);
  let t = 0;
  for (; t + 3 < n; t += 4) fourRows(out, W, b, x, t, nIn, nOut);
  for (; t < n; t++) oneRow(out, W, b, x, t, nIn, nOut);
  return out;
}

/** Four vectors side by side in double precision, and two rows of W at a time: half as long. */
function fourRows(out, W, b, x, t, nIn, nOut) {
  const y = new Float64Array(4 * nIn);
  for (let i = 0; i < nIn; i++) for (let r = 0; r < 4; r++) y[4 * i + r] = x[(t + r) * nIn + i];
  for (let o = 0; o < nOut; o += 2) {
    const other = Math.min(o + 1, nOut - 1); // the last row by itself where their number is odd
    let [w, v] = [o * nIn, other * nIn];
    let a0 = 0, a1 = 0, a2 = 0, a3 = 0, c0 = 0, c1 = 0, c2 = 0, c3 = 0;
    for (let i = 0, j = 0; i < nIn; i++, w++, v++, j += 4) {
      const p = W[w];
      const q = W[v];
      const y0 = y[j];
      const y1 = y[j + 1];
      const y2 = y[j + 2];
      const y3 = y[j + 3];
      a0 += p * y0;
      a1 += p * y1;
      a2 += p * y2;
      a3 += p * y3;
      c0 += q * y0;
      c1 += q * y1;
      c2 += q * y2;
      c3 += q * y3;
    }
    const first = b ? b[o] : 0;
    const second = b ? b[other] : 0;
    const at = t * nOut + o;
    const next = t * nOut + other;
    out[next] = c0 + second;
    out[next + nOut] = c1 + second;
    out[next + 2 * nOut] = c2 + second;
    out[next + 3 * nOut] = c3 + second;
    out[at] = a0 + first;
    out[at + nOut] = a1 + first;
    out[at + 2 * nOut] = a2 + first;
    out[at + 3 * nOut] = a3 + first;
  }
}

function oneRow(out, W, b, x, t, nIn, nOut) {
  const from = t * nIn;
  const even = nIn & ~3;
  for (let o = 0; o < nOut; o++) {
    const w = o * nIn;
    let a0 = b ? b[o] : 0;
    let a1 = 0;
    let a2 = 0;
    let a3 = 0;
    let i = 0;
    for (; i < even; i += 4) {
      a0 += W[w + i] * x[from + i];
      a1 += W[w + i + 1] * x[from + i + 1];
      a2 += W[w + i + 2] * x[from + i + 2];
      a3 += W[w + i + 3] * x[from + i + 3];
    }
    for (; i < nIn; i++) a0 += W[w + i] * x[from + i];
    out[t * nOut + o] = a0 + a1 + (a2 + a3);
  }
}

/**
 * Layer normalisation of n vectors, epsilon 1e-5: (n, C) → (n, C).
 * @returns {Float32Array}
 */
export function layerNorm(x, gain, bias, n, C) {
  const out = new Float32Array(n * C);
  for (let t = 0; t < n; t++) {
    let [mean, square] = [0, 0];
    for (let i = 0; i < C; i++) mean += x[t * C + i];
    mean /= C;
    for (let i = 0; i < C; i++) square += (x[t * C + i] - mean) ** 2;
    const scale = 1 / Math.sqrt(square / C + 1e-5);
    for (let i = 0; i < C; i++) out[t * C + i] = (x[t * C + i] - mean) * scale * gain[i] + bias[i];
  }
  return out;
}

/** GPT-2's GELU, in place: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
export function gelu(x) {
  const root = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    // tanh by its exponential: V8's Math.tanh is several times as slow.
    const twice = 2 * root * (v + 0.044715 * v * v * v);
    x[i] = v - v / (1 + Math.exp(twice));
  }
  return x;
}

/**
 * log Σ exp of `count` numbers from `start` on.
 * @param {ArrayLike<number>} values
 * @returns {number}
 */
export function logSumExp(values, start = 0, count = values.length) {
  let [most, sum] = [-Infinity, 0];
  for (let i = start; i < start + count; i++) if (values[i] > most) most = values[i];
  for (let i = start; i < start + count; i++) sum += Math.exp(values[i] - most);
  return most + Math.log(sum);
}

/** Turn scores[0..count) into shares that sum to 1; where all are -Infinity, into zeros. */
export function softmax(scores, count) {
  let [most, sum] = [-Infinity, 0];
  for (let i = 0; i < count; i++) if (scores[i] > most) most = scores[i];
  if (most === -Infinity) {
    scores.fill(0, 0, count);
    return;
  }
  for (let i = 0; i < count; i++) {
    scores[i] = Math.exp(scores[i] - most);
    sum += scores[i];
  }
  for (let i = 0; i < count; i++) scores[i] /= sum;
}
