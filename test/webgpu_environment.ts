/** Lets WebGPU run in software, where Debian's chromium has brought SwiftShader: import it before a runtime starts. */

import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
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

/** The loader's folder for its sockets: one of each user, for a worker that is killed could not remove its own. */
function runtimeFolder(): string {
  const folder = path.join(tmpdir(), `evenhand-runtime-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
