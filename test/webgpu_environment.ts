/** Lets WebGPU run in software, where Debian's chromium has brought SwiftShader: import it before a runtime starts. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Description of SwiftShader for the Vulkan loader, as Debian's chromium installs it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Whether WebGPU is expected to work: SwiftShader is there and no driver was chosen already. Its variables are set for
 * this process, because the Vulkan loader reads them when a worker thread makes its first session.
 */
export const softwareWebgpu: boolean = existsSync(SWIFTSHADER);

if (softwareWebgpu) {
  process.env.VK_DRIVER_FILES ??= SWIFTSHADER;
  process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;
  process.env.XDG_RUNTIME_DIR ??= runtimeFolder();
}

/** An own folder for the loader's sockets, gone with the process. */
function runtimeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-runtime-dir-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
