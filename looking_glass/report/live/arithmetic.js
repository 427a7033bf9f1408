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

function fourRows(out, W, b, x, t, nIn, nOut) {
  const [x0, x1, x2, x3] = [t * nIn, (t + 1) * nIn, (t + 2) * nIn, (t + 3) * nIn];
  for (let o = 0, w = 0; o < nOut; o++) {
    let a0 = b ? b[o] : 0;
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    for (let i = 0; i < nIn; i++, w++) {
      const weight = W[w];
      a0 += weight * x[x0 + i];
      a1 += weight * x[x1 + i];
      a2 += weight * x[x2 + i];
      a3 += weight * x[x3 + i];
    }
    out[t * nOut + o] = a0;
    out[(t + 1) * nOut + o] = a1;
    out[(t + 2) * nOut + o] = a2;
    out[(t + 3) * nOut + o] = a3;
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
