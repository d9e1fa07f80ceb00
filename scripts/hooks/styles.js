// A sheet and the words of the pages come in as JSON on standard input, the rules that can be met go out.
const { PurgeCSS } = require(process.argv[2]);
const { css, words } = JSON.parse(require("fs").readFileSync(0, "utf8"));
new PurgeCSS().purge({
  content: [{ raw: words.join(" "), extension: "html" }],
  css: [{ raw: css }],
  dynamicAttributes: [...css.matchAll(/\[([\w-]+)/g)].map(found => found[1]), // scripts set some of them
  variables: true,
  safelist: { variables: words.map(word => `--${word}`) }, // drawings in the pages use some
}).then(([{ css }]) => process.stdout.write(css));
