// The kernels on this machine: their images, and what modules are built against.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decompress } from './decompress.mjs';

/**
 * The newest installed kernel that has an image to boot and headers to build modules with.
 * Cloud kernels are left out: they lack the drivers of 9p.
 *
 * @returns {{ release: string, image: string, build: string } | null}
 */
export function installedKernel() {
  if (!existsSync('/lib/modules')) return null;
  const newestFirst = new Intl.Collator('en', { numeric: true });
  const found = readdirSync('/lib/modules')
    .filter((release) => !/cloud/.test(release))
    .sort((a, b) => newestFirst.compare(b, a))
    .map((release) => ({
      release,
      image: `/boot/vmlinuz-${release}`,
      build: `/lib/modules/${release}/build`,
    }));
  return found.find(({ image, build }) => existsSync(image) && existsSync(join(build, 'Makefile'))) ?? null;
}

/**
 * A bzImage unpacks itself when it boots, which takes three seconds under emulation and a tenth of one here.
 * What is inside is an ELF file that QEMU boots directly (PVH). Unpacked once, into `directory`.
 *
 * Source: Documentation/arch/x86/boot.rst, fields setup_sects, payload_offset, payload_length.
 *
 * @returns {string} the path of the ELF file
 */
export function unpackedImage({ release, image }, directory) {
  const unpacked = join(directory, `vmlinux-${release}`);
  if (existsSync(unpacked)) return unpacked;
  const bytes = readFileSync(image);
  const setupSectors = bytes.readUInt8(0x1f1);
  const start = (setupSectors + 1) * 512 + bytes.readUInt32LE(0x248);
  const length = bytes.readUInt32LE(0x24c);
  const packed = bytes.subarray(start, start + length);
  // The build appends the unpacked size, four bytes, except to gzip, which ends with it anyway (scripts/Makefile.lib).
  const elf = decompress(packed[0] === 0x1f ? packed : packed.subarray(0, -4));
  if (elf.toString('latin1', 1, 4) !== 'ELF') {
    throw new Error(`${image}: the kernel inside is packed in a way that is not known here (xz, zstd and gzip are)`);
  }
  mkdirSync(directory, { recursive: true });
  writeFileSync(unpacked, elf);
  return unpacked;
}
