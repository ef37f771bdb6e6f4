/* Sets the chosen theme before the first paint; src/lib/theme.ts keeps it up to date. */
try {
  const theme = JSON.parse(localStorage.getItem('evenhand.theme'));
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  /* Storage is blocked or holds something else: the system's theme stands. */
}
