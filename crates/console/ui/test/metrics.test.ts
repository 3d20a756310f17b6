import { expect, test } from "vitest";
import { parse } from "../src/console/metrics";

test("samples are read, buckets and comments are not", () => {
  const text = '# HELP a What\n# TYPE a counter\na_total{path="/x",b="c d"} 12\nb 0.5\nc_bucket{le="1"} 3\nd{quantile="0.9"} 1\n';
  expect(parse(text)).toEqual([
    { name: "a_total", labels: 'path="/x",b="c d"', value: 12 },
    { name: "b", labels: "", value: 0.5 },
  ]);
});
