;; Dot products of rows, four numbers at a time: what a GPT-2 spends its time with.
;;
;; kernel_bytes.js holds this module assembled; `make kernel` writes it.
;; All matrices are in single precision, rows one after the other, and begin at an address in bytes.
;; nIn is a multiple of 4, nOut at least 4.
(module
  (import "page" "memory" (memory 1))

  ;; out[t][o] = Σ W[o][i] x[t][i] for n vectors. Rows of W go by 64, which stay in the cache
  ;; while four vectors after the other pass over them.
  (func (export "dots")
    (param $W i32) (param $x i32) (param $out i32) (param $n i32) (param $nIn i32) (param $nOut i32)
    (local $o i32) (local $rows i32) (local $t i32) (local $w i32)
    (loop $tiles
      (local.set $rows (call $least (i32.const 64) (i32.sub (local.get $nOut) (local.get $o))))
      (if (i32.lt_u (local.get $rows) (i32.const 4)) ;; the last tile reaches back to be four rows
        (then
          (local.set $o (i32.sub (local.get $nOut) (i32.const 4)))
          (local.set $rows (i32.const 4))))
      (local.set $w (call $at (local.get $W) (i32.mul (local.get $o) (local.get $nIn))))
      (local.set $t (i32.const 0))
      (block $ended
        (loop $vectors
          (br_if $ended (i32.ge_u (local.get $t) (local.get $n)))
          (if (i32.lt_u (i32.add (local.get $t) (i32.const 3)) (local.get $n))
            (then
              (call $four (local.get $w)
                (call $at (local.get $x) (i32.mul (local.get $t) (local.get $nIn)))
                (call $at (local.get $out)
                  (i32.add (i32.mul (local.get $t) (local.get $nOut)) (local.get $o)))
                (local.get $nIn) (local.get $nOut) (local.get $rows))
              (local.set $t (i32.add (local.get $t) (i32.const 4))))
            (else
              (call $one (local.get $w)
                (call $at (local.get $x) (i32.mul (local.get $t) (local.get $nIn)))
                (call $at (local.get $out)
                  (i32.add (i32.mul (local.get $t) (local.get $nOut)) (local.get $o)))
                (local.get $nIn) (local.get $rows))
              (local.set $t (i32.add (local.get $t) (i32.const 1)))))
          (br $vectors)))
      (local.set $o (i32.add (local.get $o) (local.get $rows)))
      (br_if $tiles (i32.lt_u (local.get $o) (local.get $nOut)))))

  ;; One vector, four rows of W at a time; the last four reach back where rows are no multiple.
  (func $one (param $W i32) (param $x i32) (param $out i32) (param $nIn i32) (param $rows i32)
    (local $o i32) (local $i i32) (local $bytes i32) (local $y v128)
    (local $w0 i32) (local $w1 i32) (local $w2 i32) (local $w3 i32)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128)
    (local.set $bytes (i32.shl (local.get $nIn) (i32.const 2)))
    (loop $some
      (local.set $o (call $least (local.get $o) (i32.sub (local.get $rows) (i32.const 4))))
      (local.set $w0 (i32.add (local.get $W) (i32.mul (local.get $o) (local.get $bytes))))
      (local.set $w1 (i32.add (local.get $w0) (local.get $bytes)))
      (local.set $w2 (i32.add (local.get $w1) (local.get $bytes)))
      (local.set $w3 (i32.add (local.get $w2) (local.get $bytes)))
      (local.set $a0 (v128.const f32x4 0 0 0 0))
      (local.set $a1 (local.get $a0))
      (local.set $a2 (local.get $a0))
      (local.set $a3 (local.get $a0))
      (local.set $i (i32.const 0))
      (loop $along
        (local.set $y (v128.load (i32.add (local.get $x) (local.get $i))))
        (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $y) (v128.load (i32.add (local.get $w0) (local.get $i))))))
        (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $y) (v128.load (i32.add (local.get $w1) (local.get $i))))))
        (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $y) (v128.load (i32.add (local.get $w2) (local.get $i))))))
        (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $y) (v128.load (i32.add (local.get $w3) (local.get $i))))))
        (local.set $i (i32.add (local.get $i) (i32.const 16)))
        (br_if $along (i32.lt_u (local.get $i) (local.get $bytes))))
      (v128.store (call $at (local.get $out) (local.get $o))
        (call $sums (local.get $a0) (local.get $a1) (local.get $a2) (local.get $a3)))
      (local.set $o (i32.add (local.get $o) (i32.const 4)))
      (br_if $some (i32.lt_u (local.get $o) (local.get $rows)))))

  ;; Four vectors, two rows of W at a time: each number that is read is used two or four times.
  (func $four
    (param $W i32) (param $x i32) (param $out i32) (param $nIn i32) (param $nOut i32) (param $rows i32)
    (local $o i32) (local $i i32) (local $bytes i32) (local $to i32) (local $step i32)
    (local $w0 i32) (local $w1 i32) (local $x1 i32) (local $x2 i32) (local $x3 i32)
    (local $p v128) (local $q v128) (local $y v128)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128)
    (local $b0 v128) (local $b1 v128) (local $b2 v128) (local $b3 v128)
    (local.set $bytes (i32.shl (local.get $nIn) (i32.const 2)))
    (local.set $step (i32.shl (local.get $nOut) (i32.const 2)))
    (loop $some
      (local.set $o (call $least (local.get $o) (i32.sub (local.get $rows) (i32.const 2))))
      (local.set $w0 (i32.add (local.get $W) (i32.mul (local.get $o) (local.get $bytes))))
      (local.set $w1 (i32.add (local.get $w0) (local.get $bytes)))
      (local.set $x1 (i32.add (local.get $x) (local.get $bytes)))
      (local.set $x2 (i32.add (local.get $x1) (local.get $bytes)))
      (local.set $x3 (i32.add (local.get $x2) (local.get $bytes)))
      (local.set $a0 (v128.const f32x4 0 0 0 0))
      (local.set $a1 (local.get $a0))
      (local.set $a2 (local.get $a0))
      (local.set $a3 (local.get $a0))
      (local.set $b0 (local.get $a0))
      (local.set $b1 (local.get $a0))
      (local.set $b2 (local.get $a0))
      (local.set $b3 (local.get $a0))
      (local.set $i (i32.const 0))
      (loop $along
        (local.set $p (v128.load (i32.add (local.get $w0) (local.get $i))))
        (local.set $q (v128.load (i32.add (local.get $w1) (local.get $i))))
        (local.set $y (v128.load (i32.add (local.get $x) (local.get $i))))
        (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $y) (local.get $p))))
        (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (local.get $y) (local.get $q))))
        (local.set $y (v128.load (i32.add (local.get $x1) (local.get $i))))
        (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $y) (local.get $p))))
        (local.set $b1 (f32x4.add (local.get $b1) (f32x4.mul (local.get $y) (local.get $q))))
        (local.set $y (v128.load (i32.add (local.get $x2) (local.get $i))))
        (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $y) (local.get $p))))
        (local.set $b2 (f32x4.add (local.get $b2) (f32x4.mul (local.get $y) (local.get $q))))
        (local.set $y (v128.load (i32.add (local.get $x3) (local.get $i))))
        (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $y) (local.get $p))))
        (local.set $b3 (f32x4.add (local.get $b3) (f32x4.mul (local.get $y) (local.get $q))))
        (local.set $i (i32.add (local.get $i) (i32.const 16)))
        (br_if $along (i32.lt_u (local.get $i) (local.get $bytes))))
      (local.set $to (call $at (local.get $out) (local.get $o)))
      (local.set $p (call $sums (local.get $a0) (local.get $b0) (local.get $a1) (local.get $b1)))
      (local.set $q (call $sums (local.get $a2) (local.get $b2) (local.get $a3) (local.get $b3)))
      (v128.store64_lane 0 (local.get $to) (local.get $p))
      (local.set $to (i32.add (local.get $to) (local.get $step)))
      (v128.store64_lane 1 (local.get $to) (local.get $p))
      (local.set $to (i32.add (local.get $to) (local.get $step)))
      (v128.store64_lane 0 (local.get $to) (local.get $q))
      (local.set $to (i32.add (local.get $to) (local.get $step)))
      (v128.store64_lane 1 (local.get $to) (local.get $q))
      (local.set $o (i32.add (local.get $o) (i32.const 2)))
      (br_if $some (i32.lt_u (local.get $o) (local.get $rows)))))

  ;; The sum of each of four: (Σa, Σb, Σc, Σd).
  (func $sums (param $a v128) (param $b v128) (param $c v128) (param $d v128) (result v128)
    (local.set $a (f32x4.add
      (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b))
      (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b))))
    (local.set $c (f32x4.add
      (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d))
      (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d))))
    (f32x4.add
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $c))
      (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $c))))

  ;; The address of number `index` behind `from`.
  (func $at (param $from i32) (param $index i32) (result i32)
    (i32.add (local.get $from) (i32.shl (local.get $index) (i32.const 2))))

  (func $least (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b)))))
