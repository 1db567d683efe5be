// The effort test, in a worker: tries numbers until SHA-256 of "salt.number" is the one asked for. In plain
// JavaScript (FIPS 180-4, one block), because crypto.subtle is there on secure pages only, and slower for this.
(() => {
  /** First 32 bits of the fractions of roots of the first primes. @param {number} power @param {number} count */
  const fractions = (power, count) => {
    const found = [];
    for (let n = 2; found.length < count; n += 1) {
      let prime = true;
      for (let d = 2; d * d <= n; d += 1) if (n % d === 0) prime = false;
      if (prime) found.push(((n ** power % 1) * 2 ** 32) | 0);
    }
    return Int32Array.from(found);
  };
  const K = fractions(1 / 3, 64);
  const H = fractions(1 / 2, 8);
  const w = new Int32Array(64);
  const block = new DataView(new ArrayBuffer(64));

  /** The first 32 bits and the whole as hexadecimal text. @param {string} text at most 55 ASCII letters @param {boolean} whole */
  function sha256(text, whole) {
    for (let i = 0; i < 64; i += 4) block.setInt32(i, 0);
    for (let i = 0; i < text.length; i += 1) block.setUint8(i, text.charCodeAt(i));
    block.setUint8(text.length, 0x80);
    block.setInt32(60, text.length * 8);
    for (let i = 0; i < 16; i += 1) w[i] = block.getInt32(i * 4);
    for (let i = 16; i < 64; i += 1) {
      const p = w[i - 15];
      const q = w[i - 2];
      const s = ((p >>> 7) | (p << 25)) ^ ((p >>> 18) | (p << 14)) ^ (p >>> 3);
      const t = ((q >>> 17) | (q << 15)) ^ ((q >>> 19) | (q << 13)) ^ (q >>> 10);
      w[i] = (w[i - 16] + s + w[i - 7] + t) | 0;
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 64; i += 1) {
      const s = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const one = (h + s + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const t = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (t + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    const words = [a, b, c, d, e, f, g, h];
    if (!whole) return ((a + H[0]) | 0) >>> 0;
    return words.map((word, i) => (((word + H[i]) | 0) >>> 0).toString(16).padStart(8, "0")).join("");
  }

  self.onmessage = ({ data }) => {
    const first = Number.parseInt(data.challenge.slice(0, 8), 16);
    let n = 0;
    while (n <= data.max && !(sha256(`${data.salt}.${n}`, false) === first && sha256(`${data.salt}.${n}`, true) === data.challenge)) n += 1;
    postMessage(n);
  };
})();
