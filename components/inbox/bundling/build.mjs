// Makes one file of the module that is named and of all that it imports, and writes it to its output. Only maintainers need it.
import { build, transform } from "esbuild";
import { readFile } from "node:fs/promises";

/** Names of variables that no page can set need but a letter. */
const short = (css) => css.replace(/(?<=[:,]) /g, "").replace(/--(accent|surface|text|muted|line)\b/g, (name) => name.slice(0, 3));

const style = {
  name: "style",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target: "chrome123" });
      return { contents: short(code.trim()), loader: "text" };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: [process.argv[2]],
  external: ["./tocsin-inbox-push.js"],
  plugins: [style],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  write: false,
});
process.stdout.write(outputFiles[0].text);
