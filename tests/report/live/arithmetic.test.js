/** Products, norms and shares against their definitions, written out. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { affine, gelu, layerNorm, logSumExp, softmax } from "../../../looking_glass/report/live/arithmetic.js";
import { openKernel } from "../../../looking_glass/report/live/kernel.js";
import { apart, some, tiny } from "./tiny.js";

/** W x + b by its definition. */
function written(W, b, x, n, nIn, nOut) {
  return Float32Array.from({ length: n * nOut }, (_, at) => {
    const [t, o] = [Math.floor(at / nOut), at % nOut];
    let sum = b ? b[o] : 0;
    for (let i = 0; i < nIn; i++) sum += W[o * nIn + i] * x[t * nIn + i];
    return sum;
  });
}

for (const [n, nIn, nOut] of [[1, 1, 1], [1, 7, 5], [3, 8, 4], [4, 5, 3], [5, 6, 7], [9, 12, 10]]) {
  test(`a product of ${n} vectors, ${nIn} to ${nOut}`, () => {
    const [W, b, x] = [some(nIn * nOut), some(nOut, 2), some(n * nIn, 3)];
    assert.ok(apart(affine(W, b, x, n, nIn, nOut), written(W, b, x, n, nIn, nOut)) < 1e-5);
    assert.ok(apart(affine(W, null, x, n, nIn, nOut), written(W, null, x, n, nIn, nOut)) < 1e-5);
  });
}

// Every way through the kernel: too few rows; whole tiles of 64, some left over, fewer than four; one vector,
// fours of them and what remains, more than the 16 that go at once.
const ROWS = [1, 2, 3, 4, 5, 6, 7, 63, 64, 65, 66, 67, 68, 130, 193];
const VECTORS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 21];
test("WebAssembly multiplies as its definition says, whatever the shape", async () => {
  for (const nIn of [4, 12, 64]) {
    for (const nOut of ROWS) {
      const kernel = await openKernel(nIn * nOut + nOut, Math.max(nIn, nOut));
      assert.equal(kernel.fast, true);
      const [W, b] = [kernel.floats(nIn * nOut), kernel.floats(nOut)];
      W.set(some(nIn * nOut));
      b.set(some(nOut, 2));
      for (const n of VECTORS) {
        const x = some(n * nIn, 3);
        for (const bias of [b, null]) {
          const found = kernel.affine(W, bias, x, n, nIn, nOut);
          assert.ok(apart(found, written(W, bias, x, n, nIn, nOut)) < 1e-5, `${n}, ${nIn}, ${nOut}`);
        }
      }
    }
  }
});

test("what the kernel has no room for, or no shape, is multiplied all the same", async () => {
  const kernel = await openKernel(40, 8);
  const W = kernel.floats(40);
  W.set(some(40));
  const x = some(10, 3);
  assert.ok(apart(kernel.affine(W, null, x, 2, 5, 8), written(W, null, x, 2, 5, 8)) < 1e-5);
  const other = some(32, 4); // not in its memory
  assert.ok(apart(kernel.affine(other, null, x.subarray(0, 8), 2, 4, 8), written(other, null, x, 2, 4, 8)) < 1e-5);
  assert.throws(() => kernel.floats(1), /room for 40 numbers, 41 are taken/);
});

test("a model gives the same logits in WebAssembly and without it", async (t) => {
  const slow = tiny();
  const kernel = await openKernel(5000, 32);
  const fast = tiny(kernel.affine);
  for (const block of fast.blocks) {
    for (const name of ["qkv", "proj", "up", "down"]) {
      const W = kernel.floats(block[name][0].length);
      W.set(block[name][0]);
      block[name][0] = W;
    }
  }
  const tokens = [3, 1, 4, 1, 5, 9, 2];
  assert.ok(apart(fast.lastLogits(fast.run(tokens)), slow.lastLogits(slow.run(tokens))) < 1e-5);
  t.mock.method(WebAssembly, "instantiate", () => { throw new WebAssembly.CompileError("forbidden"); });
  const without = await openKernel(12, 4);
  assert.equal(without.fast, false);
  assert.deepEqual(without.floats(3), new Float32Array(3));
  assert.equal(without.affine, affine);
});

test("a row that is normalised has mean 0 and variance 1, then gain and bias", () => {
  const x = some(16);
  const plain = layerNorm(x, new Float32Array(8).fill(1), new Float32Array(8), 2, 8);
  for (const row of [plain.subarray(0, 8), plain.subarray(8)]) {
    const mean = row.reduce((sum, v) => sum + v, 0) / 8;
    assert.ok(Math.abs(mean) < 1e-6);
    assert.ok(Math.abs(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 8 - 1) < 1e-3);
  }
  const [gain, bias] = [some(8, 2), some(8, 3)];
  const expected = plain.map((v, i) => v * gain[i % 8] + bias[i % 8]);
  assert.ok(apart(layerNorm(x, gain, bias, 2, 8), expected) < 1e-6);
});

test("GELU is that of its definition, also far from zero", () => {
  const x = Float32Array.of(-100, -3, -0.5, 0, 0.5, 3, 100);
  const tanh = (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
  assert.ok(apart(gelu(Float32Array.from(x)), x.map(tanh)) < 1e-6);
});

test("the logarithm of a sum of exponentials is exact where the exponentials overflow", () => {
  assert.ok(Math.abs(logSumExp([1000, 1000]) - 1000 - Math.log(2)) < 1e-9);
  assert.ok(Math.abs(logSumExp([9, 0, Math.log(3), 9], 1, 2) - Math.log(4)) < 1e-9);
});

test("shares sum to one, and are zeros where nothing is left", () => {
  const scores = Float64Array.of(1, 2, -Infinity, 99);
  softmax(scores, 3);
  const e = Math.exp(1);
  assert.ok(apart(scores, Float64Array.of(1 / (1 + e), e / (1 + e), 0, 99)) < 1e-12);
  const none = new Float64Array(3).fill(-Infinity);
  softmax(none, 3);
  assert.deepEqual([...none], [0, 0, 0]);
});
