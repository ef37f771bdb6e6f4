/** The few drawn signs of the terminal; all are decoration beside text or a label. */

import type { ReactNode } from 'react';

function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg
      viewBox="0 0 20 20"
      width="20"
      height="20"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
    >
      {children}
    </svg>
  );
}

/** Two equal bars under a level: the mark of the project. */
export function MarkIcon() {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d="M4 8h4.5v10H4zM11.5 8H16v10h-4.5z" fill="currentColor" />
      <path d="M1.5 4h17" stroke="var(--series-0)" strokeWidth="2" />
    </svg>
  );
}

/** A picture: Create. */
export function CreateIcon() {
  return (
    <Icon>
      <rect x="2.5" y="3.5" width="15" height="13" rx="1" />
      <path d="m3 14 4-4 3 3 3.5-4.5L17 13" />
    </Icon>
  );
}

/** Bars with a target line: Audit. */
export function AuditIcon() {
  return (
    <Icon>
      <path d="M3 5h10M3 10h14M3 15h7M12 2.5v15" />
    </Icon>
  );
}

/** A curve that comes to rest: Fine-tune. */
export function FinetuneIcon() {
  return (
    <Icon>
      <path d="M3 2.5v14.5h14.5M5 5c2 7 5 9 12 9.5" />
    </Icon>
  );
}

/** A box of weights: Models. */
export function ModelsIcon() {
  return (
    <Icon>
      <path d="m10 2.5 7 3.5v8l-7 3.5L3 14V6zM3 6l7 3.5L17 6M10 9.5v8" />
    </Icon>
  );
}

/** Half light, half dark. */
export function ThemeIcon() {
  return (
    <Icon>
      <circle cx="10" cy="10" r="6.5" />
      <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
    </Icon>
  );
}

/** Arrow into a tray. */
export function DownloadIcon() {
  return (
    <Icon>
      <path d="M10 3v9.5M6 9l4 4 4-4M3.5 16.5h13" />
    </Icon>
  );
}

/** Two links of a chain. */
export function LinkIcon() {
  return (
    <Icon>
      <path d="M8.5 11.5a3 3 0 0 0 4.200 0l3-3a3 3 0 0 0-4.200-4.200L10.5 5.300M11.5 8.5a3 3 0 0 0-4.200 0l-3 3a3 3 0 0 0 4.200 4.200l1-1" />
    </Icon>
  );
}

/** A die. */
export function DiceIcon() {
  return (
    <Icon>
      <rect x="3" y="3" width="14" height="14" rx="2.5" />
      <path d="M7 7h.01M13 13h.01M10 10h.01" strokeLinecap="round" strokeWidth="2.4" />
    </Icon>
  );
}
