/** The document comes from `holdfast openapi`; `./check` compares what is made of it with what is committed. */
export default {
  input: process.env.HOLDFAST_OPENAPI ?? "openapi.json",
  output: { path: process.env.HOLDFAST_GENERATED ?? "src/generated", module: { extension: ".js" } },
  plugins: ["@hey-api/typescript", "@hey-api/sdk", "@hey-api/client-fetch"],
};
