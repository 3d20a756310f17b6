/** The text format of Prometheus. */

export interface Sample {
  name: string;
  /** As they stand between the braces. */
  labels: string;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;

/** The samples of a page of metrics, but for the buckets of histograms. */
export function parse(text: string): Sample[] {
  const found: Sample[] = [];
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || name.endsWith("_bucket") || labels.includes("quantile=")) continue;
    found.push({ name, labels, value: Number(value) });
  }
  return found;
}
