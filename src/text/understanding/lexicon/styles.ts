/** Words of style, by the name of the style. */

import { lexiconKey, wordList } from './word_list.ts';

/** Styles in normal form with the words that mean them. */
const STYLES: Readonly<Record<string, readonly string[]>> = {
  'oil painting': wordList`oil painting, oil on canvas, oil portrait, painted in oil, painted in oils, in oils, thick oils,
    oil paint, classical oil portrait`,
  watercolor: wordList`watercolor, watercolour, aquarelle, watercolor painting, watercolour painting, gouache`,
  'acrylic painting': wordList`acrylic painting, acrylic on canvas, acrylics`,
  painting: wordList`painting, painted, fresco, mural, canvas, brush strokes, impasto`,
  'pencil drawing': wordList`pencil sketch, pencil drawing, graphite sketch, pencil study, drawn in pencil, pencil on paper,
    graphite, colored pencil`,
  sketch: wordList`sketch, sketchbook page, rough sketch, line drawing, line art, lineart`,
  drawing: wordList`drawing, drawn`,
  'ink drawing': wordList`ink drawing, pen and ink, ink wash, ink on paper, sumi e, etching, engraving`,
  'charcoal drawing': wordList`charcoal, charcoal drawing, charcoal sketch`,
  pastel: wordList`pastel drawing, soft pastel, pastels, chalk drawing`,
  woodcut: wordList`woodcut, linocut, woodblock print, ukiyo e, lithograph, screen print`,
  illustration: wordList`illustration, storybook illustration, vector art, vector illustration, flat design, flat illustration`,
  'medical illustration': wordList`medical illustration, anatomical drawing`,
  cartoon: wordList`cartoon, cartoon style, comic, comic book, comic style, comic strip, caricature, graphic novel`,
  anime: wordList`anime, manga, anime style, studio ghibli, ghibli style, chibi`,
  'pixel art': wordList`pixel art, 8 bit, 16 bit`,
  '3d render': wordList`3d render, 3d rendering, octane render, unreal engine, blender render, cgi, ray tracing, low poly,
    pixar style, claymation, clay render`,
  'black and white': wordList`black and white, black & white, monochrome, grayscale, greyscale, b&w, bw photo`,
  sepia: wordList`sepia, sepia tone, sepia photo, sepia photograph, sepia portrait, sepia print, daguerreotype, tintype`,
  photograph: wordList`photo, photograph, photography, headshot, snapshot, polaroid, selfie, portrait photography,
    passport photo, mugshot, dslr, 35mm, 50mm, 85mm, kodachrome, film grain, bokeh, studio portrait, street photography`,
  photorealistic: wordList`photorealistic, photo realistic, hyperrealistic, hyper realistic, realistic, ultra realistic,
    hyperrealism, lifelike`,
  cinematic: wordList`cinematic, cinematic lighting, film still, movie still, cinematic shot, film noir, noir`,
  'concept art': wordList`concept art, digital painting, digital art, artstation, matte painting, fantasy art, splash art`,
  impressionist: wordList`impressionist, impressionism, impressionistic, post impressionist, pointillism`,
  expressionist: wordList`expressionist, expressionism`,
  cubist: wordList`cubist, cubism`,
  surreal: wordList`surreal, surrealism, surrealist`,
  baroque: wordList`baroque, rococo, chiaroscuro`,
  renaissance: wordList`renaissance, renaissance style, old master, old masters`,
  'art nouveau': wordList`art nouveau, jugendstil`,
  'art deco': wordList`art deco`,
  'pop art': wordList`pop art`,
  abstract: wordList`abstract, abstract art, abstract expressionism`,
  minimalist: wordList`minimalist, minimalism, minimal`,
  steampunk: wordList`steampunk`,
  cyberpunk: wordList`cyberpunk, vaporwave, synthwave`,
  vintage: wordList`vintage, retro, antique photo, faded photograph`,
  mosaic: wordList`mosaic, stained glass, stained glass window`,
  sculpture: wordList`sculpture, statue, marble bust, bronze statue, origami, paper cut, papercraft`,
  graffiti: wordList`graffiti, street art, stencil`,
  poster: wordList`poster, propaganda poster, movie poster, travel poster`,
  corporate: wordList`corporate style, business portrait, corporate portrait`,
};

/** Names of styles by the keys of their words. */
export const STYLE_WORDS: ReadonlyMap<string, string> = new Map(
  Object.entries(STYLES).flatMap(([style, words]) => words.map((word) => [lexiconKey(word), style] as const)),
);
