// Formulas come in as one JSON list on standard input, HTML or an error message goes out for each.
const katex = require(process.argv[2]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const render = ({ tex, display, macros }) => {
  try {
    return { html: katex.renderToString(tex, { displayMode: display, macros, strict: "error", output: "htmlAndMathml" }) };
  } catch (error) {
    return { error: String(error.message) };
  }
};
process.stdout.write(JSON.stringify(formulas.map(render)));
