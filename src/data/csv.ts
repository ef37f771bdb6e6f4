/** Tables of comma-separated values (RFC 4180), row by row. */

/** A table: names of its columns, and its rows with the line on which each begins. */
export interface CsvTable {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly line: number; readonly cells: readonly string[] }[];
}

/** Splits text into rows of cells; a quoted cell may hold commas, line breaks and doubled quotes. */
function splitRows(text: string, file: string): { line: number; cells: string[] }[] {
  const rows: { line: number; cells: string[] }[] = [];
  let [cells, cell, quoted, line, begun]: [string[], string, boolean, number, number] = [[], '', false, 1, 1];
  const endRow = () => {
    cells.push(cell);
    if (cells.length > 1 || cells[0] !== '') rows.push({ line: begun, cells });
    [cells, cell] = [[], ''];
  };
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]!;
    if (letter === '\n') line++;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (letter === '"' && cell === '') quoted = true;
    else if (letter === ',') {
      cells.push(cell);
      cell = '';
    } else if (letter === '\n') {
      endRow();
      begun = line;
    } else if (letter !== '\r') cell += letter;
  }
  if (quoted)
    throw new Error(`${file}:${begun}: expected a quote that ends the cell, received the end of the file`);
  endRow();
  return rows;
}

/**
 * Reads a table whose first row names its columns.
 * @param file name for messages
 * @throws Error naming file and line when a row has another number of cells, or a quote doesn't end
 */
export function parseCsv(text: string, file: string): CsvTable {
  const [header, ...rows] = splitRows(text.replace(/^\uFEFF/, ''), file);
  if (header === undefined)
    throw new Error(`${file}: expected a first row with the names of the columns, received none`);
  const columns = header.cells;
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      throw new Error(`${file}:${line}: expected ${columns.length} cells, received ${cells.length}`);
    }
  }
  return { columns, rows };
}
