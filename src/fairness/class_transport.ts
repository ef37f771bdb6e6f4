/** Optimal transport to class counts that moves cheaply from one vector of counts to a neighbouring one. */

/** Differences of cost below this are rounding: the logits decide instead. */
const TIE = 1e-13;

/** An optimal assignment of images to classes for changing class counts. */
export interface ClassTransport {
  /** Class of every image in the optimal assignment for the current counts, [images]; `moveTo` overwrites it. */
  readonly classes: Int32Array;
  /** Current number of images of every class, [classes]; `moveTo` overwrites it. */
  readonly counts: Int32Array;
  /** Makes the assignment optimal for `counts`, which must sum to the number of images. */
  moveTo(counts: ArrayLike<number>): void;
}

/**
 * Transport of images to class counts by successive shortest paths on a graph whose nodes are the classes: the edge from
 * class j to k is the least extra cost of moving one of j's images to k. One unit of count moves along the cheapest
 * path, which keeps the assignment optimal, so a neighbouring vector costs O(images * classes + classes^3).
 * It starts from every image at its cheapest class, which is optimal for the counts that this gives.
 * @param costs [images, classes] row-major, finite
 * @param preferences [images, classes]; where costs tie within 1e-13, as they do for saturated classifiers, the image
 * with the larger gain of preference moves, then the one with the lower index
 */
export function createClassTransport(
  costs: Float64Array,
  preferences: Float64Array,
  classes: number,
): ClassTransport {
  const images = costs.length / classes;
  const assigned = new Int32Array(images);
  const counts = new Int32Array(classes);
  for (let image = 0; image < images; image++) {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (costs[image * classes + k]! < costs[image * classes + best]!) best = k;
    }
    assigned[image] = best;
    counts[best]!++;
  }

  const edge = new Float64Array(classes * classes);
  const gain = new Float64Array(classes * classes);
  const mover = new Int32Array(classes * classes);
  const distance = new Float64Array(classes);
  const previous = new Int32Array(classes);

  const findEdges = () => {
    edge.fill(Number.POSITIVE_INFINITY);
    for (let image = 0; image < images; image++) {
      const from = assigned[image]!;
      const row = image * classes;
      for (let to = 0; to < classes; to++) {
        if (to === from) continue;
        const index = from * classes + to;
        const extra = costs[row + to]! - costs[row + from]!;
        if (extra > edge[index]! + TIE) continue;
        const preference = preferences[row + to]! - preferences[row + from]!;
        if (extra >= edge[index]! - TIE && preference <= gain[index]!) continue;
        edge[index] = extra;
        gain[index] = preference;
        mover[index] = image;
      }
    }
  };

  const isOnPath = (source: number, end: number, sought: number) => {
    for (let node = end; node !== source; node = previous[node]!) if (node === sought) return true;
    return false;
  };

  /**
   * Bellman-Ford: edges may be negative, cycles aren't, because the assignment is optimal for its counts. Rounding can
   * still make a tied cycle look negative, so an improvement that would close a cycle is left out.
   */
  const findPaths = (source: number) => {
    distance.fill(Number.POSITIVE_INFINITY);
    distance[source] = 0;
    let changed = true;
    for (let round = 1; changed && round < classes; round++) {
      changed = false;
      for (let from = 0; from < classes; from++) {
        if (distance[from] === Number.POSITIVE_INFINITY) continue;
        for (let to = 0; to < classes; to++) {
          const through = distance[from]! + edge[from * classes + to]!;
          if (to === source || through >= distance[to]! || isOnPath(source, from, to)) continue;
          distance[to] = through;
          previous[to] = from;
          changed = true;
        }
      }
    }
  };

  const moveUnit = (source: number, sink: number) => {
    findEdges();
    findPaths(source);
    for (let to = sink; to !== source; to = previous[to]!) {
      assigned[mover[previous[to]! * classes + to]!] = to;
    }
    counts[source]!--;
    counts[sink]!++;
  };

  return {
    classes: assigned,
    counts,
    moveTo(wanted) {
      let source = 0;
      let sink = 0;
      for (;;) {
        while (source < classes && counts[source]! <= wanted[source]!) source++;
        while (sink < classes && counts[sink]! >= wanted[sink]!) sink++;
        if (source === classes || sink === classes) break;
        moveUnit(source, sink);
      }
      if (source !== sink) {
        const sum = Array.from(wanted).reduce((total, count) => total + count, 0);
        throw new Error(`Transport: the class counts must sum to ${images} images, received a sum of ${sum}`);
      }
    },
  };
}
