// Ids as DAIRA mints them: 41 bits of milliseconds since 2024, 10 of node, 12 of sequence.

const EPOCH_MS = 1_704_067_200_000;
const NODE = BigInt(process.pid % 1_024);

let lastMs = 0;
let sequence = 0;

export function mint() {
  let now = Math.max(Date.now() - EPOCH_MS, lastMs);
  sequence = now === lastMs ? (sequence + 1) & 0xfff : 0;
  if (now === lastMs && sequence === 0) now += 1;
  lastMs = now;
  return String((BigInt(now) << 22n) | (NODE << 12n) | BigInt(sequence));
}

export function mintedAt(id) {
  return new Date(Number(BigInt(id) >> 22n) + EPOCH_MS);
}
