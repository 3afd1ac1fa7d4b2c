// node tools/vm/run.mjs <script> [<directory>]: runs a shell script in the VM, and ends with its exit status.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boot } from './boot.mjs';
import { installedKernel } from './kernels.mjs';
import { missing } from './requirements.mjs';

const [script, directory = process.cwd()] = process.argv.slice(2);
const lines = script ? missing() : [`usage: node ${process.argv[1]} <script> [<directory>]`];
if (lines.length > 0) {
  console.error(lines.join('\n'));
  process.exit(2);
}

const cache = fileURLToPath(new URL('../../.vm', import.meta.url));
const work = join(cache, `run-${process.pid}`);
const vm = await boot({
  kernel: installedKernel(),
  script,
  directory,
  work,
  cache,
  environment: { NODE: process.execPath },
  onLine: (line) => console.log(line),
});
if (vm.failure) {
  console.error([vm.failure, ...vm.complaints].join('\n'));
  console.error(`the console and the results are in ${work}`);
} else {
  rmSync(work, { recursive: true });
}
process.exitCode = vm.failure ? 1 : vm.status;
