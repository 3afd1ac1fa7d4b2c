// Kernels and modules come packed in whatever their distribution prefers; the first bytes say in what.
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';

const xzMagic = Buffer.from('fd377a585a00', 'hex');
const zstdMagic = Buffer.from('28b52ffd', 'hex');
const gzipMagic = Buffer.from('1f8b', 'hex');

const startsWith = (bytes, magic) => bytes.subarray(0, magic.length).equals(magic);

// A kernel is some 60 MiB unpacked; the default limit of 1 MiB would cut it off.
const pipeThrough = (command, bytes) => execFileSync(command, ['-dc'], { input: bytes, maxBuffer: 256 << 20 });

/** The bytes unpacked; those that are in none of xz, zstd, gzip come back as they are. */
export function decompress(bytes) {
  if (startsWith(bytes, xzMagic)) return pipeThrough('xz', bytes);
  if (startsWith(bytes, zstdMagic)) return pipeThrough('zstd', bytes);
  if (startsWith(bytes, gzipMagic)) return gunzipSync(bytes);
  return bytes;
}
