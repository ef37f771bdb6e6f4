/** Which devices this machine can run graphs on, found out by running one on each in a process of its own. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DeviceName } from './runtime.ts';

/** A device that can be named to a runtime. */
export type Device = Exclude<DeviceName, 'auto'>;

/** What a trial of a device found. */
export interface DeviceReport {
  readonly device: Device;
  readonly available: boolean;
  /** Milliseconds of a 1024x1024 matrix product, when available. */
  readonly milliseconds?: number;
  /** Why it is not available, and how to make it so. */
  readonly reason?: string;
}

/** Devices in the order in which `auto` tries them. */
export const DEVICES: readonly Device[] = Object.freeze(['cuda', 'dml', 'coreml', 'webgpu', 'cpu']);

const HOW_TO_GET: Readonly<Record<Device, string>> = Object.freeze({
  cuda:
    'CUDA needs Linux on x64, an NVIDIA driver with CUDA 12 and cuDNN 9, and the provider that onnxruntime-node ' +
    'fetches when its install script is allowed: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node',
  dml: 'DirectML needs Windows and a graphics card with DirectX 12',
  coreml: 'CoreML needs macOS',
  webgpu:
    'WebGPU needs a graphics card with a Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS) driver. Without a ' +
    "card, Debian's chromium package brings a slow Vulkan driver in software; set " +
    'VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json to use it',
  cpu: 'the processor is served by every build of onnxruntime-node: reinstall it (npm ci)',
});

/** `auto` leaves a WebGPU device out that is this many times slower than the processor: it is a driver in software. */
const SLOWEST_WEBGPU = 4;
/** A trial that takes longer has failed. */
const TRIAL_MILLISECONDS = 60_000;

/** A message of the trial process. */
export type TrialMessage = { readonly milliseconds: number } | { readonly error: string };

/** Systems on which a device exists at all. */
const SYSTEMS: Readonly<Partial<Record<Device, readonly NodeJS.Platform[]>>> = Object.freeze({
  cuda: ['linux', 'win32'],
  dml: ['win32'],
  coreml: ['darwin'],
});

/** Tries one device: runs a matrix product on it in a child process, so that a crash of its driver does no harm. */
export function tryDevice(device: Device): Promise<DeviceReport> {
  if (!(SYSTEMS[device]?.includes(process.platform) ?? true)) {
    return Promise.resolve({ device, available: false, reason: HOW_TO_GET[device] });
  }
  return new Promise((resolve) => {
    const source = import.meta.url.endsWith('.ts');
    const script = fileURLToPath(new URL(`./device_trial.${source ? 'ts' : 'js'}`, import.meta.url));
    const child = fork(script, [device], { execArgv: source ? ['--import', 'tsx'] : [], stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), TRIAL_MILLISECONDS);
    let message: TrialMessage = { error: `the trial took more than ${TRIAL_MILLISECONDS / 1000} s` };
    const report = (): DeviceReport =>
      'error' in message
        ? { device, available: false, reason: `${message.error}. ${HOW_TO_GET[device]}` }
        : { device, available: true, milliseconds: message.milliseconds };
    child.on('message', (received) => {
      message = received as TrialMessage;
    });
    child.on('error', (error) => {
      message = { error: error.message };
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code !== 0 && 'milliseconds' in message)
        message = { error: `the driver stopped with code ${code}` };
      else if (signal !== null && signal !== 'SIGKILL') message = { error: `the driver crashed (${signal})` };
      resolve(report());
    });
  });
}

/** Tries every device, one after the other. */
export async function listDevices(): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = [];
  for (const device of DEVICES) reports.push(await tryDevice(device));
  return reports;
}

/**
 * The device that a user named, or with `auto` the first of {@link DEVICES} that works here.
 * @throws Error that says what a named device lacks and how to get it
 */
export async function selectDevice(name: DeviceName): Promise<Device> {
  if (name === 'cpu') return name;
  if (name !== 'auto') {
    if (!DEVICES.includes(name))
      throw new Error(`device: expected auto, ${DEVICES.join(', ')}, received ${name}`);
    const report = await tryDevice(name);
    if (!report.available) throw new Error(`device ${name} does not work here: ${report.reason}`);
    return name;
  }
  for (const device of DEVICES) {
    if (device === 'cpu') break;
    const report = await tryDevice(device);
    if (!report.available) continue;
    if (device !== 'webgpu') return device;
    const processor = await tryDevice('cpu');
    if (report.milliseconds! <= SLOWEST_WEBGPU * (processor.milliseconds ?? Infinity)) return device;
  }
  return 'cpu';
}
