/** Exact optimal transport of small batches: linear assignment, and transport of N images to class counts. */

/** An assignment of rows to columns and what it costs. */
export interface Assignment {
  /** Column of every row, [rows]. */
  readonly columns: Int32Array;
  /** Sum of the assigned costs. */
  readonly cost: number;
}

/**
 * Distances of probability vectors to the corners of their simplex: sqrt of the sum over attributes of
 * ||p_i - onehot(u)||^2, the cost of eq. 4 of the method, for every cell u of the product of the attributes' classes.
 * @param probabilities one array an attribute, [images, classes of the attribute], row-major
 * @param sizes number of classes of each attribute
 * @returns [images, cells], the last attribute varying fastest within a row
 */
export function distancesToClasses(
  probabilities: readonly Float64Array[],
  sizes: readonly number[],
): Float64Array {
  const images = probabilities[0]!.length / sizes[0]!;
  const cells = sizes.reduce((product, size) => product * size, 1);
  const distances = new Float64Array(images * cells);
  let repeat = cells;
  sizes.forEach((size, axis) => {
    repeat /= size;
    const p = probabilities[axis]!;
    for (let image = 0; image < images; image++) {
      for (let cell = 0; cell < cells; cell++) {
        const k = Math.floor(cell / repeat) % size;
        let squared = 0;
        for (let j = 0; j < size; j++) {
          const difference = p[image * size + j]! - (j === k ? 1 : 0);
          squared += difference * difference;
        }
        distances[image * cells + cell]! += squared;
      }
    }
  });
  return distances.map(Math.sqrt);
}

/**
 * The cheapest assignment of every row to a column of its own, by shortest augmenting paths with potentials
 * (Jonker and Volgenant 1987; rectangular as in Crouse 2016), in float64.
 * @param costs [rows, columns] row-major, finite
 * @param rows at most `columns`
 * @throws where there are more rows than columns, the array's length differs or a cost isn't finite
 */
export function linearAssignment(costs: Float64Array, rows: number, columns: number): Assignment {
  if (rows > columns) throw new Error(`Assignment: expected at most ${columns} rows, received ${rows}`);
  if (costs.length !== rows * columns) {
    throw new Error(`Assignment: expected ${rows * columns} costs, received ${costs.length}`);
  }
  const bad = costs.findIndex((cost) => !Number.isFinite(cost));
  if (bad >= 0) {
    throw new Error(
      `Assignment: the cost of row ${Math.floor(bad / columns)}, column ${bad % columns} is ${costs[bad]}`,
    );
  }
  const rowPotential = new Float64Array(rows);
  const columnPotential = new Float64Array(columns);
  const rowOfColumn = new Int32Array(columns).fill(-1);
  const columnOfRow = new Int32Array(rows).fill(-1);
  const distance = new Float64Array(columns);
  const previousRow = new Int32Array(columns);
  const settled = new Uint8Array(columns);

  for (let start = 0; start < rows; start++) {
    distance.fill(Number.POSITIVE_INFINITY);
    settled.fill(0);
    let row = start;
    let reached = 0;
    let sink = -1;
    while (sink < 0) {
      let next = -1;
      for (let column = 0; column < columns; column++) {
        if (settled[column]) continue;
        const reduced = costs[row * columns + column]! - rowPotential[row]! - columnPotential[column]!;
        if (reached + reduced < distance[column]!) {
          distance[column] = reached + reduced;
          previousRow[column] = row;
        }
        if (next < 0 || distance[column]! < distance[next]!) next = column;
      }
      settled[next] = 1;
      reached = distance[next]!;
      if (rowOfColumn[next]! < 0) sink = next;
      else row = rowOfColumn[next]!;
    }
    rowPotential[start]! += reached;
    for (let column = 0; column < columns; column++) {
      if (!settled[column] || column === sink) continue;
      const slack = reached - distance[column]!;
      rowPotential[rowOfColumn[column]!]! += slack;
      columnPotential[column]! -= slack;
    }
    for (let column = sink; column >= 0; ) {
      const owner = previousRow[column]!;
      rowOfColumn[column] = owner;
      const left = columnOfRow[owner]!;
      columnOfRow[owner] = column;
      column = owner === start ? -1 : left;
    }
  }
  return { columns: columnOfRow, cost: costOf(costs, columns, columnOfRow) };
}

/** Sum of the costs that an assignment picks from [rows, columns]. */
function costOf(costs: Float64Array, columns: number, columnOfRow: Int32Array): number {
  return columnOfRow.reduce((sum, column, row) => sum + costs[row * columns + column]!, 0);
}

/**
 * The cheapest way to give `counts[k]` of the images to class k: {@link linearAssignment} in which the column of class k
 * is repeated counts[k] times.
 * @param costs [images, classes] row-major
 * @param counts whole numbers that sum to the number of images
 * @throws where they don't
 */
export function transportToCounts(costs: Float64Array, counts: ArrayLike<number>): Assignment {
  const classes = counts.length;
  const images = costs.length / classes;
  const repeated = Array.from(counts).flatMap((count, k) => new Array<number>(count).fill(k));
  if (repeated.length !== images) {
    throw new Error(
      `Transport: the class counts must sum to ${images} images, received a sum of ${repeated.length}`,
    );
  }
  const square = new Float64Array(images * images);
  for (let image = 0; image < images; image++) {
    for (let slot = 0; slot < images; slot++) {
      square[image * images + slot] = costs[image * classes + repeated[slot]!]!;
    }
  }
  const { columns, cost } = linearAssignment(square, images, images);
  return { columns: columns.map((slot) => repeated[slot]!), cost };
}
