/**
 * A score for `evenhand finetune --objective configs/brightness.mjs`: the mean brightness of each image.
 * @param images graph value [N, 3, height, width] in -1..1
 * @param graph every operator of the engine; gradients follow from them
 * @returns graph value [N]
 */
export default function brightness(images, graph) {
  return graph.reduceMean(images, { axes: [1, 2, 3] });
}
