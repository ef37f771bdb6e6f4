/** Numbers as people read them: shares, durations, sizes, times. */

const whole = new Intl.NumberFormat('en');
const time = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** A share 0..1 as `43%`; one decimal where `digits` is 1. */
export function percent(share: number, digits = 0): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits)}%` : '–';
}

/** An interval of shares as `38–49%`. */
export function percentInterval({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${(low * 100).toFixed(0)}–${(high * 100).toFixed(0)}%`;
}

/** A measure in 0..1 with two decimals and no leading zero, as the report writes it: `.43`. */
export function measure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  return value.toFixed(2).replace(/^(-?)0\./, '$1.');
}

/** A whole number with thousands separated. */
export function count(value: number): string {
  return whole.format(value);
}

/** `1 image`, `4 images`. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${whole.format(value)} ${value === 1 ? noun : plural}`;
}

/** Seconds as `40 s`, `12 min`, `3 h 20 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return '< 1 s';
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

/** Bytes as `1.2 MB` (powers of ten, as disks and browsers count). */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = size < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** A point in time as `25 Nov 2026, 08:20`. */
export function moment(when: string | number): string {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? '–' : time.format(date);
}

/** A number to about three digits, for loss and the like. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}
